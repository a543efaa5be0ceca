"""Earning: what events give, within which caps, and that nothing counts twice."""

import asyncio
from datetime import UTC, date, datetime, timedelta

import pytest
from msgspec import structs
from psycopg import AsyncConnection
from psycopg.errors import RestrictViolation

from liyu.members.points.events import Event
from liyu.members.points.post import post_events
from liyu.members.points.rules import PurchasePolicy, set_purchase_policy
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


async def test_earnings_pay_a_debt_first(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m")
        await world.post(world.event("m", "return", -12_000))
        await world.post(world.purchase("m", 10_000))
        assert await world.balances("m") == {"points": 0, "pending": 0, "debt": -20}
        await world.post(world.purchase("m", 5_000))
        assert await world.balances("m") == {"points": 30, "pending": 0, "debt": 0}


async def test_a_daily_cap_cuts_what_is_beyond_it(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m")
        first, second = await world.post(world.event("m", "check_in"), world.event("m", "check_in"))
        (third,) = await world.post(world.event("m", "check_in"))
        (yesterday,) = await world.post(world.event("m", "check_in", at=NOW - timedelta(days=1)))
        assert [one.points for one in (first, second, third, yesterday)] == [1, 0, 0, 1]
        assert second.lines[0].capped_from == 1


async def test_caps_of_day_year_and_lifetime_are_exact_under_parallel_posting(database_url: str) -> None:
    rules = [
        RuleRow("share", "share", "分享", "Share", 50, daily_cap=120),
        RuleRow("campaign", "campaign", "活动", "Event", 50, yearly_cap=230),
        RuleRow("referral", "referral", "推荐", "Referral", 50, lifetime_cap=310),
    ]
    async with open_world(database_url, rules=rules) as world:
        await world.member("m")

        async def post(number: int) -> list[int]:
            async with (
                await AsyncConnection.connect(database_url, autocommit=True) as connection,
                connection.transaction(),
            ):
                events = [world.event("m", kind) for kind in ("share", "campaign", "referral")]
                posted = await post_events(connection, events, actor="test", now=NOW, zone=ZONE)
            return [one.points for one in posted]

        points = await asyncio.gather(*(post(number) for number in range(12)))
        assert [sum(column) for column in zip(*points, strict=True)] == [120, 230, 310]
        assert (await world.balances("m"))["points"] == 660


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


async def test_what_was_priced_never_changes(database_url: str) -> None:
    changes = (
        "UPDATE earning_rule SET points = 2", "DELETE FROM earning_rule", "UPDATE earning_rule SET valid_from = now()",
        "UPDATE earning_event SET points = 2", "UPDATE earning_event SET lines = '[]'", "DELETE FROM earning_event",
    )  # fmt: skip
    async with open_world(database_url) as world:
        await world.member("m", points=10)
        for change in changes:
            with pytest.raises(RestrictViolation):
                await world.connection.execute(change)


async def test_the_first_event_of_a_type_is_rewarded_once(database_url: str) -> None:
    rules = [RuleRow("welcome", "purchase", "首单", "First purchase", 100, condition="first_time")]
    async with open_world(database_url, rules=rules) as world:
        await world.member("m")
        posted = await world.post(world.purchase("m", 100), world.purchase("m", 100))
        posted += await world.post(world.purchase("m", 100))
        assert [one.points for one in posted] == [100, 0, 0]
        assert posted[0].lines[0].condition == "first_time"


async def test_every_third_day_in_a_row_brings_a_bonus_once_and_a_gap_begins_anew(database_url: str) -> None:
    rules = [
        RuleRow("check_in", "check_in", "签到", "Check-in", 1, daily_cap=1),
        RuleRow("streak", "check_in", "连签", "Streak", 5, condition="streak", every_days=3),
    ]
    days = [1, 2, 3, 3, 4, 5, 7, 8, 6, 9]
    async with open_world(database_url, rules=rules) as world:
        await world.member("m")
        points = []
        for day in days:  # 3 twice; 6 is told late, after 7 and 8
            at = datetime(2026, 9, day, 1, tzinfo=UTC)
            (posted,) = await world.post(world.event("m", "check_in", at=at))
            points.append(posted.points)
        assert points == [1, 1, 6, 0, 1, 1, 1, 1, 6, 6]
        again = [
            world.event("m", "check_in", at=datetime(2026, 10, day, 1, tzinfo=UTC)) for day in (1, 2, 3, 3, 4, 5, 6)
        ]
        assert [one.points for one in await world.post(*again)] == [1, 1, 6, 0, 1, 1, 6]


async def test_the_birthday_counts_in_the_programs_zone(database_url: str) -> None:
    rules = [
        RuleRow(
            "purchase", "purchase", "消费", "Purchases", 1, 0, 100, birthday_basis_points=20_000, birthday_span="day"
        ),
        RuleRow("party", "purchase", "生日月", "Birthday month", 7, condition="birthday_month"),
    ]
    async with open_world(database_url, rules=rules) as world:
        await world.member("m")
        await world.connection.execute("UPDATE member SET birthday = '1990-09-01'")
        eve = datetime(2026, 8, 31, 15, 59, tzinfo=UTC)  # 23:59 of 31 August in Shanghai
        times = [eve, eve + timedelta(minutes=1), eve + timedelta(days=1, minutes=1)]
        posted = await world.post(*(world.purchase("m", 1_000, at=at) for at in times))
        assert [[line.points for line in one.lines] for one in posted] == [[10], [20, 7], [10, 7]]


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
        "purchase": (1, None, None), "check_in": (1, 1, 365), "share": (2, None, 384), "campaign": (30, None, 500),
        "referral": (80, None, None), "suggestion": (50, None, None),
    }  # fmt: skip


async def test_a_faulty_event_enrols_nobody(database_url: str) -> None:
    async with open_world(database_url) as world:
        strange = [world.event("ghost", "theft"), world.event("nul\x00", "check_in"), world.purchase("ghost", 10**13)]
        posted = await world.post(*strange, enrol_unknown=True)
        assert [one.status for one in posted] == ["failed"] * 3
        assert [set(one.faults) for one in posted] == [{"type"}, {"member"}, {"amount_minor"}]
        assert await world.one("SELECT count(*) FROM member") == 0


async def test_what_was_paid_with_points_earns_only_if_the_program_says_so(database_url: str) -> None:
    # nopSolutions/nopCommerce#3391, odoo/odoo#114004: a visible setting
    async with open_world(database_url) as world:
        await world.member("m")

        def bought(reference: str) -> Event:
            return structs.replace(world.purchase("m", 30_000, reference=reference), points_part_minor=10_000)

        (first,) = await world.post(bought("a"))
        assert (first.points, first.growth) == (200, 200)
        before = await set_purchase_policy(world.connection, PurchasePolicy("into_debt", points_part_earns=True))
        assert not before.points_part_earns
        (second,) = await world.post(bought("b"))
        assert (second.points, second.growth) == (300, 300)
        # Sent again it is the same event; with another part it is another one.
        (again,) = await world.post(bought("a"))
        assert (again.status, again.points) == ("duplicate", 200)
        (other,) = await world.post(structs.replace(bought("a"), points_part_minor=0))
        assert other.code == "reference_conflict"
        # A return takes back by the share of the whole amount.
        (half,) = await world.post(structs.replace(world.event("m", "return", -15_000), purchase="a"))
        assert half.points == -100
        for faulty in (
            structs.replace(bought("c"), points_part_minor=30_001), structs.replace(bought("c"), points_part_minor=-1),
            structs.replace(world.event("m", "check_in"), points_part_minor=1),
        ):  # fmt: skip
            (refused,) = await world.post(faulty)
            assert list(refused.faults) == ["points_part_minor"]
        assert (await world.balances("m"))["points"] == 400
