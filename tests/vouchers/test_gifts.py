"""A voucher that is given changes hands once, whoever is quick; whoever gave it away can neither use nor cancel it."""

import asyncio
from collections import Counter
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liyu.core.errors import DomainError, NotFoundError
from liyu.redemption.cancel import cancel_redemption
from liyu.redemption.merge import merge
from liyu.vouchers.errors import GiftPendingError, UnknownVoucherError, VouchersNotCancellableError
from liyu.vouchers.expire import expire_vouchers
from liyu.vouchers.gifts import service
from liyu.vouchers.gifts.errors import (
    CannotReceiveError,
    GiftHeldError,
    GiftOverError,
    NotGiftableError,
    OwnGiftError,
    TooManyGiftsError,
    UnknownGiftError,
)
from liyu.vouchers.gifts.queries import gift_behind, gift_of_member, list_gifts, open_gift
from liyu.vouchers.gifts.service import GiftLinks, Offered, accept_gift, lapse_gifts, offer_gift, take_back_gift
from liyu.vouchers.queries import count_wallet, voucher_of_member
from liyu.vouchers.rules import VoucherRules, save_rules
from liyu.vouchers.serials import HIGHEST_ID, LAST_GENERATION, serial_of, split_serial
from liyu.vouchers.states import may_become
from tests.proofs import at_size
from tests.vouchers.tills import TOKENS, Connections, Shops, open_shops, verify_on
from tests.world import NOW, ZONE, World, open_world

LINKS = GiftLinks("a-secret-for-tests-" + "0" * 32)
WEEK = timedelta(days=7)


@dataclass(slots=True)
class Givers:
    """Members who give each other vouchers on one connection."""

    shops: Shops
    ids: dict[str, int] = field(default_factory=dict)

    @property
    def world(self) -> World:
        return self.shops.world

    async def enrol(self, *names: str) -> None:
        for name in names:
            if not await self.world.one("SELECT 1 FROM member WHERE external_id = %s", name):
                await self.world.member(name)
            self.ids[name] = await self.world.one("SELECT id FROM member WHERE external_id = %s", name)

    async def offer(self, who: str, voucher: int, *, now: Any = NOW, on: Any = None) -> Offered:
        connection = on or self.world.connection
        async with connection.transaction():
            return await offer_gift(
                connection, self.ids[who], voucher, words="趁热", links=LINKS, actor=f"member:{who}", now=now, zone=ZONE
            )

    async def accept(self, who: str, token: str, *, now: Any = NOW, on: Any = None) -> Any:
        connection = on or self.world.connection
        async with connection.transaction():
            return await accept_gift(connection, self.ids[who], token, actor=f"member:{who}", now=now)

    async def take_back(self, who: str, voucher: int, *, on: Any = None) -> None:
        connection = on or self.world.connection
        async with connection.transaction():
            await take_back_gift(connection, self.ids[who], voucher, actor=f"member:{who}", now=NOW)

    async def lapse(self, *, now: Any, on: Any = None) -> int:
        connection = on or self.world.connection
        async with connection.transaction():
            return await lapse_gifts(connection, now)

    async def holder(self, voucher: int) -> int:
        return int(await self.world.one("SELECT coalesce(holder_id, member_id) FROM voucher WHERE id = %s", voucher))

    async def footprint(self) -> dict[str, Any]:
        """All that a gift may change, and all that it may not."""
        tables = ("voucher_gift", "voucher_transition", "transfer", "payable_entry", "member_notice")
        counts = {table: await self.world.one(f"SELECT count(*) FROM {table}") for table in tables}
        rows = "SELECT md5(string_agg(t::text, '' ORDER BY t.id)) FROM {} t"
        return counts | {name: await self.world.one(rows.format(name)) for name in ("voucher", "voucher_gift")}


async def open_givers(world: World) -> Givers:
    givers = Givers(await open_shops(world))
    await givers.shops.voucher()
    await givers.enrol("m-1", "m-2", "m-3")
    return givers


async def refuse(givers: Givers, error: type[DomainError], act: Awaitable[Any]) -> DomainError:
    before = await givers.footprint()
    with pytest.raises(error) as refused:
        await act
    assert await givers.footprint() == before
    return refused.value


