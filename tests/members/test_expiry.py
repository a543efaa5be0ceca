"""Expiry: the three policies at their boundaries in the program's zone, extension, grace, and validity that begins late."""

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs
from psycopg.errors import RestrictViolation

from liyu.core.errors import DomainError, IdempotencyConflictError, InvalidInputError
from liyu.members.account import DatedPoints
from liyu.members.points import portions
from liyu.members.points.expiry import MonthLapse, months_to_remind
from liyu.members.points.expiry_change import carry_out_changes
from liyu.members.points.expiry_models import EXTEND, REINSTATE
from liyu.members.points.expiry_order import (
    Given,
    GraceOverError,
    NothingToMoveError,
    Order,
    StaysLapsedError,
    give_order,
    weigh,
)
from liyu.members.points.expiry_policy import ExpiryPolicy, change_policy
from liyu.members.points.lapse import lapse_points
from liyu.members.profile import MemberChanges, save_member
from liyu.members.program import DEFAULT_RULES, DEFAULT_TERMS, RuleRow
from tests.proofs import at_size
from tests.world import NOW, ZONE, World, open_world

END_2027 = date(2027, 12, 31)
ROLLING = structs.replace(DEFAULT_TERMS, expiry_policy="rolling", expiry_months=12)
NEVER = structs.replace(DEFAULT_TERMS, expiry_policy="never")


async def order(
    world: World, kind: str, from_day: date, to_day: date | None = None, *, member: str | None = None, key: str = ""
) -> Given:
    member_id = await world.one("SELECT id FROM member WHERE external_id = %s", member) if member else None
    wanted = Order(kind, member_id, from_day, to_day, "storm", key or f"order-{next(world.keys)}")
    async with world.connection.transaction():
        return await give_order(world.connection, wanted, actor="staff:1", now=world.clock.now(), zone=ZONE)


async def lapse(world: World, day: date) -> int:
    return (await lapse_points(world.connection, day, actor="test", now=world.clock.now())).points


@pytest.mark.parametrize(
    ("terms", "earned_at", "expected"),
    [
        # 23:59:59 and midnight in Shanghai, eight hours ahead of UTC: the year and the month turn there, not in UTC.
        (DEFAULT_TERMS, datetime(2025, 12, 31, 15, 59, 59, tzinfo=UTC), date(2026, 12, 31)),
        (DEFAULT_TERMS, datetime(2025, 12, 31, 16, 0, tzinfo=UTC), date(2027, 12, 31)),
        (ROLLING, datetime(2026, 1, 31, 15, 59, 59, tzinfo=UTC), date(2027, 1, 31)),
        (ROLLING, datetime(2026, 1, 31, 16, 0, tzinfo=UTC), date(2027, 2, 28)),
        (ROLLING, datetime(2024, 2, 29, 12, 0, tzinfo=UTC), date(2025, 2, 28)),
        (structs.replace(ROLLING, expiry_months=24), datetime(2026, 2, 14, 12, 0, tzinfo=UTC), date(2028, 2, 29)),
        (NEVER, datetime(2026, 1, 31, 12, 0, tzinfo=UTC), None),
    ],
)
async def test_points_get_the_last_day_of_the_policy_in_the_programs_zone(
    database_url: str, terms: object, earned_at: datetime, expected: date | None
) -> None:
    async with open_world(database_url, terms=terms) as world:  # type: ignore[arg-type]
        await world.member("m")
        await world.post(world.purchase("m", 10_000, at=earned_at))
        assert await world.lots("m") == {expected: 100}
        if expected is None:
            assert await lapse(world, date(9999, 12, 31)) == 0
        else:
            assert [await lapse(world, expected + timedelta(days=late)) for late in (0, 1, 2)] == [0, 100, 0]


