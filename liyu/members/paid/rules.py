"""How long a paid membership lasts and what comes back for one that is given back. Pure (docs/algorithms/paid.md)."""

from datetime import date, timedelta

from msgspec import Struct

from liyu.members.points.lots import add_months, end_of_month

ONE_DAY = timedelta(days=1)


class Sold(Struct, frozen=True):
    """What was sold, as far as giving it back is concerned. Days include both ends; money is in minor units."""

    begins_on: date
    ends_on: date
    days: int
    points: int
    paid_minor: int
    bought_on: date
    return_days: int


class GivenBack(Struct, frozen=True):
    """What comes back, and the last day of what was sold from now on."""

    points: int
    minor: int
    ends_on: date


def last_day_of(begins_on: date, months: int) -> date:
    """The last of so many whole months: the day before the same day of the month, or the month's end where it has no such day."""
    month = add_months(begins_on, months)
    same_day = min(begins_on.day, end_of_month(month).day)
    is_short = same_day < begins_on.day
    return month.replace(day=same_day) - (timedelta() if is_short else ONE_DAY)


def days_left(sold: Sold, today: date) -> int:
    """Days that nobody has used yet; today counts as used."""
    return max((sold.ends_on - max(today, sold.begins_on - ONE_DAY)).days, 0)


def give_back(sold: Sold, today: date, *, is_first: bool) -> GivenBack:
    """What comes back today for what has days left.

    Everything within `return_days` of buying, for a member's first one; otherwise the share of the days that are left, rounded
    down. It ends at once.
    """
    whole = is_first and sold.return_days > 0 and (today - sold.bought_on).days <= sold.return_days
    share = sold.days if whole else days_left(sold, today)
    ends_on = max(min(sold.ends_on, today - ONE_DAY), sold.begins_on - ONE_DAY)
    return GivenBack(sold.points * share // sold.days, sold.paid_minor * share // sold.days, ends_on)
