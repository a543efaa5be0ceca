"""What lapses when: from the roll-up for the whole program, and month by month for one member."""

from collections.abc import Iterable
from datetime import date
from itertools import groupby
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.members.account import DatedPoints

_DAYS = """
    SELECT expires_on, sum(remaining)::bigint, count(*) FROM lot WHERE is_open GROUP BY 1 ORDER BY 1 NULLS LAST"""


class LapseDay(Struct, frozen=True):
    """What lapses at the midnight that ends a day unless it is spent before; `day` None for what never lapses."""

    day: date | None
    points: int
    lots: int


class LapseMonth(Struct, frozen=True):
    """The same for a month."""

    month: date | None
    points: int
    lots: int


async def forecast_lapses(connection: AsyncConnection[Any]) -> list[LapseMonth]:
    """What lapses in which month, over all members, counted now: a second or two for millions of lots."""
    found = await connection.execute(_DAYS)
    return by_month_of(LapseDay(*row) for row in await found.fetchall())


def by_month_of(days: Iterable[LapseDay]) -> list[LapseMonth]:
    """The sums of months from days in their order."""
    months: list[LapseMonth] = []
    for month, group in groupby(days, key=lambda one: one.day.replace(day=1) if one.day else None):
        found = list(group)
        months.append(LapseMonth(month, sum(one.points for one in found), sum(one.lots for one in found)))
    return months


def by_month(lots: list[DatedPoints]) -> list[tuple[date | None, list[DatedPoints]]]:
    """A member's points by the month in which they lapse, the next one first, what never lapses last."""
    months: dict[date | None, list[DatedPoints]] = {}
    for lot in sorted(lots, key=lambda one: one.on or date.max):
        months.setdefault(lot.on.replace(day=1) if lot.on else None, []).append(lot)
    return list(months.items())