async def test_an_extension_moves_the_last_day_of_one_member_or_of_all_and_is_on_record(database_url: str) -> None:
    rules = [DEFAULT_RULES[0], RuleRow("share", "share", "分享", "Share", 30, pending_days=500)]
    async with open_world(database_url, rules=rules) as world:
        for name, points in (("a", 100), ("b", 200)):
            await world.member(name, points=points)
        await world.post(world.event("b", "share"))
        until = date(2028, 3, 31)
        one = await order(world, EXTEND, END_2027, until, member="a")
        assert (one.is_new, one.finished) == (True, True)
        assert await world.lots("a") == {END_2027: 0, until: 100}
        assert await world.lots("b") == {END_2027: 200}
        await order(world, EXTEND, END_2027, until)
        assert await world.lots("b") == {END_2027: 0, until: 200}
        assert await world.balances("b") == {"points": 200, "pending": 30, "debt": 0}
        assert await lapse(world, date(2028, 1, 1)) == 0
        assert await lapse(world, date(2028, 4, 1)) == 330
        rows = await world.connection.execute(
            "SELECT kind, from_day, to_day, reason, actor, lots, points, finished_at IS NOT NULL FROM expiry_change ORDER BY id"
        )
        assert await rows.fetchall() == [
            ("extend", END_2027, until, "storm", "staff:1", 1, 100, True),
            ("extend", END_2027, until, "storm", "staff:1", 2, 230, True),
        ]
        with pytest.raises(RestrictViolation):
            await world.connection.execute("UPDATE expiry_change SET reason = 'other'")
        aside = "SELECT sum(CASE WHEN c.kind = 'points_extended' THEN t.amount ELSE -t.amount END) FROM transfer t"
        joined = f"{aside} JOIN account c ON c.id = t.credit_account_id WHERE t.event = 'extend'"
        assert await world.one(joined) == 0