def test_a_serial_number_holds_id_and_generation() -> None:
    for voucher, generation in ((1, 0), (HIGHEST_ID, LAST_GENERATION), (77, 3)):
        assert split_serial(serial_of(voucher, generation)) == (voucher, generation)
        assert TOKENS.codes.voucher_id_of(TOKENS.codes.code_of(serial_of(voucher, generation))) is not None
    for voucher, generation in ((0, 0), (HIGHEST_ID + 1, 0), (1, LAST_GENERATION + 1), (1, -1)):
        with pytest.raises(ValueError, match="serial"):
            serial_of(voucher, generation)


async def test_a_gift_changes_hands_and_the_old_codes_are_nobodys(database_url: str) -> None:
    async with open_world(database_url) as world:
        givers = await open_givers(world)
        shops, (giver, receiver) = givers.shops, (givers.ids["m-1"], givers.ids["m-2"])
        voucher = await shops.voucher(uses=2)
        old = [
            TOKENS.codes.code_of(voucher),
            TOKENS.dynamic_token(voucher, NOW),
            TOKENS.static_token(voucher, NOW.date(), 1),
        ]
        books = await world.one("SELECT count(*) FROM transfer")
        offered = await givers.offer("m-1", voucher)
        assert (await count_wallet(world.connection, giver, NOW))["gifts"] == 1
        assert LINKS.token_of(offered.gift_id) == offered.token
        seen = await gift_behind(world.connection, offered.token)
        assert (seen.voucher_id, seen.is_open(NOW), seen.is_open(NOW + WEEK), seen.words) == (
            voucher,
            True,
            False,
            "趁热",
        )
        assert await open_gift(world.connection, voucher) == seen
        with pytest.raises(GiftPendingError):
            await shops.verify(voucher)

        accepted = await givers.accept("m-2", offered.token)
        assert (accepted.voucher_id, accepted.generation) == (voucher, 1)
        assert await givers.accept("m-2", offered.token) == accepted
        assert await givers.holder(voucher) == receiver
        assert (await voucher_of_member(world.connection, receiver, voucher)).serial == serial_of(voucher, 1)
        for stranger in (giver, givers.ids["m-3"]):
            with pytest.raises(NotFoundError):
                await voucher_of_member(world.connection, stranger, voucher)
        for text in old:
            with pytest.raises(UnknownVoucherError):
                await shops.verify(voucher, text=text)
        used = await shops.verify(voucher, text=TOKENS.codes.code_of(serial_of(voucher, 1)))
        assert (used.use_number, used.voucher_id) == (1, voucher)
        number = await world.one(
            "SELECT r.number FROM redemption r JOIN voucher v ON v.redemption_id = r.id WHERE v.id = %s", voucher
        )
        await shops.undo(used.verification_id)
        for member in (giver, None):
            with pytest.raises(VouchersNotCancellableError):
                async with world.connection.transaction():
                    await cancel_redemption(
                        world.connection, number, member_id=member, reason="no", actor="t", now=NOW, zone=ZONE
                    )
        assert await world.one(
            "SELECT count(*) FROM transfer WHERE event <> 'use' AND unit = 'PTS'"
        ) == await world.one("SELECT count(*) FROM transfer WHERE unit = 'PTS'")
        assert books <= await world.one("SELECT count(*) FROM transfer")
        assert await world.one("SELECT topic FROM member_notice WHERE member_id = %s", giver) == "gift_accepted"
        gifts, following = await list_gifts(world.connection, receiver)
        assert ([one.state for one in gifts], following) == (["accepted"], None)
        with pytest.raises(NotFoundError):
            await gift_of_member(world.connection, givers.ids["m-3"], offered.gift_id)


