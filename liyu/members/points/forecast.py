"""What lapses when: from the roll-up for the whole program, and month by month for one member."""

from datetime import date
from typing import Any

from msgspec import Struct, convert
from psycopg import AsyncConnection

from liyu.members.account import DatedPoints

_OF_PROGRAM = """
    SELECT date_trunc('month', expires_on)::date AS month, sum(points)::bigint, sum(lots)::bigint FROM (
        SELECT expires_on, sum(remaining) AS points, count(*) AS lots FROM lot WHERE is_open GROUP BY 1) AS days
    GROUP BY 1 ORDER BY 1 NULLS LAST"""

_DAYS = """
    SELECT expires_on, sum(remaining)::bigint, count(*) FROM lot
    WHERE is_open AND expires_on >= %s GROUP BY 1 ORDER BY 1 LIMIT %s"""


class LapseMonth(Struct, frozen=True):
    """What lapses in a month unless it is spent before; `month` None for what never lapses."""

    month: date | None
    points: int
    lots: int


class LapseDay(Struct, frozen=True):
    """What lapses at the midnight that ends a day."""

    day: date
    points: int
    lots: int


async def forecast_lapses(connection: AsyncConnection[Any]) -> list[LapseMonth]:
    """What lapses in which month, over all members, counted now: a second or two for millions of lots."""
    found = await connection.execute(_OF_PROGRAM)
    return [LapseMonth(*row) for row in await found.fetchall()]


async def next_lapse_days(connection: AsyncConnection[Any], today: date, most: int) -> list[LapseDay]:
    """The next last days that any points have."""
    found = await connection.execute(_DAYS, (today, most))
    return [LapseDay(*row) for row in await found.fetchall()]


def months_of(months: list[dict[str, object]]) -> list[LapseMonth]:
    """The forecast that a count kept."""
    return convert(months, list[LapseMonth])


def by_month(lots: list[DatedPoints]) -> list[tuple[date | None, list[DatedPoints]]]:
    """A member's points by the month in which they lapse, the next one first, what never lapses last."""
    months: dict[date | None, list[DatedPoints]] = {}
    for lot in sorted(lots, key=lambda one: one.on or date.max):
        months.setdefault(lot.on.replace(day=1) if lot.on else None, []).append(lot)
    return list(months.items())
