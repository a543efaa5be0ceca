"""Returns: exactly what the purchase gave goes back, never more, as far as the return policy goes."""

import csv
from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from liyu.members.points.events import Event
from liyu.members.points.lapse import mature_points
from liyu.members.points.pricing import Line
from liyu.members.points.returns import Purchase, take_back
from liyu.members.program import DEFAULT_TERMS, RuleRow
from tests.world import NOW, World, open_world

DAY = NOW.date()
HELD = [RuleRow("purchase", "purchase", "消费", "Purchases", 1, 1, 100, pending_days=7)]
RETURNERS = Path(__file__).parent / "data" / "returners.csv"


@given(
    st.integers(0, 10**9),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1, max_size=3),
    st.lists(st.integers(0, 10**9), max_size=8),
)
def test_parts_that_make_up_the_whole_take_back_exactly_the_whole(
    amount: int, given_lines: list[tuple[int, int]], cuts: list[int]
) -> None:
    lines = [Line(f"rule-{place}", 1, points, growth) for place, (points, growth) in enumerate(given_lines)]
    purchase = Purchase(1, amount, DAY, lines)
    marks = sorted({0, amount, *(cut % (amount + 1) for cut in cuts)})
    taken: Counter[str] = Counter()
    grown = 0
    for before, after in pairwise(marks):
        for line in take_back(purchase, after - before):
            assert line.points <= 0
            taken[line.rule] -= line.points
            grown -= line.growth
    assert take_back(purchase, 10**9) == []  # there is nothing left to return
    whole = amount > 0
    assert [taken[line.rule] for line in lines] == [line.points if whole else 0 for line in lines]
    assert grown == (sum(line.growth for line in lines) if whole else 0)


async def test_a_purchase_returned_bit_by_bit_leaves_nothing_and_no_more_is_taken(database_url: str) -> None:
    rules = [
        RuleRow("purchase", "purchase", "消费", "Purchases", 1, 1, 100, tier_multiplied=True),
        RuleRow("welcome", "purchase", "首单", "First purchase", 88, condition="first_time"),
    ]
    async with open_world(database_url, rules=rules) as world:
        await world.member("m")
        await world.post(world.purchase("m", 9_999, reference="A-1"))
        assert (await world.balances("m"))["points"] == 99 + 88
        parts = [world.event("m", "return", 3_333, reference=f"R-{number}") for number in range(4)]
        for part in parts:
            part.purchase = "A-1"
        posted = [*await world.post(*parts[:2]), *await world.post(*parts[2:])]
        assert [one.points for one in posted] == [-63, -62, -62, 0]
        assert [line.rule for line in posted[0].lines] == ["purchase", "welcome"]
        assert await world.balances("m") == {"points": 0, "pending": 0, "debt": 0}
        assert await world.one("SELECT growth FROM member") == 0
        (again,) = await world.post(parts[0])
        assert (again.status, again.points) == ("duplicate", -63)


