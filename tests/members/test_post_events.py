"""Earning: what events give, what returns take back, that nothing counts twice."""

import asyncio
from datetime import UTC, date, datetime, timedelta

from psycopg import AsyncConnection

from liyu.members.points.events import Event
from liyu.members.points.post import post_events
from liyu.members.program import DEFAULT_RULES, RuleRow
from tests.world import NOW, ZONE, open_world


async def test_a_purchase_gives_a_point_for_each_full_yuan_and_says_why(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m")
        (posted,) = await world.post(world.purchase("m", 12_399))
        assert (posted.status, posted.points) == ("ok", 123)
        assert [(line.rule, line.version, line.points) for line in posted.lines] == [("purchase", 1, 123)]
        assert await world.balances("m") == {"points": 123, "pending": 0, "debt": 0}
        assert await world.lots("m") == {date(2027, 12, 31): 123}


async def test_points_earned_in_one_year_share_one_lot_that_ends_with_the_next(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m")
        december = datetime(2025, 12, 31, 15, 59, tzinfo=UTC)  # 23:59 in Shanghai
        await world.post(
            world.purchase("m", 1_000, at=december),
            world.purchase("m", 2_000, at=december + timedelta(minutes=2)),
            world.purchase("m", 4_000, at=december + timedelta(days=100)),
        )
        assert await world.lots("m") == {date(2026, 12, 31): 10, date(2027, 12, 31): 60}


async def test_the_same_event_twice_gives_no_second_point_and_the_first_answer(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m")
        event = world.purchase("m", 5_000, reference="invoice-1")
        first, again = await world.post(event, event)
        (later,) = await world.post(event)
        assert [first.status, again.status, later.status] == ["ok", "duplicate", "duplicate"]
        assert first.points == again.points == later.points == 50
        assert later.lines == first.lines
        assert (await world.balances("m"))["points"] == 50


async def test_a_reference_used_for_another_event_is_refused_and_changes_nothing(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m")
        await world.post(world.purchase("m", 5_000, reference="invoice-1"))
        (posted,) = await world.post(world.purchase("m", 6_000, reference="invoice-1"))
        assert (posted.status, posted.code) == ("failed", "reference_conflict")
        assert (await world.balances("m"))["points"] == 50


async def test_a_return_may_carry_the_reference_of_its_purchase(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m")
        purchase = world.purchase("m", 9_999, reference="invoice-1")
        part = world.event("m", "return", 5_000, reference="invoice-1")
        posted = await world.post(purchase, part)
        assert [one.points for one in posted] == [99, -50]  # what is kept, 49.99, is worth 49


async def test_a_return_takes_pending_points_first_then_usable_ones_and_leaves_a_debt(database_url: str) -> None:
    pending = [RuleRow("purchase", "purchase", "消费", "Purchases", 1, 1, 100, pending_days=7)]
    async with open_world(database_url, rules=pending) as world:
        await world.member("m")
        await world.post(world.purchase("m", 10_000, at=NOW - timedelta(days=30)), world.purchase("m", 5_000))
        assert await world.balances("m") == {"points": 100, "pending": 50, "debt": 0}
        await world.post(world.event("m", "return", 7_000))
        assert await world.balances("m") == {"points": 80, "pending": 0, "debt": 0}
        await world.post(world.event("m", "return", 20_000))
        assert await world.balances("m") == {"points": 0, "pending": 0, "debt": -120}


async def test_earnings_pay_a_debt_first(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m")
        await world.post(world.event("m", "return", -12_000))
        await world.post(world.purchase("m", 10_000))
        assert await world.balances("m") == {"points": 0, "pending": 0, "debt": -20}
        await world.post(world.purchase("m", 5_000))
        assert await world.balances("m") == {"points": 30, "pending": 0, "debt": 0}


async def test_returns_may_be_sent_with_either_sign(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m", points=500)
        posted = await world.post(world.event("m", "return", 10_000), world.event("m", "return", -10_000))
        assert [one.points for one in posted] == [-100, -100]


async def test_a_daily_cap_cuts_what_is_beyond_it(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m")
        first, second = await world.post(world.event("m", "check_in"), world.event("m", "check_in"))
        (third,) = await world.post(world.event("m", "check_in"))
        (yesterday,) = await world.post(world.event("m", "check_in", at=NOW - timedelta(days=1)))
        assert [one.points for one in (first, second, third, yesterday)] == [1, 0, 0, 1]
        assert second.lines[0].capped_from == 1


async def test_a_yearly_cap_holds_under_parallel_posting(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m")

        async def post(number: int) -> int:
            async with (
                await AsyncConnection.connect(database_url, autocommit=True) as connection,
                connection.transaction(),
            ):
                event = Event(member="m", type="campaign", reference=f"c-{number}", occurred_at=NOW)
                (posted,) = await post_events(connection, [event], actor="test", now=NOW, zone=ZONE)
            return posted.points

        points = await asyncio.gather(*(post(number) for number in range(16)))
        assert sum(points) == 500  # ten events of 50 a year
        assert (await world.balances("m"))["points"] == 500


async def test_an_event_is_priced_with_the_rule_version_of_its_time(database_url: str) -> None:
    change = datetime(2026, 6, 1, tzinfo=UTC)
    rules = [
        RuleRow("purchase", "purchase", "消费", "Purchases", 1, 1, 100, valid_to=change),
        RuleRow("purchase", "purchase", "消费", "Purchases", 2, 1, 100, version=2, valid_from=change),
    ]
    async with open_world(database_url, rules=rules) as world:
        await world.member("m")
        before, after = await world.post(
            world.purchase("m", 1_000, at=change - timedelta(seconds=1)), world.purchase("m", 1_000, at=change)
        )
        assert [(one.points, one.lines[0].version) for one in (before, after)] == [(10, 1), (20, 2)]


async def test_a_threshold_lifts_the_tier_at_once_and_the_change_is_kept_with_its_reason(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m")
        await world.post(world.purchase("m", 99_900), world.purchase("m", 100), world.purchase("m", 400_000))
        assert await world.one("SELECT t.code FROM member m JOIN tier t ON t.id = m.tier_id") == "platinum"
        found = await world.connection.execute(
            "SELECT t.code, c.reason, c.growth FROM tier_change c JOIN tier t ON t.id = c.to_tier_id ORDER BY c.id"
        )
        assert await found.fetchall() == [
            ("standard", "joined", 0), ("silver", "threshold_reached", 1_000), ("platinum", "threshold_reached", 5_000),
        ]  # fmt: skip


async def test_a_faulty_event_names_every_fault_and_harms_no_other(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m")
        faulty = Event(member=" ", type="theft", reference="x" * 201, occurred_at=NOW + timedelta(days=1))
        foreign = world.event("m", "purchase", 5_000)
        foreign.currency = "GBP"
        good = world.purchase("m", 5_000)
        posted = await world.post(
            faulty, foreign, world.event("m", "purchase", -1), world.event("nobody", "check_in"), good
        )
        assert [one.status for one in posted] == ["failed", "failed", "failed", "failed", "ok"]
        assert set(posted[0].faults) == {"member", "type", "reference", "occurred_at"}
        assert set(posted[1].faults) == {"currency"}
        assert set(posted[2].faults) == {"amount_minor"}
        assert posted[3].code == "unknown_member"
        assert (await world.balances("m"))["points"] == 50


async def test_imports_enrol_members_that_are_not_known(database_url: str) -> None:
    async with open_world(database_url) as world:
        (posted,) = await world.post(world.purchase("newcomer", 5_000), enrol_unknown=True)
        assert posted.status == "ok"
        assert await world.balances("newcomer") == {"points": 50, "pending": 0, "debt": 0}


def test_the_default_rules_are_the_customers_list() -> None:
    given = {rule.code: (rule.points, rule.daily_cap, rule.yearly_cap) for rule in DEFAULT_RULES}
    assert given == {
        "purchase": (1, None, None), "check_in": (1, 1, 365), "share": (2, None, 384), "campaign": (50, None, 500),
        "referral": (80, None, None), "suggestion": (30, None, None),
    }  # fmt: skip


async def test_a_faulty_event_enrols_nobody(database_url: str) -> None:
    async with open_world(database_url) as world:
        strange = [world.event("ghost", "theft"), world.event("nul\x00", "check_in"), world.purchase("ghost", 10**13)]
        posted = await world.post(*strange, enrol_unknown=True)
        assert [one.status for one in posted] == ["failed"] * 3
        assert [set(one.faults) for one in posted] == [{"type"}, {"member"}, {"amount_minor"}]
        assert await world.one("SELECT count(*) FROM member") == 0
