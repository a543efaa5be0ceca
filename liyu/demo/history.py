"""Two years of real purchases, replayed through the code that the API uses, with the lapse of every new year in between."""

from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import AsyncConnection

from liyu.core.clock import start_of_day
from liyu.demo.files import read_events, read_json
from liyu.members.enrol import NewMember, enrol_members
from liyu.members.points.events import Event
from liyu.members.points.lapse import lapse_points, mature_points
from liyu.members.points.post import post_events
from liyu.members.tiers.evaluate import evaluate_tiers

ACTOR = "demo"
PORTION = 1_000
DEMO_MEMBER_CHECK_INS = 12


async def enrol_everybody(connection: AsyncConnection[Any], events: list[Event], zone: ZoneInfo) -> None:
    """Enrol the named members and everybody who bought something, on the day before the first purchase."""
    joined = events[0].occurred_at - timedelta(days=1)
    named = [
        NewMember(
            external_id=one["customer"],
            phone=one["phone"],
            name=one["name"],
            birthday=date.fromisoformat(one["birthday"]),
            city=one["city_name_zh"],
            locale=one["locale"],
        )
        for one in read_json("members")
    ]
    known = {one.external_id for one in named}
    others = [NewMember(external_id=one) for one in sorted({event.member for event in events} - known)]
    async with connection.transaction():
        await enrol_members(connection, [*named, *others], actor=ACTOR, now=joined)


def all_events(today: date, zone: ZoneInfo, currency: str) -> list[Event]:
    """Purchases, returns and the small things of the named members, in order of time."""
    events = read_events(today, zone, currency) + _small_things(today, zone)
    return sorted(events, key=lambda event: (event.occurred_at, event.reference))


async def replay_years(connection: AsyncConnection[Any], events: list[Event], zone: ZoneInfo) -> None:
    """Post events in order, lapsing at every new year in between."""
    for year, group in groupby(events, key=lambda event: event.occurred_at.astimezone(zone).year):
        await turn_day(connection, date(year, 1, 1), zone)
        await post_day(connection, list(group), start_of_day(date(year + 1, 1, 1), zone), zone)


async def post_day(connection: AsyncConnection[Any], events: list[Event], now: datetime, zone: ZoneInfo) -> None:
    """Post the events of a day, or of any other span that ends at `now`."""
    for start in range(0, len(events), PORTION):
        async with connection.transaction():
            posted = await post_events(connection, events[start : start + PORTION], actor=ACTOR, now=now, zone=zone)
        faulty = [answer for answer in posted if answer.status == "failed"]
        if faulty:
            raise ValueError(f"the demo data is faulty: {faulty[0]}")


async def turn_day(connection: AsyncConnection[Any], day: date, zone: ZoneInfo) -> None:
    """What the worker does when a day begins: mature, lapse, and decide the tiers whose validity has ended."""
    now = start_of_day(day, zone)
    await mature_points(connection, day, actor=ACTOR, now=now)
    await lapse_points(connection, day, actor=ACTOR, now=now)
    await evaluate_tiers(connection, day, now=now)


def _small_things(today: date, zone: ZoneInfo) -> list[Event]:
    """Check-ins, shares and a referral of the named members, so that their histories show more than purchases."""
    events = []
    for place, member in enumerate(read_json("members")[:8]):
        for back in range(1, 1 + DEMO_MEMBER_CHECK_INS - place):
            at = datetime.combine(today - timedelta(days=back), datetime.min.time(), zone).replace(
                hour=8, minute=7 + place
            )
            reference = f"check-in:{member['customer']}:{at.date()}"
            events.append(Event(member=member["customer"], type="check_in", reference=reference, occurred_at=at))
        at = datetime.combine(today - timedelta(days=20 + place), datetime.min.time(), zone).replace(hour=20, minute=15)
        kind = ("referral", "share", "campaign", "suggestion")[place % 4]
        events.append(
            Event(member=member["customer"], type=kind, reference=f"{kind}:{member['customer']}", occurred_at=at)
        )
    return events