async def test_a_return_may_carry_the_reference_of_its_purchase(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m")
        purchase = world.purchase("m", 9_999, reference="invoice-1")
        part = world.event("m", "return", 5_000, reference="invoice-1")
        posted = await world.post(purchase, part)
        assert [one.points for one in posted] == [99, -50]  # what is kept, 49.99, is worth 49


async def test_a_return_is_priced_as_its_purchase_was_whatever_the_rules_say_now(database_url: str) -> None:
    change = NOW - timedelta(hours=2)
    rules = [
        RuleRow("purchase", "purchase", "消费", "Purchases", 3, 1, 100, valid_to=change),
        RuleRow("purchase", "purchase", "消费", "Purchases", 1, 1, 100, version=2, valid_from=change),
    ]
    async with open_world(database_url, rules=rules) as world:
        await world.member("m")
        await world.post(world.purchase("m", 1_000, at=change - timedelta(days=1), reference="A-1"))
        (posted,) = await world.post(world.event("m", "return", 1_000, reference="A-1"))
        assert [(line.points, line.version) for line in posted.lines] == [(-30, 1)]


async def test_a_return_of_a_capped_purchase_takes_what_it_gave_and_frees_the_cap(database_url: str) -> None:
    rules = [RuleRow("purchase", "purchase", "消费", "Purchases", 1, 0, 100, daily_cap=50)]
    async with open_world(database_url, rules=rules) as world:
        await world.member("m")
        await world.post(world.purchase("m", 8_000, reference="A-1"))
        (back,) = await world.post(world.event("m", "return", 8_000, reference="A-1"))
        (next_one,) = await world.post(world.purchase("m", 7_000))
        assert [back.points, next_one.points] == [-50, 50]


async def test_a_return_takes_pending_points_first_then_usable_ones_and_leaves_a_debt(database_url: str) -> None:
    async with open_world(database_url, rules=HELD) as world:
        await world.member("m")
        await world.post(world.purchase("m", 10_000, at=NOW - timedelta(days=30)), world.purchase("m", 5_000))
        assert await world.balances("m") == {"points": 100, "pending": 50, "debt": 0}
        await world.post(world.event("m", "return", 7_000))
        assert await world.balances("m") == {"points": 80, "pending": 0, "debt": 0}
        await world.post(world.event("m", "return", 20_000))
        assert await world.balances("m") == {"points": 0, "pending": 0, "debt": -120}


async def test_a_return_takes_the_pending_points_of_its_own_purchase_before_others(database_url: str) -> None:
    async with open_world(database_url, rules=HELD) as world:
        await world.member("m")
        earlier, later = NOW - timedelta(days=3), NOW - timedelta(days=1)
        await world.post(world.purchase("m", 5_000, at=earlier), world.purchase("m", 3_000, at=later, reference="A-2"))
        await world.post(world.event("m", "return", 3_000, reference="A-2"))
        rows = await world.connection.execute("SELECT matures_on, remaining FROM lot ORDER BY matures_on")
        assert [row[1] for row in await rows.fetchall()] == [50, 0]


@pytest.mark.parametrize(
    ("policy", "expected", "taken"),
    [
        ("pending_only", {"points": 30, "pending": 0, "debt": 0}, 0),
        ("down_to_zero", {"points": 0, "pending": 0, "debt": 0}, 30),
        ("into_debt", {"points": 0, "pending": 0, "debt": -70}, 100),
    ],
)
async def test_each_policy_takes_as_far_as_it_says_and_the_line_keeps_the_claim(
    database_url: str, policy: str, expected: dict[str, int], taken: int
) -> None:
    async with open_world(database_url, rules=HELD, terms=replace(DEFAULT_TERMS, return_policy=policy)) as world:
        for member in ("early", "late"):
            await world.member(member)
            old, new = NOW - timedelta(days=90), NOW - timedelta(days=1)
            await world.post(
                world.purchase(member, 2_000, at=old), world.purchase(member, 10_000, at=new, reference=member)
            )
        (early,) = await world.post(world.event("early", "return", 10_000, reference="early"))
        assert early.points == -100
        assert await world.balances("early") == {"points": 20, "pending": 0, "debt": 0}
        world.clock.instant = NOW + timedelta(days=8)
        await mature_points(world.connection, world.clock.now().date(), actor="test", now=world.clock.now())
        await world.item("tea", points=90)
        await world.redeem("late", "tea")
        (late,) = await world.post(world.event("late", "return", 10_000, reference="late"))
        assert await world.balances("late") == expected
        (line,) = late.lines
        assert (late.points, line.points) == (-taken, -taken)
        assert (line.capped_from, line.cut_by) == ((None, None) if taken == 100 else (-100, "return_policy"))
        assert await world.one("SELECT growth FROM member WHERE external_id = 'late'") == 20


async def test_earning_and_returning_in_circles_makes_no_points(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m")
        await world.item("tea", points=50)
        await world.post(world.purchase("m", 10_000, reference="A-0"))
        await world.redeem("m", "tea")
        for number in range(5):
            await world.post(world.event("m", "return", 10_000, reference=f"A-{number}"))
            await world.post(world.purchase("m", 10_000, reference=f"A-{number + 1}"))
        assert await world.balances("m") == {"points": 50, "pending": 0, "debt": 0}


async def test_another_members_purchase_cannot_be_returned_and_only_returns_name_one(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m")
        await world.member("n")
        theft = world.event("n", "return", 1_000, reference="R-1")
        theft.purchase = "A-1"
        strange = world.purchase("m", 1_000)
        strange.purchase = "A-1"
        posted = await world.post(world.purchase("m", 1_000, reference="A-1"), theft, strange)
        assert [(one.status, one.code) for one in posted[1:]] == [
            ("failed", "reference_conflict"), ("failed", "invalid_event"),
        ]  # fmt: skip
        assert set(posted[2].faults) == {"purchase"}
        assert [(await world.balances(one))["points"] for one in "mn"] == [10, 0]


async def test_returns_without_a_purchase_go_by_rate_and_may_have_either_sign(database_url: str) -> None:
    rules = [
        RuleRow("purchase", "purchase", "消费", "Purchases", 1, 1, 100, daily_cap=5),
        RuleRow("thanks", "purchase", "感谢", "Thanks", 9),
    ]
    async with open_world(database_url, rules=rules) as world:
        await world.member("m")
        posted = await world.post(world.event("m", "return", 10_000), world.event("m", "return", -10_000))
        assert [[line.points for line in one.lines] for one in posted] == [[-100], [-100]]


def read_returners() -> list[Event]:
    """What the 41 customers of the Online Retail data bought and returned whose total is below zero."""
    with RETURNERS.open(encoding="utf-8") as file:
        return [
            Event(
                member=row["external_id"], type=row["type"], reference=row["reference"], currency=row["currency"],
                amount_minor=int(row["amount_minor"]), occurred_at=datetime.fromisoformat(row["occurred_at"]),
            )
            for row in csv.DictReader(file)
        ]  # fmt: skip


async def owed_and_held(world: World) -> dict[str, tuple[int, int]]:
    """Debt and usable points by member."""
    found = await world.connection.execute(
        "SELECT m.external_id, -sum(a.balance) FILTER (WHERE a.kind = 'member_debt')::bigint, "
        "sum(a.balance) FILTER (WHERE a.kind = 'member_points')::bigint "
        "FROM account a JOIN member m ON m.id = a.member_id GROUP BY 1"
    )
    return {member: (int(debt), int(points)) for member, debt, points in await found.fetchall()}


@pytest.mark.parametrize("policy", ["pending_only", "down_to_zero", "into_debt"])
async def test_the_41_customers_who_returned_more_than_they_bought(database_url: str, policy: str) -> None:
    events = read_returners()
    net: Counter[str] = Counter()
    for event in events:
        points = (event.amount_minor or 0) // 100
        net[event.member] += points if event.type == "purchase" else -points
    async with open_world(database_url, terms=replace(DEFAULT_TERMS, return_policy=policy)) as world:
        posted = await world.post(*events, enrol_unknown=True)
        assert {one.status for one in posted} == {"ok"}
        found = await owed_and_held(world)
        assert len(found) == 41
        if policy == "into_debt":
            assert found == {member: (max(-points, 0), max(points, 0)) for member, points in net.items()}
            assert sum(1 for debt, _ in found.values() if debt) == 41
        else:
            assert all(debt == 0 for debt, _ in found.values())
        bought = sum((event.amount_minor or 0) // 100 for event in events if event.type == "purchase")
        if policy == "pending_only":  # with no pending days nothing is ever taken back
            assert sum(points for _, points in found.values()) == bought
