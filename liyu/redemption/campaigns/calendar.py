"""Days of the year that belong to a member: birthdays, the month of it, the day of joining. Whose day it is, and whose will be.

Who was born or joined on 29 February has the 28th in other years, as in pricing. A day that passed without a worker is made up for
within `MADE_UP_DAYS`, for those who were members on it; the year of the day, not of the giving, is what it is given for.
"""

from calendar import isleap
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.bulk import encode_rows
from liyu.members.points.lots import end_of_month
from liyu.members.tags.conditions import compile_conditions
from liyu.redemption.campaigns.records import Campaign

MADE_UP_DAYS = 7
FORECAST_DAYS = 30
CLOSEST_DAYS = 300
"""Days for which a yearly campaign gives lie at least so far apart: a birthday moved over the turn of the year brings no second
gift. When it was given does not matter: who was left out and got it late has the next one on their day."""

_DATES = {
    "birthday": "m.birthday",
    "birthday_month": "m.birthday",
    "anniversary": "(m.joined_at AT TIME ZONE %(zone)s)::date",
}


_DUE = """
    SELECT m.id, d.day FROM {tables} JOIN LATERAL (SELECT {date} AS born) AS b ON true
    JOIN json_to_recordset(%(days)s::json) AS d(key text, day date, last_day date, born_before date)
        ON d.key = to_char(b.born, %(pattern)s) AND b.born < d.born_before
    WHERE m.state = 'active' AND (m.joined_at AT TIME ZONE %(zone)s)::date <= d.last_day AND {predicate}"""

_NOTE = """
    INSERT INTO campaign_gift (campaign_id, member_id, period, day, state, at)
    SELECT DISTINCT ON (due.id, extract(year FROM due.day)) %(campaign)s, due.id, extract(year FROM due.day)::int::text, due.day,
        'waiting', %(now)s
    FROM ({due}) AS due
    WHERE NOT EXISTS (
        SELECT FROM (SELECT due.id UNION ALL SELECT k.id FROM member k WHERE k.merged_into = due.id) AS own
        JOIN campaign_gift g ON g.member_id = own.id
        WHERE g.campaign_id = %(campaign)s
            AND (g.period = extract(year FROM due.day)::int::text
                OR (g.state = 'given' AND abs(due.day - g.day) < %(closest)s)))
    ORDER BY due.id, extract(year FROM due.day), due.day
    ON CONFLICT DO NOTHING"""

_COMING = """
    SELECT due.day, count(*) FROM ({due}) AS due
    WHERE NOT EXISTS (
        SELECT FROM campaign_gift g WHERE g.member_id = due.id AND g.campaign_id = %(campaign)s
            AND g.period = extract(year FROM due.day)::int::text)
    GROUP BY 1 ORDER BY 1"""


class Occasion(Struct, frozen=True):
    """A day, or month from its first day on, that is the one of the year for members: by month and day or month alone, for those
    born before a day.
    """

    key: str
    day: date
    last_day: date
    born_before: date


def occasions(kind: str, first: date, last: date) -> list[Occasion]:
    """What is celebrated from a day through another: birthdays and anniversaries on their day, months from their first day on.

    An anniversary needs a year, a birthday nothing but to have been born before.
    """
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    if kind == "birthday_month":
        firsts = sorted({day.replace(day=1) for day in days})
        return [Occasion(f"{day:%m}", day, end_of_month(day), last + timedelta(days=1)) for day in firsts]
    return [
        Occasion(key, day, day, date(day.year, 1, 1) if kind == "anniversary" else day)
        for day in days
        for key in (f"{day:%m-%d}", *(("02-29",) if (day.month, day.day) == (2, 28) and not isleap(day.year) else ()))
    ]


async def note_due(
    connection: AsyncConnection[Any], campaign: Campaign, *, now: datetime, today: date, zone: ZoneInfo
) -> int:
    """Note the members whose day it is, or was in the days that are made up for; how many are new.

    The primary key lets nobody in twice for a year, whatever the clock says and however often this runs.
    """
    assert campaign.starts_on is not None
    first = max(today - timedelta(days=MADE_UP_DAYS - 1), campaign.starts_on)
    last = min(today, campaign.ends_on or today)
    if first > last:
        return 0
    due, values = _ask(campaign, occasions(campaign.kind, first, last), today, zone)
    values |= {"campaign": campaign.id, "now": now, "closest": CLOSEST_DAYS}
    return (await connection.execute(_NOTE.format(due=due), values)).rowcount


async def list_yearly(connection: AsyncConnection[Any]) -> list[int]:
    """Yearly campaigns that run and were never ended."""
    found = await connection.execute(
        "SELECT id FROM campaign WHERE state = 'issuing' AND kind <> 'once' AND finished_at IS NULL ORDER BY id"
    )
    return [row[0] for row in await found.fetchall()]


async def forecast(
    connection: AsyncConnection[Any], campaign: Campaign, today: date, zone: ZoneInfo
) -> list[tuple[date, int]]:
    """How many members will be given something on which of the next 30 days, as members are now; none of one that is over."""
    if campaign.starts_on is None or not campaign.is_open:
        return []
    first = max(today, campaign.starts_on)
    last = min(today + timedelta(days=FORECAST_DAYS - 1), campaign.ends_on or date.max)
    if first > last:
        return []
    due, values = _ask(campaign, occasions(campaign.kind, first, last), today, zone)
    found = await connection.execute(_COMING.format(due=due), {**values, "campaign": campaign.id})
    return [(max(day, first), members) for day, members in await found.fetchall()]


async def expect_units(connection: AsyncConnection[Any], campaign: Campaign, today: date, zone: ZoneInfo) -> int:
    """Units that a campaign is about to give: to everybody who waits, of a yearly one also in the next 30 days."""
    coming = await forecast(connection, campaign, today, zone)
    return (campaign.waiting + sum(members for _, members in coming)) * campaign.quantity


def _ask(campaign: Campaign, days: list[Occasion], today: date, zone: ZoneInfo) -> tuple[str, dict[str, Any]]:
    """The query for members and the days that are theirs, with its values."""
    tables, predicate, values = "member m", "true", dict[str, Any]()
    if campaign.audience.conditions is not None:
        compiled = compile_conditions(campaign.audience.conditions, today, zone)
        tables, predicate, values = compiled.tables, compiled.predicate, dict(compiled.values)
    values |= {
        "zone": str(zone),
        "pattern": "MM" if campaign.kind == "birthday_month" else "MM-DD",
        "days": encode_rows(days),
    }
    return _DUE.format(tables=tables, predicate=predicate, date=_DATES[campaign.kind]), values
