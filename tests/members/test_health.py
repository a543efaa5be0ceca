"""Points health: the customer's cost estimate to the last digit, the rates, and roll-ups that say what the ledger says."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from liyu.members.points.expiry_models import REINSTATE
from liyu.members.points.expiry_order import Order, give_order
from liyu.members.points.forecast import LapseMonth, forecast_lapses
from liyu.members.points.health import Health, load_health
from liyu.members.points.health_cost import CUSTOMER_ESTIMATE, CostEstimate, Source
from liyu.members.points.health_count import count_points
from liyu.members.points.lapse import lapse_points
from liyu.members.program import CUSTOMER_RULES, DEFAULT_TERMS, RuleRow
from liyu.redemption.cancel import cancel_redemption
from tests.world import NOW, ZONE, World, open_world

PURCHASES = RuleRow("purchase", "purchase", "消费", "Purchases", 1, growth=1, per_minor=100)


async def health(world: World) -> Health:
    async with world.connection.transaction():
        await count_points(world.connection, now=world.clock.now(), zone=ZONE)
    found = await load_health(world.connection, now=world.clock.now(), zone=ZONE)
    assert found is not None
    return found


def test_the_customers_estimate_is_reproduced() -> None:
    assert [source.points for source in CUSTOMER_ESTIMATE.sources] == [Fraction("255.5"), Fraction("211.2"), 425]
    assert CUSTOMER_ESTIMATE.points == Fraction("891.7")
    assert CUSTOMER_ESTIMATE.face_value == Fraction("89.17")
    assert CUSTOMER_ESTIMATE.cost == Fraction("17.834")
    assert CUSTOMER_ESTIMATE.total == 1_783_400


figures = st.decimals(min_value=0, max_value=10**6, places=2)


@given(
    st.lists(st.tuples(figures, figures), max_size=5),
    st.decimals("0.01", 1000, places=2),
    figures,
    st.integers(0, 10**7),
)
def test_an_estimate_is_exact_for_any_figures(
    pairs: list[tuple[Decimal, Decimal]], per_unit: Decimal, redeemed: Decimal, members: int
) -> None:
    found = CostEstimate(tuple(Source("x", cap, rate) for cap, rate in pairs), per_unit, redeemed, members)
    total = sum((Fraction(cap) * Fraction(rate) for cap, rate in pairs), Fraction(0)) * Fraction(redeemed) * members
    assert found.total * Fraction(per_unit) * 10_000 == total


async def test_the_roll_up_says_what_the_ledger_says(database_url: str) -> None:
    terms = structs.replace(DEFAULT_TERMS, lapsed_grace_days=30)
    async with open_world(database_url, terms=terms, rules=[PURCHASES, *CUSTOMER_RULES]) as world:
        assert await load_health(world.connection, now=NOW, zone=ZONE) is None
        await world.member("m", points=1_000)
        await world.member("n")
        sku = await world.item(points=100)
        await world.redeem("m", sku)
        number = (await world.redeem("m", sku, 2)).number
        async with world.connection.transaction():
            await cancel_redemption(world.connection, number, member_id=None, reason="x", actor="t", now=NOW, zone=ZONE)
        for day in range(3):
            await world.post(world.event("m", "check_in", at=NOW - timedelta(days=day, minutes=1)))
        await world.post(world.event("n", "return", 5_000))
        old = datetime(2025, 11, 1, tzinfo=UTC)
        await world.post(world.purchase("n", 8_000, at=old))
        found = await health(world)
        month = found.months[-1]
        assert (month.month, month.issued, month.spent, month.lapsed, month.taken_back) == (
            date(2026, 11, 1),
            1_003,
            100,
            0,
            50,
        )
        assert found.months[0].month == date(2025, 12, 1)
        assert (found.usable, found.pending, found.debt, found.members, found.holders) == (933, 0, 0, 2, 2)
        assert found.redemption_rate == Fraction(100 * 100, 1_003)
        check_in = next(source for source in found.sources if source.type == "check_in")
        assert (check_in.earned, check_in.cap, check_in.possible) == (3, 365, 2)
        world.clock.instant = datetime(2027, 1, 1, tzinfo=UTC)
        await lapse_points(world.connection, date(2027, 1, 1), actor="t", now=world.clock.now())
        assert (await health(world)).months[-1].lapsed == 30
        async with world.connection.transaction():
            order = Order(REINSTATE, None, date(2026, 12, 31), None, "sorry", "k")
            await give_order(world.connection, order, actor="t", now=world.clock.now(), zone=ZONE)
        again = await health(world)
        assert (again.months[-1].lapsed, again.usable) == (0, 933)
        assert again.lapses == await forecast_lapses(world.connection)
        assert again.lapses == [LapseMonth(date(2027, 1, 1), 30, 1), LapseMonth(date(2027, 12, 1), 903, 1)]


async def test_a_count_adds_what_is_new_and_counts_nothing_twice(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m", points=100)
        await health(world)
        await world.member("n", points=200)
        assert (await health(world)).issued == 300
        rows = "SELECT array_agg(r ORDER BY r) FROM points_rollup r"
        before = await world.one(f"SELECT md5(({rows})::text)")
        await health(world)
        assert await world.one(f"SELECT md5(({rows})::text)") == before
        whole = "SELECT sum(amount) FROM transfer t JOIN account a ON a.id = t.debit_account_id AND a.kind = 'points_issued'"
        assert await world.one("SELECT sum(came) FROM points_rollup") == await world.one(whole)


@pytest.mark.parametrize(("member_days", "possible"), [(365, 365), (73, 73), (0, 0)])
async def test_a_cap_counts_for_the_days_of_membership(database_url: str, member_days: int, possible: int) -> None:
    birthday = RuleRow("birthday_month", "purchase", "生日月", "Birthday", 1, per_minor=100, yearly_cap=200)
    async with open_world(database_url, rules=[PURCHASES, birthday, *CUSTOMER_RULES]) as world:
        await world.member("m", points=500)
        joined = NOW - timedelta(days=member_days - 1)
        await world.connection.execute("UPDATE member SET joined_at = %s", (joined,))
        found = await health(world)
        assert [source.type for source in found.sources] == ["check_in", "share", "campaign"]
        assert found.sources[0].possible == possible
        assert found.accrual_rate == (0 if possible else None)
