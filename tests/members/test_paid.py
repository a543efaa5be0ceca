"""Paid membership: a tier for a time, with a clear end; what comes back; and growth value that goes on underneath."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import AsyncConnection

from liyu.core.errors import IdempotencyConflictError, InvalidInputError
from liyu.members.paid.errors import NotBuyableError, NotReturnableError, UnknownPeriodError
from liyu.members.paid.plans import PlanDraft, change_plan, list_plans, make_plan
from liyu.members.paid.queries import Period, list_periods
from liyu.members.paid.rules import Sold, days_left, give_back, last_day_of
from liyu.members.paid.service import Sale, return_membership, sell_membership
from liyu.members.tiers.evaluate import evaluate_tiers
from liyu.members.tiers.queries import list_tier_history
from liyu.redemption.merge import merge
from tests.world import ZONE, World, open_world

START = datetime(2026, 1, 5, 4, 0, tzinfo=UTC)
TODAY = date(2026, 1, 5)
MONTH = PlanDraft("gold-month", "gold", "金卡月卡", "Gold for a month", 1, 300, 3_000, 7, offered=True)
YEAR = PlanDraft("gold-year", "gold", "金卡年卡", "Gold for a year", 12, 3_000, 30_000, 7, offered=True)
OTHER = PlanDraft("platinum", "platinum", "白金季卡", "Platinum for a season", 3, None, 20_000, 0, offered=True)


async def offer(world: World) -> None:
    for draft in (MONTH, YEAR, OTHER):
        await make_plan(world.connection, draft)


async def buy(
    world: World, member: str, plan: str = "gold-month", minor: int | None = None, *, key: str = ""
) -> Period:
    sale = Sale(member, plan, key or f"sale-{next(world.keys)}", minor)
    async with world.connection.transaction():
        return await sell_membership(world.connection, sale, actor="test", now=world.clock.now(), zone=ZONE)


async def give(world: World, sold: Period, member_id: int | None = None) -> Period:
    async with world.connection.transaction():
        return await return_membership(
            world.connection, sold.reference, member_id=member_id, reason="asked", actor="test", now=world.clock.now(),
            zone=ZONE,
        )  # fmt: skip


async def tier(world: World, member: str) -> tuple[Any, ...]:
    """The tier that counts, that of the growth value, and the last day that was paid for."""
    found = await world.connection.execute(
        "SELECT t.code, e.code, m.tier_paid_until FROM member m JOIN tier t ON t.id = m.tier_id "
        "JOIN tier e ON e.id = coalesce(m.tier_earned_id, m.tier_id) WHERE m.external_id = %s",
        (member,),
    )
    return await found.fetchone() or ()


async def evaluate(world: World, day: date) -> None:
    world.clock.instant = datetime(day.year, day.month, day.day, 4, tzinfo=UTC)
    await evaluate_tiers(world.connection, day, now=world.clock.now())


async def refusals(attempt: Any) -> list[str]:
    with pytest.raises(NotBuyableError) as refused:
        await attempt
    return [reason.code for reason in refused.value.reasons]


@given(st.dates(date(2024, 1, 1), date(2030, 12, 31)), st.integers(1, 36))
def test_a_month_ends_the_day_before_the_same_day_and_months_follow_each_other(day: date, months: int) -> None:
    last = last_day_of(day, months)
    assert day + timedelta(days=28 * months - 1) <= last <= day + timedelta(days=31 * months)
    assert day.day > 28 or (last + timedelta(days=1)).day == day.day


@given(
    st.integers(0, 40), st.integers(1, 400), st.integers(0, 10_000), st.integers(0, 30), st.booleans(), st.integers(0, 500)
)  # fmt: skip
def test_never_more_comes_back_than_was_paid_nor_for_days_that_were_used(
    ahead: int, days: int, price: int, return_days: int, is_first: bool, after: int
) -> None:
    begins = TODAY + timedelta(days=ahead)
    sold = Sold(begins, begins + timedelta(days=days - 1), days, price, price, TODAY, return_days)
    today = TODAY + timedelta(days=after)
    back = give_back(sold, today, is_first=is_first)
    assert 0 <= back.points == back.minor <= price
    assert begins - timedelta(days=1) <= back.ends_on <= sold.ends_on
    if not is_first or after > return_days or not return_days:
        assert back.points == price * days_left(sold, today) // days
    else:
        assert back.points == price


async def test_a_tier_is_bought_for_points_for_a_time_and_ends_by_itself(database_url: str) -> None:
    async with open_world(database_url, now=START) as world:
        await offer(world)
        await world.member("m-1", 500)
        sold = await buy(world, "m-1", key="sale")
        assert (sold.begins_on, sold.ends_on, sold.days, sold.points) == (TODAY, date(2026, 2, 4), 31, 300)
        assert await tier(world, "m-1") == ("gold", "standard", date(2026, 2, 4))
        assert (await world.balances("m-1"))["points"] == 200
        assert await buy(world, "m-1", key="sale") == sold  # the same sale again sells nothing more
        with pytest.raises(IdempotencyConflictError):
            await buy(world, "m-1", "gold-year", key="sale")
        # Growth value goes on counting underneath, and a second one follows the first.
        await world.post(world.purchase("m-1", 120_000, at=START))
        assert await tier(world, "m-1") == ("gold", "silver", date(2026, 2, 4))
        more = await buy(world, "m-1")
        assert (more.begins_on, more.ends_on) == (date(2026, 2, 5), date(2026, 3, 4))
        await evaluate(world, date(2026, 3, 4))
        assert (await tier(world, "m-1"))[0] == "gold"
        points = await world.balances("m-1")
        await evaluate(world, date(2026, 3, 5))
        assert await tier(world, "m-1") == ("silver", "silver", None)
        assert await world.balances("m-1") == points  # nothing renews by itself
        history = await list_tier_history(world.connection, sold.member_id, 9)
        assert [(one.reason, one.to_en, one.since, one.until) for one in reversed(history)] == [
            ("joined", "Member", None, None),
            ("paid", "Gold", TODAY, date(2026, 2, 4)),
            ("threshold_reached", "Silver", TODAY, date(2028, 1, 31)),
            ("paid", "Gold", date(2026, 2, 5), date(2026, 3, 4)),
            ("paid_ended", "Silver", date(2026, 3, 5), date(2028, 1, 31)),
        ]


async def test_posting_after_the_end_counts_without_the_paid_tier_though_nobody_evaluated(database_url: str) -> None:
    async with open_world(database_url, now=START) as world:
        await offer(world)
        await world.member("m-1")
        await buy(world, "m-1", minor=3_000)
        world.clock.instant = START + timedelta(days=60)
        await world.post(world.purchase("m-1", 10_000, at=world.clock.now()))
        assert await tier(world, "m-1") == ("standard", "standard", None)


async def test_a_refusal_says_everything_that_stands_against_it_and_changes_nothing(database_url: str) -> None:
    async with open_world(database_url, now=START) as world:
        await offer(world)
        await world.member("poor", 100)
        await world.member("gold", 6_000)
        before = await world.footprint()
        assert await refusals(buy(world, "poor")) == ["not_enough_points"]
        assert await refusals(buy(world, "poor", "platinum")) == ["not_for_points"]
        assert await refusals(buy(world, "gold")) == ["tier_is_there"]
        await change_plan(world.connection, PlanDraft(**{**_fields(MONTH), "offered": False}))
        await world.connection.execute("UPDATE member SET state = 'frozen' WHERE external_id = 'poor'")
        assert await refusals(buy(world, "poor")) == ["member_not_active", "not_offered", "not_enough_points"]
        with pytest.raises(InvalidInputError):
            await buy(world, "gold", key=" ")
        assert await world.footprint() == before
        assert await world.one("SELECT count(*) FROM paid_period") == 0
        await world.connection.execute("UPDATE member SET state = 'active' WHERE external_id = 'poor'")
        await buy(world, "poor", "gold-year", 30_000)
        assert await refusals(buy(world, "poor", "platinum", 20_000)) == ["another_runs"]
        for _ in range(2):
            await buy(world, "poor", "gold-year", 30_000)
        assert await refusals(buy(world, "poor", "gold-year", 30_000)) == ["too_far_ahead"]
        with pytest.raises(InvalidInputError) as faults:
            await make_plan(world.connection, PlanDraft("Gold!", "standard", "", "x", 0, None, None, 99, offered=True))
        assert {reason.details["field"] for reason in faults.value.reasons} == {
            "code", "tier", "name_zh", "months", "points", "return_days",
        }  # fmt: skip
        assert [(plan.code, plan.running) for plan in await list_plans(world.connection, day=TODAY)] == [
            ("gold-month", 0), ("gold-year", 1), ("platinum", 0),
        ]  # fmt: skip


def _fields(draft: PlanDraft) -> dict[str, Any]:
    return {name: getattr(draft, name) for name in draft.__struct_fields__}


async def test_the_first_goes_back_whole_and_later_ones_by_the_days_that_are_left(database_url: str) -> None:
    async with open_world(database_url, now=START) as world:
        await offer(world)
        await world.member("m-1", 1_000)
        lots = await world.lots("m-1")
        first = await give(world, await buy(world, "m-1"))
        assert (first.returned_points, first.ends_on) == (300, TODAY - timedelta(days=1))
        assert await tier(world, "m-1") == ("silver", "silver", None)
        assert await world.lots("m-1") == lots  # into their own lots
        assert await give(world, first) == first  # a second time changes nothing
        # Whoever buys again and gives it back pays for the days.
        second = await buy(world, "m-1")
        later = await buy(world, "m-1", minor=2_800)
        with pytest.raises(NotReturnableError):
            await give(world, second)
        with pytest.raises(UnknownPeriodError):
            await give(world, later, second.member_id + 1)
        world.clock.instant = START + timedelta(days=9)
        unused = await give(world, later)
        assert (unused.returned_minor, unused.returned_points) == (2_800, 0)  # it had not begun
        assert await tier(world, "m-1") == ("gold", "silver", second.ends_on)
        back = await give(world, second)
        assert (back.returned_points, back.ends_on) == (300 * 21 // 31, date(2026, 1, 13))
        assert (await world.balances("m-1"))["points"] == 700 + 300 * 21 // 31
        third = await buy(world, "m-1", minor=3_000)
        await evaluate(world, third.ends_on + timedelta(days=1))
        with pytest.raises(NotReturnableError):
            await give(world, third)
        assert (await world.proof()).balanced


async def test_merging_strands_no_paid_day_and_two_tiers_are_not_mixed(database_url: str) -> None:
    async with open_world(database_url, now=START) as world:
        await offer(world)
        for member in ("a", "b", "c"):
            await world.member(member, 700)
        await buy(world, "b")
        world.clock.instant = START + timedelta(days=10)
        await buy(world, "a")
        sold = await buy(world, "b")
        await buy(world, "c", "platinum", 20_000)

        async def unite(source: str, target: str) -> None:
            async with world.connection.transaction():
                await merge(
                    world.connection,
                    source,
                    target,
                    reason="one person",
                    actor="test",
                    now=world.clock.now(),
                    zone=ZONE,
                )

        with pytest.raises(Exception, match="merged") as refused:
            await unite("c", "a")
        assert [reason.code for reason in refused.value.reasons] == ["paid_twice"]  # type: ignore[attr-defined]
        await unite("b", "a")
        # 15 January to 14 February are paid by a; b's 21 days of January and 28 of February follow.
        assert await tier(world, "a") == ("gold", "silver", date(2026, 2, 14) + timedelta(days=21 + 28))
        periods = await list_periods(world.connection, await world.one("SELECT id FROM member WHERE external_id = 'a'"))
        assert sorted((one.begins_on, one.ends_on) for one in periods) == [
            (date(2026, 1, 15), date(2026, 2, 14)), (date(2026, 2, 15), date(2026, 3, 7)), (date(2026, 3, 8), date(2026, 4, 4)),
        ]  # fmt: skip
        back = await give(world, sold)
        assert back.returned_points == 300  # the points find the lots of who lives on
        assert (await world.balances("a"))["points"] == 400 + 100 + 300


async def test_two_purchases_at_once_follow_each_other_and_spend_once_each(database_url: str) -> None:
    async with open_world(database_url, now=START) as world:
        await offer(world)
        await world.member("m-1", 700)

        async def purchase(key: str) -> str:
            async with await AsyncConnection.connect(world.url) as connection:
                try:
                    sold = await sell_membership(
                        connection, Sale("m-1", "gold-month", key), actor="test", now=START, zone=ZONE
                    )
                except NotBuyableError:
                    return "refused"
                return sold.begins_on.isoformat()

        answers = await asyncio.gather(*(purchase(key) for key in ("x", "x", "y", "z", "x")))
        assert sorted(set(answers)) == ["2026-01-05", "2026-02-05", "refused"]
        assert await world.one("SELECT count(*) FROM paid_period") == 2
        assert (await world.balances("m-1"))["points"] == 100