async def test_what_cannot_be_given_says_everything_that_is_in_the_way(database_url: str) -> None:
    async with open_world(database_url) as world:
        givers = await open_givers(world)
        shops = givers.shops
        used, other, whole = await shops.voucher(uses=3), await shops.voucher(member="m-4"), await shops.voucher()
        await shops.verify(used)
        await refuse(givers, NotFoundError, givers.offer("m-1", other))
        reasons = (await refuse(givers, NotGiftableError, givers.offer("m-1", used))).reasons
        assert [reason.code for reason in reasons] == ["used"]
        await world.connection.execute("UPDATE item SET giftable = false")
        await world.connection.execute("UPDATE voucher SET frozen_at = now(), generation = 15 WHERE id = %s", (used,))
        reasons = (await refuse(givers, NotGiftableError, givers.offer("m-1", used))).reasons
        assert [reason.code for reason in reasons] == ["item", "used", "frozen", "hands"]
        await world.connection.execute("UPDATE item SET giftable = true")
        await world.connection.execute("UPDATE voucher SET frozen_at = NULL, generation = 0 WHERE id = %s", (used,))
        late = await world.one("SELECT expires_at FROM voucher WHERE id = %s", whole)
        reasons = (await refuse(givers, NotGiftableError, givers.offer("m-1", whole, now=late))).reasons
        assert [reason.code for reason in reasons] == ["over"]

        await save_rules(world.connection, VoucherRules(gifts_a_day=1), NOW)
        await givers.offer("m-1", whole)
        reasons = (await refuse(givers, NotGiftableError, givers.offer("m-1", whole))).reasons
        assert [reason.code for reason in reasons] == ["already_offered"]
        second = await shops.voucher()
        await refuse(givers, TooManyGiftsError, givers.offer("m-1", second))
        await givers.offer("m-1", second, now=NOW + timedelta(days=1))
        await save_rules(world.connection, VoucherRules(gift_days=0), NOW)
        third = await shops.voucher()
        await world.connection.execute("UPDATE member SET state = 'frozen' WHERE external_id = 'm-1'")
        reasons = (await refuse(givers, NotGiftableError, givers.offer("m-1", third))).reasons
        assert [reason.code for reason in reasons] == ["account", "program"]


async def test_a_gift_is_accepted_by_whom_it_may_be_while_it_lasts(database_url: str) -> None:
    async with open_world(database_url) as world:
        givers = await open_givers(world)
        voucher = await givers.shops.voucher()
        await refuse(givers, UnknownGiftError, givers.accept("m-2", "no-such-token"))
        first = await givers.offer("m-1", voucher)
        await refuse(givers, OwnGiftError, givers.accept("m-1", first.token))
        await refuse(givers, GiftOverError, givers.accept("m-2", first.token, now=first.expires_at))
        await refuse(givers, GiftOverError, givers.take_back("m-2", voucher))
        await world.connection.execute("UPDATE member SET state = 'frozen' WHERE external_id = 'm-3'")
        await refuse(givers, CannotReceiveError, givers.accept("m-3", first.token))
        await world.connection.execute("UPDATE voucher SET frozen_at = now() WHERE id = %s", (voucher,))
        await refuse(givers, GiftHeldError, givers.accept("m-2", first.token))
        await refuse(givers, GiftOverError, givers.accept("m-2", first.token, now=first.expires_at))
        await world.connection.execute("UPDATE voucher SET frozen_at = NULL WHERE id = %s", (voucher,))
        # What is with somebody whose account is frozen does not get away by a link.
        await world.connection.execute("UPDATE member SET state = 'frozen' WHERE external_id = 'm-1'")
        await refuse(givers, GiftHeldError, givers.accept("m-2", first.token))
        await world.connection.execute("UPDATE member SET state = 'active' WHERE external_id IN ('m-1', 'm-3')")
        await givers.take_back("m-1", voucher)
        await refuse(givers, GiftOverError, givers.accept("m-2", first.token))
        # An old link stays dead while the same voucher waits behind a new one.
        second = await givers.offer("m-1", voucher)
        await refuse(givers, GiftOverError, givers.accept("m-2", first.token))
        await givers.accept("m-2", second.token)
        await refuse(givers, GiftOverError, givers.take_back("m-1", voucher))
        # Whoever gives it on has it no more, though they accepted it once.
        third = await givers.offer("m-2", voucher)
        assert (await givers.accept("m-2", second.token)).voucher_id == voucher
        await givers.accept("m-3", third.token)
        await refuse(givers, GiftOverError, givers.accept("m-2", second.token))
        assert not (await gift_behind(world.connection, second.token)).is_with(givers.ids["m-2"])


