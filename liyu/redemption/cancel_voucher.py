"""Cancelling a single voucher by an operator, with or without its points (docs/algorithms/gifts.md "Cancelling").

Points go back to whoever redeemed it, also when another member holds it: they go into the lots from which they came. A voucher's
part is its share of the order's points, rounded so that all parts make the whole. Cash parts go back with the whole order only.
"""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.clock import local_date
from liyu.core.database import fetch_one
from liyu.core.errors import DomainError, NotFoundError
from liyu.core.i18n import N_
from liyu.members.personal.locking import LEFT, read_record
from liyu.redemption.aftersale.offer import share
from liyu.redemption.cancel import lock_redemption, points_of_units_given_back, return_points
from liyu.redemption.payments.cash import find_received
from liyu.vouchers.office import VoucherMovedOnError


class PointsStayError(DomainError):
    """Its points cannot go back: it was used, cost none, was paid for with cash, too, or nobody is there to have them."""

    code = "points_stay"
    message = N_(
        "The points of this voucher cannot go back: it was used, cost none, has a cash part, or its member has left. "
        "Cancel it without them."
    )


class _Found(Struct):
    number: str | None
    state: str
    uses: int


_FIND = """
    SELECT r.number, v.state, v.uses FROM voucher v LEFT JOIN redemption r ON r.id = v.redemption_id WHERE v.id = %(voucher)s"""
_CLOSE_GIFT = """
    WITH closed AS (
        UPDATE voucher_gift SET state = 'taken_back', decided_at = %(now)s
        WHERE voucher_id = %(voucher)s AND state = 'open' RETURNING voucher_id),
    freed AS (
        UPDATE voucher v SET state = 'issued' FROM closed c WHERE v.id = c.voucher_id AND v.state = 'offered' RETURNING v.id)
    INSERT INTO voucher_transition (voucher_id, from_state, to_state, reason, actor, at)
    SELECT id, 'offered', 'issued', 'gift_taken_back', %(actor)s, %(now)s FROM freed"""
_CANCEL = """
    WITH open AS (
        SELECT id, state FROM voucher WHERE id = %(voucher)s AND state IN ('printed', 'issued', 'partly_used', 'expired')
            AND (uses = 0 OR NOT %(points_back)s) FOR UPDATE),
    cancelled AS (
        UPDATE voucher v SET state = 'cancelled' FROM open WHERE v.id = open.id RETURNING v.id, open.state)
    INSERT INTO voucher_transition (voucher_id, from_state, to_state, reason, actor, at)
    SELECT id, state, 'cancelled', %(reason)s, %(actor)s, %(now)s FROM cancelled"""
_RETURNED = "SELECT count(*) FROM voucher WHERE redemption_id = %s AND points_returned IS NOT NULL"
_NOTE_POINTS = "UPDATE voucher SET points_returned = %(points)s WHERE id = %(voucher)s"


async def cancel_voucher(
    connection: AsyncConnection[Any],
    voucher_id: int,
    *,
    points_back: bool,
    reason: str,
    actor: str,
    now: datetime,
    zone: ZoneInfo,
) -> int:
    """Cancel one voucher in the caller's transaction, and return the points that went back; the order stays as it is.

    A gift on its way with it is taken back first. Raises NotFoundError, VoucherMovedOnError, PointsStayError.
    """
    found = await fetch_one(connection, _Found, _FIND, {"voucher": voucher_id})
    if found is None:
        raise NotFoundError
    redemption = await lock_redemption(connection, found.number, None, zone) if found.number else None
    values = {"voucher": voucher_id, "points_back": points_back, "reason": reason, "actor": actor, "now": now}
    await connection.execute("SELECT FROM voucher WHERE id = %(voucher)s FOR UPDATE", values)
    await connection.execute(_CLOSE_GIFT, values)
    if not (await connection.execute(_CANCEL, values)).rowcount:
        raise PointsStayError if points_back and found.uses else VoucherMovedOnError
    if not points_back:
        return 0
    if redemption is None or not redemption.points or await find_received(connection, redemption.id) is not None:
        raise PointsStayError
    if (await read_record(connection, redemption.member_id)).state in LEFT:
        raise PointsStayError
    already = await points_of_units_given_back(connection, redemption.id)
    (before,) = await (await connection.execute(_RETURNED, (redemption.id,))).fetchone() or (0,)
    part = share(redemption.points, before + 1, redemption.quantity) - share(
        redemption.points, before, redemption.quantity
    )
    points = await return_points(
        connection, redemption, actor, now, local_date(now, zone), already=already, wanted=part,
        refund_id=f"voucher-{voucher_id}",
    )  # fmt: skip
    await connection.execute(_NOTE_POINTS, {"voucher": voucher_id, "points": part})
    return points
