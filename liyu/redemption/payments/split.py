"""How points and cash are split when a part of the cash goes back, and how long an order waits for its cash."""

from datetime import timedelta

HOLD_TIME = timedelta(minutes=30)
"""For how long points, stock and codes are kept for an order whose cash part is not paid yet."""


def points_for(points: int, cash_minor: int, refunded_minor: int) -> int:
    """The points that have gone back once so much of the cash has: the same share of both, rounded down.

    With the last of the cash the last of the points goes back, whatever the parts were.
    """
    return points * refunded_minor // cash_minor