async def test_what_nobody_accepts_goes_back_and_runs_out_on_its_day(database_url: str) -> None:
    async with open_world(database_url) as world:
        givers = await open_givers(world)
        lasting, ending = [await givers.shops.voucher() for _ in range(2)]
        await world.connection.execute("UPDATE voucher SET expires_at = %s WHERE id = %s", (NOW + WEEK / 2, ending))
        assert (await givers.offer("m-1", lasting)).expires_at == NOW + WEEK
        assert (await givers.offer("m-1", ending)).expires_at == NOW + WEEK / 2
        await expire_vouchers(world.connection, NOW + WEEK)
        assert await givers.shops.state(ending) == ("offered", 0)
        assert [await givers.lapse(now=NOW + days) for days in (WEEK / 2 - timedelta(seconds=1), WEEK, WEEK)] == [
            0,
            2,
            0,
        ]
        await expire_vouchers(world.connection, NOW + WEEK)
        assert await givers.shops.state(lasting) == ("issued", 0)
        assert await givers.shops.steps(ending) == [("issued", "offered"), ("offered", "issued"), ("issued", "expired")]
        assert await world.one("SELECT count(*) FROM member_notice WHERE topic = 'gift_lapsed'") == 2
        await givers.shops.verify(lasting)


async def test_gifts_go_with_members_who_are_merged(database_url: str) -> None:
    async with open_world(database_url) as world:
        givers = await open_givers(world)
        received, waiting = [await givers.shops.voucher() for _ in range(2)]
        await givers.accept("m-2", (await givers.offer("m-1", received)).token)
        link = (await givers.offer("m-1", waiting)).token
        for source, target in (("m-2", "m-3"), ("m-1", "m-3")):
            async with world.connection.transaction():
                await merge(world.connection, source, target, reason="One", actor="t", now=NOW, zone=ZONE)
        assert await givers.holder(received) == givers.ids["m-3"]
        await refuse(givers, OwnGiftError, givers.accept("m-3", link))
        await givers.take_back("m-3", waiting)
        await givers.shops.verify(received, text=TOKENS.codes.code_of(serial_of(received, 1)))


async def _outcomes(*acts: Awaitable[Any]) -> Counter[str]:
    results = await asyncio.gather(*acts, return_exceptions=True)
    return Counter(type(result).__name__ if isinstance(result, BaseException) else "done" for result in results)


async def _decide_at_once(givers: Givers, url: str) -> Counter[str]:
    """Two accept, the giver takes back, two jobs let it lapse, at the same time."""
    voucher = await givers.shops.voucher(agreement=False)
    offered = await givers.offer("m-1", voucher)
    just_before = offered.expires_at - timedelta(seconds=1)

    async def lapse(on: Any) -> None:
        if not await givers.lapse(now=offered.expires_at, on=on):
            raise GiftOverError

    async with Connections(url, 6) as (a, b, c, d, e, f):
        return await _outcomes(
            givers.accept("m-2", offered.token, now=just_before, on=a),
            givers.accept("m-3", offered.token, now=just_before, on=b),
            givers.take_back("m-1", voucher, on=c),
            givers.take_back("m-1", voucher, on=d),
            lapse(e),
            lapse(f),
        )


async def test_one_update_decides_who_is_quick(database_url: str) -> None:
    async with open_world(database_url) as world:
        givers = await open_givers(world)
        for _ in range(5):
            assert await _decide_at_once(givers, database_url) == {"done": 1, "GiftOverError": 5}


async def test_without_its_condition_a_gift_is_decided_twice(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_ACCEPT", "_TAKE_BACK"):
        unguarded = getattr(service, name).replace("AND g.state = 'open'", "")
        assert unguarded != getattr(service, name)
        monkeypatch.setattr(service, name, unguarded)
    for name in ("_HAND_OVER", "_GIVE_BACK"):
        monkeypatch.setattr(service, name, getattr(service, name).replace("AND state = 'offered'", ""))
    async with open_world(database_url) as world:
        givers = await open_givers(world)
        await world.connection.execute("ALTER TABLE voucher_gift DROP CONSTRAINT ck_voucher_gift_accepted_by_somebody")
        outcomes = await _decide_at_once(givers, database_url)
        assert outcomes["done"] > 1
        # The world proves its books when it is left: put right what this run broke on purpose.
        await world.connection.execute("UPDATE voucher_gift SET state = 'taken_back', receiver_id = NULL")
        await world.connection.execute("UPDATE voucher SET state = 'issued', holder_id = NULL, generation = 0")


async def _give_and_use(givers: Givers, url: str) -> Counter[str]:
    voucher = await givers.shops.voucher(agreement=False)
    async with Connections(url, 4) as (a, b, c, d):
        return await _outcomes(
            givers.offer("m-1", voucher, on=a),
            verify_on(b, givers.shops.request(voucher)),
            givers.offer("m-1", voucher, on=c),
            verify_on(d, givers.shops.request(voucher)),
        )


async def test_a_voucher_is_given_or_used_never_both(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_world(database_url) as world:
        givers = await open_givers(world)
        for _ in range(5):
            assert (await _give_and_use(givers, database_url))["done"] == 1
        unguarded = service._OFFER.replace("AND v.state = 'issued' AND v.uses = 0", "")
        assert unguarded != service._OFFER
        monkeypatch.setattr(service, "_OFFER", unguarded)
        twice = [await _give_and_use(givers, database_url) for _ in range(5)]
        assert any(outcomes["done"] == 2 for outcomes in twice)


ACTS = ("offer", "accept", "take_back", "lapse", "use", "undo")
HISTORY = st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 2)), min_size=20, max_size=40)
NAMES = ("m-1", "m-2", "m-3")


