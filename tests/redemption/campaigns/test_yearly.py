"""Yearly campaigns: everybody's day once a year, whatever clock, calendar and restarts do."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from liyu.core.database import Sessions
from liyu.core.jobs import defer
from liyu.core.settings import Settings
from liyu.members.tags.conditions import Condition, Conditions
from liyu.redemption.campaigns.calendar import MADE_UP_DAYS, forecast, list_yearly, note_due, occasions
from liyu.redemption.campaigns.issue import list_left
from liyu.redemption.campaigns.preview import preview
from liyu.redemption.campaigns.records import Chosen, load_campaign
from liyu.redemption.campaigns.service import finish_campaign, try_again
from tests.redemption.campaigns.test_bulk_issue import act, draft, run, start
from tests.worker import Worker
from tests.world import ZONE, World, open_world

EVERYBODY = Chosen("everybody")


async def turn(world: World, campaign_id: int, day: date) -> int:
    """The worker's hour on a day: who is new."""
    world.clock.instant = datetime.combine(day, time(9), ZONE).astimezone(UTC)
    campaign = await load_campaign(world.connection, campaign_id)
    noted = await note_due(world.connection, campaign, now=world.clock.now(), today=day, zone=ZONE)
    await run(world, campaign_id)
    return noted


async def born(world: World, **birthdays: str) -> None:
    await world.members(*birthdays)
    for member, day in birthdays.items():
        await world.connection.execute(
            "UPDATE member SET birthday = %s, joined_at = '2020-01-01 12:00+08' WHERE external_id = %s", (day, member)
        )


async def test_birthdays_are_given_once_a_year_also_on_29_february_and_after_days_without_a_worker(
    database_url: str,
) -> None:
    async with open_world(database_url) as world:
        await born(
            world,
            a="1990-02-28",
            b="2000-02-29",
            c="1990-03-01",
            d="1990-12-31",
            frozen="1990-02-28",
            late="1990-02-25",
        )
        # Who joins in the days that are made up for was no member on their day.
        await world.connection.execute("UPDATE member SET joined_at = '2026-02-27' WHERE external_id = 'late'")
        await world.connection.execute("UPDATE member SET state = 'frozen' WHERE external_id = 'frozen'")
        await world.item("cake")
        one = await draft(world, "cake", kind="birthday", chosen=EVERYBODY, starts_on=date(2026, 2, 1))
        assert await start(world, one) == "issuing"
        days = {
            date(2026, 1, 31): 0,  # before it begins
            date(2026, 2, 28): 2, date(2026, 3, 1): 1, date(2026, 2, 27): 0,  # the clock goes back
            date(2026, 12, 30): 0, date(2027, 1, 6): 1, date(2027, 1, 7): 0,  # made up for, over the turn of the year
            date(2027, 12, 31): 1, date(2028, 2, 28): 2, date(2028, 2, 29): 1, date(2028, 3, 1): 1,
        }  # fmt: skip
        assert {day: await turn(world, one, day) for day in days} == days
        times = "SELECT count(*) FROM redemption r JOIN member m ON m.id = r.member_id WHERE external_id = %s"
        counts = {member: await world.one(times, member) for member in "abcd"}
        assert counts == {"a": 2, "b": 2, "c": 2, "d": 2}
        assert await world.one("SELECT array_agg(period ORDER BY period) FROM campaign_gift WHERE member_id = 4") == [
            "2026", "2027",
        ]  # fmt: skip
        assert await world.one("SELECT count(*) FROM member_notice WHERE topic = 'campaign_birthday'") == 9

        # A birthday that is moved over the turn of the year brings no second gift.
        await world.connection.execute("UPDATE member SET birthday = '1990-01-03' WHERE external_id = 'd'")
        assert await turn(world, one, date(2028, 1, 3)) == 0
        async with world.connection.transaction():
            await finish_campaign(world.connection, one, reason="enough", actor="staff:1", now=world.clock.now())
        assert await world.one("SELECT finished_at IS NOT NULL FROM campaign") is True


async def test_who_got_it_late_gets_the_next_one_on_their_day(database_url: str) -> None:
    async with open_world(database_url) as world:
        await born(world, a="1990-01-05")
        await world.item("cake", stock=0)
        one = await draft(world, "cake", kind="birthday", chosen=EVERYBODY, starts_on=date(2026, 1, 1))
        await start(world, one)
        assert await turn(world, one, date(2026, 1, 5)) == 1
        await world.connection.execute("UPDATE item_stock SET total = 9")
        world.clock.instant += timedelta(days=320)
        await act(world, try_again, one)
        await run(world, one)
        assert await turn(world, one, date(2027, 1, 6)) == 1
        assert await world.one("SELECT array_agg(day || state ORDER BY day) FROM campaign_gift") == [
            "2026-01-05given", "2027-01-05given",
        ]  # fmt: skip


async def test_what_is_tried_again_after_the_end_is_the_last_year_and_brings_nobody_new(database_url: str) -> None:
    async with open_world(database_url) as world:
        await born(world, a="1990-01-05", b="1990-01-06")
        await world.item("cake", stock=0)
        one = await draft(world, "cake", kind="birthday", chosen=EVERYBODY, starts_on=date(2026, 1, 1))
        await start(world, one)
        assert [await turn(world, one, day) for day in (date(2026, 1, 5), date(2027, 1, 5))] == [1, 1]
        assert await list_yearly(world.connection) == [one]
        await act(world, finish_campaign, one, reason="over")
        await world.connection.execute("UPDATE item_stock SET total = 9")
        assert await act(world, try_again, one) == 1
        assert (await list_yearly(world.connection), await list_left(world.connection)) == ([], [one])
        assert (
            await forecast(world.connection, await load_campaign(world.connection, one), date(2027, 1, 5), ZONE) == []
        )
        await run(world, one)
        assert await world.one("SELECT state FROM campaign") == "finished"
        assert await world.one("SELECT array_agg(period || state ORDER BY period) FROM campaign_gift") == [
            "2026left_out", "2027given",
        ]  # fmt: skip


