"""When a pool runs out, from how fast its codes were taken. Pure; see docs/algorithms/pools.md."""

from datetime import date, timedelta
from fractions import Fraction
from typing import Literal

from msgspec import Struct

SHORT, LONG = 7, 28
"""Days. The faster of the two rates counts: a warning too early costs less than an empty pool."""
FURTHEST = 3_650
"""Days ahead beyond which a date says nothing."""

Level = Literal["empty", "low", "fine", "idle"]


class Use(Struct, frozen=True):
    """How many codes were taken, up to and including today."""

    last_week: int
    last_four_weeks: int
    days: int
    """Days for which the pool has had codes, at least 1; what is younger than a window is divided by its own age."""

    @property
    def daily(self) -> Fraction:
        """Codes a day, by the faster of the two windows."""
        return max(
            Fraction(self.last_week, min(self.days, SHORT)), Fraction(self.last_four_weeks, min(self.days, LONG))
        )


class Forecast(Struct, frozen=True):
    """How long the free codes are likely to last."""

    level: Level
    days_left: int | None
    """Whole days; None when nothing has been taken lately or it is further away than anybody can tell."""
    runs_out_on: date | None


def forecast(free: int, use: Use, today: date, *, low_at: int | None, lead_days: int) -> Forecast:
    """The forecast of a pool with `free` codes; it is low by the operator's own figure or by the days that a delivery takes."""
    days = int(free / use.daily) if use.daily else None
    if days is not None and days > FURTHEST:
        days = None
    is_low = (low_at is not None and free <= low_at) or (days is not None and days <= lead_days)
    level: Level = "empty" if not free else "low" if is_low else "fine" if use.daily else "idle"
    return Forecast(level, days, today + timedelta(days=days) if days is not None else None)