@dataclass(slots=True)
class Model:
    """A voucher as a few lines of Python know it, beside the one in the database."""

    givers: Givers
    voucher: int
    holder: int = 0
    generation: int = 0
    state: str = "issued"
    token: str = ""
    receiver: int | None = None
    used: int = 0

    def allows(self, act: str, who: int) -> bool:
        return {
            "offer": self.state == "issued" and who == self.holder,
            "accept": (self.state == "offered" and who != self.holder) or (who == self.receiver),
            "take_back": self.state == "offered" and who == self.holder,
            "lapse": True,
            "use": self.state == "issued",
            "undo": self.state == "used_up",
        }[act]

    async def offer(self, who: int) -> None:
        self.token, self.receiver = (await self.givers.offer(NAMES[who], self.voucher)).token, None
        self.state = "offered"

    async def accept(self, who: int) -> None:
        assert (await self.givers.accept(NAMES[who], self.token)).voucher_id == self.voucher
        if self.state == "offered":
            self.holder, self.receiver, self.generation, self.state = who, who, self.generation + 1, "issued"

    async def take_back(self, who: int) -> None:
        await self.givers.take_back(NAMES[who], self.voucher)
        self.state = "issued"

    async def lapse(self, _: int) -> None:
        await self.givers.lapse(now=NOW + WEEK)
        self.state = "issued" if self.state == "offered" else self.state

    async def use(self, _: int) -> None:
        text = TOKENS.codes.code_of(serial_of(self.voucher, self.generation))
        self.used = (await self.givers.shops.verify(self.voucher, text=text)).verification_id
        self.state = "used_up"

    async def undo(self, _: int) -> None:
        await self.givers.shops.undo(self.used)
        self.state = "issued"

    async def compare(self) -> None:
        assert await self.givers.holder(self.voucher) == self.givers.ids[NAMES[self.holder]]
        row = await self.givers.world.one(
            "SELECT array[state, generation::text] FROM voucher WHERE id = %s", self.voucher
        )
        assert row == [self.state, str(self.generation)]
        for older in range(self.generation):
            with pytest.raises(UnknownVoucherError):
                await self.givers.shops.verify(self.voucher, text=TOKENS.codes.code_of(serial_of(self.voucher, older)))
        assert all(may_become(*step) for step in await self.givers.shops.steps(self.voucher))


async def _play(givers: Givers, history: list[tuple[str, int]]) -> None:
    model = Model(givers, await givers.shops.voucher(agreement=False))
    for act, who in history:
        allowed = model.allows(act, who) and (act != "offer" or model.generation < LAST_GENERATION)
        try:
            await getattr(model, act)(who)
        except DomainError:
            assert not allowed, (act, who)
        else:
            assert allowed, (act, who)
    await model.compare()


async def _start(stack: AsyncExitStack, url: str) -> Givers:
    world = await stack.enter_async_context(open_world(url))
    await save_rules(world.connection, VoucherRules(gifts_a_day=100), NOW)
    givers = await open_givers(world)
    for name in NAMES:
        await world.post(world.purchase(name, 100_000))
    return givers


def test_histories_of_hands_follow_a_model(database_url: str) -> None:
    """Whatever is tried in whatever order: holder, state and generation are what the model says."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        givers = runner.run(_start(stack, database_url))

        @settings(max_examples=at_size(4, 60), deadline=None)
        @given(HISTORY)
        def check(history: list[tuple[str, int]]) -> None:
            runner.run(_play(givers, history))

        try:
            check()
        finally:
            runner.run(stack.aclose())
