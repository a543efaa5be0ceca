"""Whatever happens to members in whatever order, the books balance: earn, spend, return, cancel, lapse, extend, put back,
buy a membership and give it back, merge, close.

Each history has members of its own in one world, so that all of them together are proven. `LIYU_TEST_STEPS=10000` drives the
histories for that many steps. A failing history is shown as it was found: to make it smaller, hundreds would have to be played.
"""

import asyncio
import itertools
import os
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from msgspec import structs

from liyu.core.clock import local_date
from liyu.core.errors import DomainError
from liyu.members.errors import UnknownMemberError
from liyu.members.paid.errors import NotBuyableError, NotReturnableError
from liyu.members.paid.plans import PlanDraft, make_plan
from liyu.members.paid.service import Sale, return_membership, sell_membership
from liyu.members.points.adjust import NotEnoughToTakeError, adjust_points
from liyu.members.points.events import Event
from liyu.members.points.expiry_models import EXTEND, REINSTATE
from liyu.members.points.expiry_order import NothingToMoveError, Order, give_order
from liyu.members.points.lapse import lapse_points, mature_points
from liyu.members.program import DEFAULT_RULES, DEFAULT_TERMS
from liyu.members.service.errors import NotMergeableError
from liyu.members.tiers.evaluate import evaluate_tiers
from liyu.members.tiers.near import NEXT, nears
from liyu.redemption.cancel import cancel_redemption
from liyu.redemption.closing import close_account
from liyu.redemption.desk import Desk
from liyu.redemption.merge import merge
from tests.world import NOW, ZONE, World, open_world

STEPS = int(os.environ.get("LIYU_TEST_STEPS", "600"))
STEPS_OF_A_HISTORY = 50
MEMBERS = 3
PRICE = 100
PLANS = [
    PlanDraft("silver", "silver", "银卡月卡", "Silver for a month", 1, 150, 1_500, 7, offered=True),
    PlanDraft("gold", "gold", "金卡季卡", "Gold for a season", 3, 400, 4_000, 0, offered=True),
]

TERMS = structs.replace(DEFAULT_TERMS, expiry_policy="rolling", expiry_months=3, lapsed_grace_days=10)
RULES = [structs.replace(one, pending_days=7) if one.code == "purchase" else one for one in DEFAULT_RULES]

# Of each member: what the accounts say, what the lots say, what the transfers say.
_THREE_WAYS = """
    SELECT a.kind, a.balance, (SELECT coalesce(sum(l.remaining), 0)::bigint FROM lot l WHERE l.account_id = a.id),
        (SELECT coalesce(sum(CASE WHEN t.credit_account_id = a.id THEN t.amount ELSE -t.amount END), 0)::bigint
            FROM transfer t WHERE a.id IN (t.credit_account_id, t.debit_account_id))
    FROM account a JOIN member m ON m.id = a.member_id WHERE m.id = ANY(%s)"""

_PAST = """
    SELECT count(*) FROM lot l JOIN account a ON a.id = l.account_id
    WHERE l.is_open AND l.expires_on < %s AND a.member_id = ANY(%s)"""

_WRONGLY_NEAR = f"""
    SELECT count(*) FROM member m JOIN {NEXT} AS n ON n.tier_id = coalesce(m.tier_earned_id, m.tier_id)
    WHERE m.id = ANY(%s) AND m.nears_next <> {nears("m.growth", "n.threshold")}"""

Result = TypeVar("Result")
who = st.integers(0, MEMBERS - 1)


@dataclass
class Stage:
    """The world in which all histories play, and the desk at which their members redeem."""

    runner: asyncio.Runner
    world: World
    desk: Desk
    numbers: Any = field(default_factory=itertools.count)

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self.runner.run(work)


@dataclass
class Purchase:
    """A purchase, and how much of it has not come back."""

    event: Event
    left: int