async def test_an_extension_that_cannot_be_is_refused_with_every_fault_and_changes_nothing(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("a", points=100)
        before = await world.footprint()
        for from_day, to_day, field in (
            (END_2027, END_2027, "to_day"),
            (END_2027, date(2040, 1, 1), "to_day"),
            (date(2026, 11, 21), date(2027, 1, 1), "from_day"),
        ):
            with pytest.raises(InvalidInputError) as refusal:
                await order(world, EXTEND, from_day, to_day)
            assert {reason.details["field"] for reason in refusal.value.reasons} == {field}
        with pytest.raises(NothingToMoveError):
            await order(world, EXTEND, date(2027, 6, 30), date(2027, 7, 1))
        assert await world.footprint() == before
        assert await world.one("SELECT count(*) FROM expiry_change") == 0


async def test_the_same_order_counts_once_and_its_key_stands_for_no_other(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("a", points=100)
        first = await order(world, EXTEND, END_2027, date(2028, 1, 31), key="k")
        again = await order(world, EXTEND, END_2027, date(2028, 1, 31), key="k")
        assert (again.id, again.is_new) == (first.id, False)
        with pytest.raises(IdempotencyConflictError):
            await order(world, EXTEND, END_2027, date(2028, 2, 28), key="k")
        assert await world.one("SELECT count(*) FROM transfer WHERE event = 'extend'") == 2


@pytest.mark.parametrize(("grace_days", "days_late"), [(0, 1), (7, 8)])
async def test_lapsed_points_stay_lapsed_without_grace_and_after_it(
    database_url: str, grace_days: int, days_late: int
) -> None:
    async with open_world(database_url, terms=structs.replace(DEFAULT_TERMS, lapsed_grace_days=grace_days)) as world:
        await world.member("a", points=100)
        await lapse(world, date(2028, 1, 1))
        world.clock.instant = datetime(2027, 12, 31, 4, tzinfo=UTC) + timedelta(days=days_late)
        before, expected = await world.footprint(), GraceOverError if grace_days else StaysLapsedError
        with pytest.raises(DomainError) as refusal:
            await order(world, REINSTATE, END_2027, member="a")
        assert type(refusal.value) is expected
        assert await world.footprint() == before


async def test_lapsed_points_come_back_once_within_the_grace_and_lapse_again_after_it(database_url: str) -> None:
    async with open_world(database_url, terms=structs.replace(DEFAULT_TERMS, lapsed_grace_days=7)) as world:
        await world.member("a", points=100)
        await world.member("b", points=50)
        await lapse(world, date(2028, 1, 1))
        world.clock.instant = datetime(2028, 1, 7, 15, 59, tzinfo=UTC)  # 23:59 of the seventh day after the last one
        done = await order(world, REINSTATE, END_2027, member="a")
        assert done.to_day == date(2028, 1, 14)
        assert await world.lots("a") == {END_2027: 0, date(2028, 1, 14): 100}
        with pytest.raises(NothingToMoveError):
            await order(world, REINSTATE, END_2027, member="a")
        assert (await weigh(world.connection, REINSTATE, None, END_2027)).points == 50
        await order(world, REINSTATE, END_2027)
        assert await lapse(world, date(2028, 1, 14)) == 0
        assert await lapse(world, date(2028, 1, 15)) == 150
        assert await world.one("SELECT count(*) FROM transfer WHERE event = 'lapse'") == 4


async def test_a_large_order_is_left_to_the_worker_and_lapse_does_not_overtake_it(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("liyu.members.points.expiry_order.AT_ONCE", 0)
    monkeypatch.setattr(portions, "PORTION", 2)
    async with open_world(database_url) as world:
        for number in range(5):
            await world.member(f"m-{number}", points=10)
        given = await order(world, EXTEND, END_2027, date(2028, 6, 30))
        assert not given.finished

        def stop(moved: portions.Moved) -> None:
            if moved.lots >= 4:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            await carry_out_changes(world.connection, now=NOW, report=stop)
        assert await world.one("SELECT lots FROM expiry_change") == 4
        assert await lapse(world, date(2028, 1, 1)) == 0
        assert await world.one("SELECT lots FROM expiry_change WHERE finished_at IS NOT NULL") == 5
        assert await world.one("SELECT count(*) FROM transfer WHERE event = 'extend'") == 10


async def test_a_pre_registered_member_collects_and_validity_begins_with_activation(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m")
        await world.connection.execute("UPDATE member SET state = 'pre_registered', activated_at = NULL")
        await world.post(world.purchase("m", 10_000, at=datetime(2024, 5, 1, tzinfo=UTC)))
        assert await world.lots("m") == {None: 100}
        assert await lapse(world, date(2030, 1, 1)) == 0
        async with world.connection.transaction():
            changes = MemberChanges(state="active")
            await save_member(world.connection, "m", changes, actor="host", now=world.clock.now(), zone=ZONE)
        assert await world.lots("m") == {None: 0, END_2027: 100}


def test_reminders_are_due_within_the_days_before_and_cover_the_whole_month() -> None:
    today = date(2026, 11, 22)
    lots = [
        DatedPoints(date(2027, 1, 21), 5), DatedPoints(date(2027, 1, 31), 7), DatedPoints(date(2027, 2, 28), 9),
        DatedPoints(None, 3), DatedPoints(date(2026, 11, 21), 4), DatedPoints(date(2026, 12, 31), 0),
    ]  # fmt: skip
    january = MonthLapse(date(2027, 1, 1), date(2027, 1, 21), date(2027, 1, 31), 12)
    assert months_to_remind(lots, today, 60) == [january]
    assert months_to_remind(lots, today, 59) == []
    assert months_to_remind(lots, today, 0) == []
    assert [due.points for due in months_to_remind(lots, today, 98)] == [12, 9]


async def test_what_was_spent_does_not_lapse_and_what_lapsed_was_not_spent(database_url: str) -> None:
    """Asks 1, 2 and 4: debits are bound to lots, so a lapse takes the rest of its own lot, once, and nothing else."""
    async with open_world(database_url) as world:
        await world.member("m")
        await world.post(world.purchase("m", 50_000, at=datetime(2025, 6, 1, tzinfo=UTC)))
        await world.post(world.purchase("m", 30_000, at=datetime(2026, 6, 1, tzinfo=UTC)))
        await world.redeem("m", await world.item(points=450))
        assert await world.lots("m") == {date(2026, 12, 31): 50, END_2027: 300}
        assert await lapse(world, date(2027, 1, 1)) == 50
        assert (await world.balances("m"))["points"] == 300
        bound = """
            SELECT t.event, l.expires_on, e.amount
            FROM transfer t JOIN lot_entry e ON e.transfer_id = t.id JOIN lot l ON l.id = e.lot_id
            WHERE e.amount < 0 ORDER BY t.id, l.expires_on"""
        assert await (await world.connection.execute(bound)).fetchall() == [
            ("redeem", date(2026, 12, 31), -450),
            ("lapse", date(2026, 12, 31), -50),
        ]


async def test_a_changed_policy_has_its_effect_on_what_is_earned_from_then_on(database_url: str) -> None:
    """Ask 3: the switch works, and every lot keeps a day of its own."""
    async with open_world(database_url) as world:
        await world.member("m", points=10)
        for policy, months in (("rolling", 6), ("never", 6)):
            await change_policy(world.connection, ExpiryPolicy(policy, months, 0, 60))
            await world.post(world.purchase("m", 2_000, at=NOW))
        assert await world.lots("m") == {END_2027: 10, date(2027, 5, 31): 20, None: 20}
        before = await world.footprint()
        with pytest.raises(InvalidInputError) as refusal:
            await change_policy(world.connection, ExpiryPolicy("sometimes", 0, -1, 1_000))
        assert {reason.details["field"] for reason in refusal.value.reasons} == {
            "expiry_policy", "expiry_months", "lapsed_grace_days", "reminder_days",
        }  # fmt: skip
        assert await world.footprint() == before


def _moves() -> st.SearchStrategy[list[tuple[str, int, int]]]:
    kinds = st.sampled_from(["earn", "spend", "return", "extend", "reinstate", "lapse"])
    return st.lists(st.tuples(kinds, st.integers(0, 2), st.integers(1, 400)), min_size=30, max_size=30)


@given(_moves())
@settings(max_examples=at_size(4, 60), suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_random_histories_of_expiry_keep_the_books(database_url: str, moves: list[tuple[str, int, int]]) -> None:
    """Every example goes on where the last one ended; the books are proven after each."""
    terms = structs.replace(DEFAULT_TERMS, expiry_policy="rolling", expiry_months=2, lapsed_grace_days=20)
    async with open_world(database_url, terms=terms) as world:
        started = await world.one("SELECT max(at) FROM transfer")
        world.clock.instant = max(NOW, (started or NOW) + timedelta(days=1))
        members = [await world.member(f"m-{number}") for number in range(3)]
        for kind, who, size in moves:
            await _move(world, kind, members[who], size)
            world.clock.instant += timedelta(days=size % 40)
        assert await world.one("SELECT sum(balance) FROM account WHERE kind = 'member_points'") == await world.one(
            "SELECT sum(remaining) FROM lot"
        )


async def _move(world: World, kind: str, member: str, size: int) -> None:
    today = world.clock.now().astimezone(ZONE).date()
    match kind:
        case "earn":
            await world.post(world.event(member, "purchase", size * 100, reference=uuid4().hex))
        case "return":
            await world.post(world.event(member, "return", size * 50, reference=uuid4().hex))
        case "lapse":
            await lapse(world, today)
        case "spend":
            sku = f"item-{next(world.keys)}-{uuid4().hex}"
            with suppress(DomainError):
                await world.redeem(member, await world.item(sku, points=size))
        case "extend" | "reinstate":
            days = [day for day in await world.lots(member) if day]
            for day in days[:1]:
                with suppress(DomainError):
                    key = uuid4().hex
                    await order(
                        world, kind, day, day + timedelta(days=size), member=member if size % 2 else None, key=key
                    )
