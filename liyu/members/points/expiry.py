"""The pure rules of expiry: until when lapsed points can be put back, and of which points members are to be told."""

from collections.abc import Iterable
from datetime import date, timedelta

from msgspec import Struct

from liyu.members.account import DatedPoints
from liyu.members.points.lots import last_day
from liyu.members.program import ProgramTerms

LONGEST_EXTENSION_YEARS = 5
PRE_REGISTERED = "pre_registered"
LAST_DAY, INACTIVE = "last_day", "inactive"
"""Why points lapse: their last day is over, or their member has done nothing for too long."""


class MonthLapse(Struct, frozen=True):
    """What lapses in one month: the earliest and the latest last day in it, and the points of all of them."""

    month: date
    first_day: date
    final_day: date
    points: int
    cause: str = LAST_DAY


def last_day_for(terms: ProgramTerms, member_state: str, earned_on: date) -> date | None:
    """The last day of points that a member in this state earns on a day.

    Who is pre-registered collects points whose validity has not begun: they get their last day when the membership does.
    """
    if member_state == PRE_REGISTERED:
        return None
    return last_day(terms.expiry_policy, terms.expiry_months, earned_on)


def put_back_until(last: date, grace_days: int) -> date | None:
    """Until when points with this last day can be put back once they have lapsed; None where the rule is that they stay so."""
    return last + timedelta(days=grace_days) if grace_days > 0 else None


def latest_extension(from_day: date) -> date:
    """The farthest day to which points can be extended: beyond that it is more likely a slip of the finger."""
    return from_day.replace(day=min(from_day.day, 28), year=from_day.year + LONGEST_EXTENSION_YEARS)


def months_to_remind(lots: Iterable[DatedPoints], today: date, days_before: int) -> list[MonthLapse]:
    """The months of which a member is to be told today: those in which a last day is at most `days_before` days ahead.

    The whole month counts, so that one message covers it: a member is told once for each month in which something lapses.
    """
    if days_before <= 0:
        return []
    by_month: dict[date, dict[date, int]] = {}
    for lot in lots:
        if lot.on is not None and lot.on >= today and lot.points > 0:
            days = by_month.setdefault(lot.on.replace(day=1), {})
            days[lot.on] = days.get(lot.on, 0) + lot.points
    return [
        MonthLapse(month, min(days), max(days), sum(days.values()))
        for month, days in sorted(by_month.items())
        if min(days) <= today + timedelta(days=days_before)
    ]