class History(RuleBasedStateMachine):
    """One history of three members; `stage` is set by the test."""

    stage: Stage

    @initialize()
    def join(self) -> None:
        self.stage.world.clock.instant = NOW
        self.names = [f"h{next(self.stage.numbers)}" for _ in range(MEMBERS)]
        self.gone: set[int] = set()
        self.meant: dict[int, int] = {}
        self.purchases: list[Purchase] = []
        self.orders: list[str] = []
        self.memberships: list[str] = []
        for name in self.names:
            self.stage.run(self.stage.world.member(name))
        self.ids = [self._ask("SELECT id FROM member WHERE external_id = %s", name) for name in self.names]

    @rule(who=who, yuan=st.integers(1, 2_000), days=st.integers(0, 40))
    def buy(self, who: int, yuan: int, days: int) -> None:
        name, world = self.names[who], self.stage.world
        event = world.purchase(name, yuan * 100, at=world.clock.now() - timedelta(days=days))
        (posted,) = self.stage.run(world.post(event))
        if self._lives(who) in self.gone:
            assert posted.status == "failed"
        else:
            assert posted.status == "ok"
            self.purchases.append(Purchase(event, yuan * 100))

    @precondition(lambda self: self.purchases)
    @rule(which=st.integers(0, 99), share=st.sampled_from([1, 2, 3]))
    def bring_back(self, which: int, share: int) -> None:
        bought, world = self.purchases[which % len(self.purchases)], self.stage.world
        amount = bought.left // share
        event = structs.replace(
            world.event(bought.event.member, "return", -amount), purchase=bought.event.reference, currency="CNY"
        )
        (posted,) = self.stage.run(world.post(event))
        if posted.status == "ok":
            assert posted.points <= 0
            bought.left -= amount

    @rule(who=who, quantity=st.integers(1, 4))
    def redeem(self, who: int, quantity: int) -> None:
        wish, who = self.stage.world.wish(self.names[who], "item-1", quantity), self._lives(who)
        before = self._usable(who)
        try:
            redeemed = self.stage.run(self.stage.desk.redeem(wish))
        except DomainError:
            assert self._usable(who) == before
            assert who in self.gone or self._spendable(who) < quantity * PRICE
        else:
            assert redeemed.points == quantity * PRICE
            self.orders.append(redeemed.number)

    @precondition(lambda self: self.orders)
    @rule(which=st.integers(0, 99))
    def cancel(self, which: int) -> None:
        self._do(
            lambda: cancel_redemption(
                self.stage.world.connection, self.orders[which % len(self.orders)], member_id=None, reason="x", actor="test",
                now=self.stage.world.clock.now(), zone=ZONE,
            )
        )  # fmt: skip

    @rule(who=who, points=st.integers(-800, 800).filter(bool))
    def adjust(self, who: int, points: int) -> None:
        before = self._usable(self._lives(who))
        refused = self._do(
            lambda: adjust_points(
                self.stage.world.connection, self.names[who], points, reason="x", key=f"k{next(self.stage.numbers)}",
                actor="test", now=self.stage.world.clock.now(), zone=ZONE,
            )
        )  # fmt: skip
        if isinstance(refused, NotEnoughToTakeError):
            assert self._usable(self._lives(who)) == before < -points

    @rule(days=st.sampled_from([1, 8, 31, 100]))
    def let_time_pass(self, days: int) -> None:
        world = self.stage.world
        world.clock.instant += timedelta(days=days)
        now, today = world.clock.now(), self._today()
        self.stage.run(mature_points(world.connection, today, actor="test", now=now))
        self.stage.run(lapse_points(world.connection, today, actor="test", now=now))
        self.stage.run(evaluate_tiers(world.connection, today, now=now))
        assert self._ask(_PAST, today, self.ids) == 0

    @rule(who=who, days=st.integers(1, 60))
    def extend(self, who: int, days: int) -> None:
        world = self.stage.world
        first = self._ask(
            "SELECT min(expires_on) FROM lot l JOIN account a ON a.id = l.account_id WHERE l.is_open AND a.member_id = %s",
            self.ids[who],
        )
        if first is None:
            return
        order = Order(EXTEND, self.ids[who], first, first + timedelta(days=days), "x", f"e{next(self.stage.numbers)}")
        before = self._usable(who)
        refused = self._do(lambda: give_order(world.connection, order, actor="test", now=world.clock.now(), zone=ZONE))
        assert refused is None or isinstance(refused, NothingToMoveError)
        assert self._usable(who) == before

    @rule(who=who, weeks=st.integers(0, 3))
    def put_lapsed_points_back(self, who: int, weeks: int) -> None:
        world = self.stage.world
        lapsed = self._ask(
            "SELECT max(l.expires_on) FROM lot l JOIN account a ON a.id = l.account_id "
            "WHERE a.member_id = %s AND a.kind = 'member_points' AND l.expires_on < %s",
            self.ids[who], self._today(),
        )  # fmt: skip
        if lapsed is None:
            return
        until = self._today() + timedelta(weeks=weeks)
        order = Order(REINSTATE, self.ids[who], lapsed, until, "x", f"e{next(self.stage.numbers)}")
        before = self._usable(who)
        refused = self._do(lambda: give_order(world.connection, order, actor="test", now=world.clock.now(), zone=ZONE))
        assert (self._usable(who) > before) if refused is None else (self._usable(who) == before)

    @rule(who=who, plan=st.sampled_from(PLANS), in_money=st.booleans())
    def buy_a_membership(self, who: int, plan: PlanDraft, in_money: bool) -> None:
        world, lives = self.stage.world, self._lives(who)
        reference, before = f"s{next(self.stage.numbers)}", self._usable(lives)
        sale = Sale(self.names[who], plan.code, reference, plan.price_minor if in_money else None)
        refused = self._do(
            lambda: sell_membership(world.connection, sale, actor="test", now=world.clock.now(), zone=ZONE)
        )
        if refused is None:
            assert self._usable(lives) == before - (0 if in_money else plan.points or 0)
            self.memberships.append(reference)
        else:
            assert isinstance(refused, NotBuyableError | UnknownMemberError)
            assert self._usable(lives) == before

    @precondition(lambda self: self.memberships)
    @rule(which=st.integers(0, 99))
    def give_a_membership_back(self, which: int) -> None:
        world, reference = self.stage.world, self.memberships[which % len(self.memberships)]
        refused = self._do(
            lambda: return_membership(
                world.connection, reference, reason="x", actor="test", now=world.clock.now(), zone=ZONE
            )
        )
        assert refused is None or isinstance(refused, NotReturnableError)

    @rule(source=who, into=who)
    def merge_two(self, source: int, into: int) -> None:
        world, target = self.stage.world, self._lives(into)
        before = self._usable(source) + self._usable(target)
        refused = self._do(
            lambda: merge(
                world.connection, self.names[source], self.names[into], reason="x", actor="test", now=world.clock.now(),
                zone=ZONE,
            )
        )  # fmt: skip
        if refused is None:
            assert self._usable(source) == 0
            assert self._usable(target) == before
            # From now on the source's number leads to the target.
            self.meant[source] = target
        else:
            assert isinstance(refused, NotMergeableError | UnknownMemberError)

    @rule(who=who)
    def close(self, who: int) -> None:
        world = self.stage.world
        refused = self._do(lambda: close_account(world.connection, self.ids[who], actor="test", now=world.clock.now()))
        if refused is None:
            self.gone.add(who)
            assert self._usable(who) == 0

    @invariant()
    def three_ways_give_one_balance(self) -> None:
        if not hasattr(self, "ids"):
            return
        for kind, balance, lots, transfers in self.stage.run(self._rows(_THREE_WAYS, self.ids)):
            assert balance == transfers, kind
            assert lots == (0 if kind == "member_debt" else balance), kind
            assert balance <= 0 if kind == "member_debt" else balance >= 0, kind

    def teardown(self) -> None:
        proof = self.stage.run(self.stage.world.proof())
        assert proof.balanced, proof.offenders
        assert self._ask(_WRONGLY_NEAR, self.ids) == 0

    def _do(self, work: Any) -> DomainError | None:
        """Do something in a transaction of its own; its refusal, if it was refused."""

        async def act() -> None:
            async with self.stage.world.connection.transaction():
                await work()

        try:
            self.stage.run(act())
        except DomainError as refusal:
            return refusal
        return None

    def _lives(self, who: int) -> int:
        """Who is meant by the number of one who may have been merged."""
        while who in self.meant:
            who = self.meant[who]
        return who

    def _usable(self, who: int) -> int:
        found: int = self._ask(
            "SELECT balance FROM account WHERE member_id = %s AND kind = 'member_points'", self.ids[who]
        )
        return found

    def _spendable(self, who: int) -> int:
        found: int = self._ask(
            "SELECT coalesce(sum(l.remaining), 0)::bigint FROM lot l JOIN account a ON a.id = l.account_id "
            "WHERE a.member_id = %s AND a.kind = 'member_points' "
            "AND l.is_open AND (l.expires_on IS NULL OR l.expires_on >= %s)",
            self.ids[who], self._today(),
        )  # fmt: skip
        return found

    def _ask(self, query: str, *values: Any) -> Any:
        return self.stage.run(self.stage.world.one(query, *values))

    async def _rows(self, query: str, *values: Any) -> list[Any]:
        return await (await self.stage.world.connection.execute(query, values)).fetchall()

    def _today(self) -> date:
        return local_date(self.stage.world.clock.now(), ZONE)


@pytest.mark.timeout(300 + STEPS)
def test_histories_of_everything_that_can_happen_keep_the_books(database_url: str) -> None:
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()

        async def build() -> Stage:
            world = await stack.enter_async_context(open_world(database_url, terms=TERMS, rules=RULES))
            await world.item("item-1", points=PRICE)
            for plan in PLANS:
                await make_plan(world.connection, plan)
            return Stage(runner, world, await stack.enter_async_context(world.desk()))

        stage = runner.run(build())
        kind = type("OneHistory", (History,), {"stage": stage})
        try:
            run_state_machine_as_test(
                kind,
                settings=settings(
                    max_examples=max(1, STEPS // STEPS_OF_A_HISTORY), stateful_step_count=STEPS_OF_A_HISTORY, deadline=None,
                    suppress_health_check=list(HealthCheck), phases=[Phase.generate],
                ),
            )  # fmt: skip
        finally:
            runner.run(stack.aclose())