async def test_months_anniversaries_and_tiers_and_what_is_to_come(database_url: str) -> None:
    async with open_world(database_url) as world:
        await born(world, a="1990-12-24", b="1990-01-02", c="1990-12-01")
        await world.connection.execute("UPDATE member SET joined_at = '2024-12-05 20:00+08' WHERE external_id <> 'c'")
        await world.connection.execute(
            "UPDATE member SET tier_id = (SELECT id FROM tier WHERE code = 'gold') WHERE external_id = 'a'"
        )
        await world.item("cake")
        today = date(2026, 12, 3)
        gold = Chosen("tier", "gold", Conditions([Condition("tier", "gold")]))
        months, golden, years = [
            await draft(world, "cake", kind=kind, chosen=chosen, starts_on=today, ends_on=ends_on)
            for kind, chosen, ends_on in (
                ("birthday_month", EVERYBODY, None),
                ("birthday_month", gold, None),
                ("anniversary", EVERYBODY, date(2026, 12, 20)),
            )
        ]

        async def coming(campaign_id: int, day: date = today) -> list[tuple[date, int]]:
            return await forecast(world.connection, await load_campaign(world.connection, campaign_id), day, ZONE)

        assert await coming(months) == [(today, 2), (date(2027, 1, 1), 1)]
        assert await coming(golden) == [(today, 1)]
        assert await coming(years) == [(date(2026, 12, 5), 2)]
        for one in (months, golden, years):
            assert await start(world, one) == "issuing"
        # Those who wait are among what is about to be given.
        await world.connection.execute("UPDATE item_stock SET total = 1")
        noted = await note_due(
            world.connection,
            await load_campaign(world.connection, golden),
            now=world.clock.now(),
            today=today,
            zone=ZONE,
        )
        seen = await preview(
            world.connection,
            await load_campaign(world.connection, golden),
            now=world.clock.now(),
            today=today,
            zone=ZONE,
        )
        assert (noted, seen.people, seen.units, seen.short) == (1, 1, 1, 0)
        await world.connection.execute("UPDATE item_stock SET total = NULL")
        assert [await turn(world, one, today) for one in (months, golden, years)] == [2, 0, 0]
        assert await coming(months) == [(date(2027, 1, 1), 1)]
        # Somebody tells their birthday in the middle of the month.
        await born(world, late="1995-12-09")
        assert await turn(world, months, date(2026, 12, 10)) == 1
        # Who joins after their month has had none of it; who joins in it has the rest.
        await born(world, past="1995-11-09", rest="1995-12-01")
        await world.connection.execute(
            "UPDATE member SET joined_at = '2026-12-02' WHERE external_id IN ('past', 'rest')"
        )
        assert await turn(world, months, date(2026, 12, 4)) == 1
        assert await turn(world, years, date(2026, 12, 11)) == 2
        assert (
            await world.one("SELECT details->>'years' FROM member_notice WHERE topic = 'campaign_anniversary'") == "2"
        )
        # It ends: nothing more, and after its last day nothing is to come.
        assert await coming(years, date(2026, 12, 21)) == []
        assert await turn(world, years, date(2027, 12, 5)) == 0


async def test_a_campaign_that_fails_keeps_none_of_the_others_from_its_turn(
    settings: Settings, sessions: Sessions
) -> None:
    async with open_world(settings.database_url or "") as world:
        await born(world, a="1990-11-22")
        await world.item("cake")
        broken, sound = [
            await draft(world, "cake", kind="birthday", chosen=EVERYBODY, starts_on=date(2026, 11, 1)) for _ in range(2)
        ]
        for one in (broken, sound):
            await start(world, one)
        await world.connection.execute(
            "UPDATE campaign SET audience = jsonb_set(audience, '{conditions}', %s) WHERE id = %s",
            ('{"match": "all", "conditions": [{"kind": "no such kind", "value": "1"}]}', broken),
        )
        await defer(world.connection, "keep_the_days", timestamp=0)
        await Worker(settings, world.clock, sessions).run()
        assert await world.one("SELECT array_agg(campaign_id) FROM campaign_gift WHERE state = 'given'") == [sound]
        # It is tried again.
        assert await world.one("SELECT status FROM procrastinate_jobs WHERE task_name = 'liyu:keep_the_days'") == "todo"


@given(st.dates(date(2024, 1, 1), date(2032, 12, 31)), st.dates(date(1950, 1, 1), date(2020, 12, 31)))
def test_every_birthday_comes_on_one_day_of_each_year(first: date, birthday: date) -> None:
    last = first + timedelta(days=365)
    found = [
        one.day
        for one in occasions("birthday", first, last)
        if one.key == f"{birthday:%m-%d}" and birthday < one.born_before
    ]
    assert len({day.year for day in found}) == len(found) in (1, 2)
    assert all(timedelta(days=300) < later - earlier for earlier, later in pairwise(found))
    assert MADE_UP_DAYS < 28
