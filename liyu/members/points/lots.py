"""The pure rules of lots: when points lapse, which are spent first, where cancelled points go (docs/rules.md 4)."""

from collections.abc import Iterable
from datetime import date, timedelta

from msgspec import Struct

NEVER = date.max


class OpenLot(Struct, array_like=True):
    """A lot with points in it, as a decision sees it."""

    id: int
    account_id: int
    expires_on: date | None
    remaining: int
    matures_on: date | None = None


class Draw(Struct):
    """Points taken from one lot."""

    lot_id: int
    amount: int


def last_day(policy: str, months: int, earned_on: date) -> date | None:
    """The last day on which points earned on a day can be used; None when they never lapse.

    `year_end`: the end of the year after the year of earning, the customer's rule. `rolling`: so many months later, rounded
    to the month's end. `never`.
    """
    if policy == "never":
        return None
    if policy == "year_end":
        return date(earned_on.year + 1, 12, 31)
    return end_of_month(add_months(earned_on.replace(day=1), months))


def add_months(day: date, months: int) -> date:
    """The first day of the month that lies `months` after the month of `day`."""
    index = day.year * 12 + day.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)


def end_of_month(day: date) -> date:
    """The last day of the month of `day`."""
    return add_months(day, 1) - timedelta(days=1)


def spending_order(lots: Iterable[OpenLot]) -> list[OpenLot]:
    """Earliest expiry first; among equals the older lot first."""
    return sorted(lots, key=lambda lot: (lot.expires_on or NEVER, lot.id))


def usable_points(lots: Iterable[OpenLot], today: date) -> int:
    """Points that can be spent today: those past their last day cannot, even before the nightly job has lapsed them."""
    return sum(lot.remaining for lot in lots if lot.expires_on is None or lot.expires_on >= today)


def draw_points(lots: Iterable[OpenLot], amount: int, today: date | None) -> list[Draw]:
    """Take up to `amount` points in spending order; with `today` given, only from lots that can still be spent.

    The draws sum to less than `amount` when there is not enough; the caller decides what that means.
    """
    spendable = [lot for lot in lots if today is None or lot.expires_on is None or lot.expires_on >= today]
    return draw_in_order(spending_order(spendable), amount)


def draw_in_order(lots: Iterable[OpenLot], amount: int) -> list[Draw]:
    """Take up to `amount` points from lots in the order in which they are given."""
    draws: list[Draw] = []
    for lot in lots:
        if amount <= 0:
            break
        if lot.remaining > 0:
            draws.append(Draw(lot.id, min(lot.remaining, amount)))
            amount -= draws[-1].amount
    return draws
