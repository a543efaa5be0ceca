"""A part of an order's cash goes back, and the same share of its points with it (`split.py` states the rule)."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import AsyncConnection

from liyu.core.clock import local_date
from liyu.redemption.cancel import Cancellable, lock_redemption, return_points
from liyu.redemption.errors import NotCancellableError
from liyu.redemption.payments.cash import Received, find_received, note_made_elsewhere, want_back
from liyu.redemption.payments.errors import RefundTooLargeError
from liyu.redemption.payments.split import points_for

REFUNDABLE = ("confirmed", "fulfilling", "completed")
"""States of orders of which a part can be refunded; those given back have nothing left."""


async def refund_part(
    connection: AsyncConnection[Any],
    number: str,
    amount_minor: int,
    *,
    reason: str,
    actor: str,
    now: datetime,
    zone: ZoneInfo,
) -> int:
    """Give a part of the cash back, in the caller's transaction, and the points that belong to it; returns these points.

    The order itself stays as it is. Raises NotFoundError, NotCancellableError (nothing was paid, or all was given back) or
    RefundTooLargeError.
    """
    redemption = await lock_redemption(connection, number, None, zone)
    received = await find_received(connection, redemption.id)
    if received is None or redemption.state not in REFUNDABLE:
        raise NotCancellableError
    if not 0 < amount_minor <= received.left_minor:
        raise RefundTooLargeError(left=received.left_minor)
    already, points = _share(redemption, received, amount_minor)
    refund_id = await want_back(
        connection, received.intent_id, amount_minor, points=points, reason=reason, actor=actor, now=now
    )
    await _return(connection, redemption, already, points, refund_id, actor, now, zone)
    return points


async def note_refunded(
    connection: AsyncConnection[Any], intent_id: str, refunded_minor: int, now: datetime, zone: ZoneInfo
) -> str:
    """The provider tells how much of a payment has gone back in all: what we do not know of was refunded there by hand.

    In a transaction of its own; safe to repeat and in any order, since the figure only grows.
    """
    async with connection.transaction():
        found = await connection.execute(
            "SELECT r.number FROM payment p JOIN redemption r ON r.id = p.redemption_id WHERE p.intent_id = %s AND p.captures",
            (intent_id,),
        )
        row = await found.fetchone()
        if row is None:
            return "foreign"
        redemption = await lock_redemption(connection, row[0], None, zone)
        received = await find_received(connection, redemption.id)
        assert received is not None
        more = min(refunded_minor, received.amount_minor) - received.refunded_minor
        if more <= 0:
            return "known"
        already, points = _share(redemption, received, more)
        refund_id = await note_made_elsewhere(connection, received, redemption.number, more, points, now)
        await _return(connection, redemption, already, points, refund_id, "stripe", now, zone)
    return "refunded"


def _share(redemption: Cancellable, received: Received, amount_minor: int) -> tuple[int, int]:
    """The points that went back before, and those that go back with so much more of the cash."""
    already = points_for(redemption.points, received.amount_minor, received.refunded_minor)
    return already, points_for(
        redemption.points, received.amount_minor, received.refunded_minor + amount_minor
    ) - already


async def _return(
    connection: AsyncConnection[Any],
    redemption: Cancellable,
    already: int,
    points: int,
    refund_id: int,
    actor: str,
    now: datetime,
    zone: ZoneInfo,
) -> None:
    await return_points(
        connection, redemption, actor, now, local_date(now, zone), already=already, wanted=points, refund_id=refund_id
    )
