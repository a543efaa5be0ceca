"""Points health: what was issued, spent and lapsed, what is owed until when, and two rates against their limits.

Definitions:

- accrual rate 积累率: of what members could have earned from the sources with a yearly cap, the share that they did earn;
  the limit is 80 %. A member counts for the days of membership within the year. Purchases have no end and do not count, even
  where a rule of theirs is capped; what bonus rules of a source give counts as earned.
- redemption rate 兑换率: of the points issued, the share that was spent (cancelled redemptions taken off); the limit is 40 %.

Both over the last twelve months with the present one. All figures come from the roll-ups, as of their last count.
"""

from datetime import date, datetime
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct, convert
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from liyu.core.clock import local_date
from liyu.core.database import fetch_all
from liyu.members.points.forecast import LapseDay, LapseMonth, by_month_of
from liyu.members.points.lots import add_months
from liyu.members.points.pricing import AMOUNT_TYPES

ACCRUAL_LIMIT = 80
REDEMPTION_LIMIT = 40
REDEMPTION_FLOOR = 20
"""Percent. Limits are the customer's; below the floor points mean little to members."""
MONTHS = 12
DAYS_OF_YEAR = 365


class MonthOfPoints(Struct):
    """What moved in one month; cancelled redemptions and reinstated points are taken off."""

    month: date
    issued: int = 0
    spent: int = 0
    lapsed: int = 0
    taken_back: int = 0


class SourceRate(Struct, frozen=True):
    """A source with a yearly cap: what members earned of it, and what they could have earned."""

    type: str
    name_zh: str
    name_en: str
    cap: int
    earned: int
    possible: int

    @property
    def rate(self) -> Fraction | None:
        """Percent of what was possible; None when nothing was."""
        return percent(self.earned, self.possible)


class Health(Struct, frozen=True):
    """The health of the program's points, as of `at`. Points are points; `debt` is above 0."""

    at: datetime
    members: int
    holders: int
    usable: int
    pending: int
    debt: int
    months: list[MonthOfPoints]
    days: list[LapseDay]
    """What lapses when, by last day."""
    sources: list[SourceRate]
    milliseconds: int

    @property
    def lapses(self) -> list[LapseMonth]:
        """What lapses when, by month."""
        return by_month_of(self.days)

    def next_lapse(self, today: date) -> LapseDay | None:
        """What lapses next, from today on."""
        return next((one for one in self.days if one.day is not None and one.day >= today and one.points), None)

    @property
    def outstanding(self) -> int:
        """What the program owes in points, due now or later."""
        return self.usable + self.pending

    @property
    def issued(self) -> int:
        """Points issued in the months shown."""
        return sum(month.issued for month in self.months)

    @property
    def spent(self) -> int:
        """Points spent in the months shown."""
        return sum(month.spent for month in self.months)

    @property
    def lapsed(self) -> int:
        """Points lapsed in the months shown."""
        return sum(month.lapsed for month in self.months)

    @property
    def redemption_rate(self) -> Fraction | None:
        """Percent of the points issued that was spent."""
        return percent(self.spent, self.issued)

    @property
    def lapse_rate(self) -> Fraction | None:
        """Percent of the points issued that lapsed 失效率."""
        return percent(self.lapsed, self.issued)

    @property
    def accrual_rate(self) -> Fraction | None:
        """Percent of what could have been earned that was."""
        return percent(sum(one.earned for one in self.sources), sum(one.possible for one in self.sources))


def percent(part: int, whole: int) -> Fraction | None:
    """`part` in percent of `whole`, exact; None of nothing."""
    return Fraction(part * 100, whole) if whole > 0 else None


_LATEST = """
    SELECT at, members, member_days, holders, usable, pending, debt, days, milliseconds
    FROM points_health ORDER BY day DESC LIMIT 1"""

_MOVED = """
    SELECT month, event, type, sum(came)::bigint AS came, sum(went)::bigint AS went
    FROM points_rollup WHERE month BETWEEN %(first)s AND %(last)s GROUP BY 1, 2, 3"""

_CAPPED = """
    SELECT event_type AS type, (array_agg(name_zh ORDER BY id))[1] AS name_zh, (array_agg(name_en ORDER BY id))[1] AS name_en,
        sum(yearly_cap)::bigint AS cap
    FROM earning_rule
    WHERE yearly_cap IS NOT NULL AND valid_from <= %(now)s AND (valid_to IS NULL OR %(now)s < valid_to)
        AND event_type <> ALL(%(unbounded)s)
    GROUP BY event_type ORDER BY min(id)"""


class _Moved(Struct):
    """What one kind of movement did in one month."""

    month: date
    event: str
    type: str
    came: int
    went: int


class _Capped(Struct):
    """A source with a yearly cap."""

    type: str
    name_zh: str
    name_en: str
    cap: int


async def load_health(connection: AsyncConnection[Any], *, now: datetime, zone: ZoneInfo) -> Health | None:
    """The health as of the last count; None before the first one."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_LATEST)
        latest = await cursor.fetchone()
    if latest is None:
        return None
    last = local_date(now, zone).replace(day=1)
    first = add_months(last, 1 - MONTHS)
    moved = await fetch_all(connection, _Moved, _MOVED, {"first": first, "last": last})
    capped = await fetch_all(connection, _Capped, _CAPPED, {"now": now, "unbounded": list(AMOUNT_TYPES)})
    member_days = latest.pop("member_days")
    return Health(
        **latest | {"months": _months(moved, first), "days": convert(latest["days"], list[LapseDay])},
        sources=[_rate(one, moved, member_days) for one in capped],
    )


def _months(moved: list[_Moved], first: date) -> list[MonthOfPoints]:
    months = {month: MonthOfPoints(month) for month in (add_months(first, number) for number in range(MONTHS))}
    for one in moved:
        month = months[one.month]
        match one.event:
            case "earn" | "repay" | "gift_code":
                month.issued += one.came
            case "redeem" | "cancel" | "membership" | "membership_return":
                month.spent += one.went - one.came
            case "lapse" | "reinstate":
                month.lapsed += one.went - one.came
            case "clawback" | "debt":
                month.taken_back += one.went
    return list(months.values())


def _rate(source: _Capped, moved: list[_Moved], member_days: int) -> SourceRate:
    earned = sum(one.came for one in moved if one.type == source.type and one.event in ("earn", "repay"))
    possible = source.cap * member_days // DAYS_OF_YEAR
    return SourceRate(source.type, source.name_zh, source.name_en, source.cap, earned, possible)
