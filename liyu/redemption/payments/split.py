"""How points and cash are split when a part of the cash goes back, and how long an order waits for its cash."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

HOLD_TIME = timedelta(minutes=30)
"""For how long points, stock and codes are kept for an order whose cash part is not paid yet."""


def points_for(points: int, cash_minor: int, refunded_minor: int) -> int:
    """The points that have gone back once so much of the cash has: the same share of both, rounded down.

    With the last of the cash the last of the points goes back, whatever the parts were.
    """
    return points * refunded_minor // cash_minor


class Taken(Struct):
    """What an order took from one lot; subclasses say more about the lot."""

    lot_id: int
    amount: int


AnyTaken = TypeVar("AnyTaken", bound=Taken)


def pick_portion(taken: Sequence[AnyTaken], already: int, wanted: int) -> list[AnyTaken]:
    """Which of the points taken go back: `wanted` of them, after `already` went back before, in the order given.

    Pure, so that the parts together give exactly what was taken from each lot.
    """
    portion: list[AnyTaken] = []
    for one in taken:
        skipped = min(already, one.amount)
        already -= skipped
        amount = min(wanted, one.amount - skipped)
        wanted -= amount
        if amount:
            portion.append(replace(one, amount=amount))
    return portion
