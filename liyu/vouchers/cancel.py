"""Vouchers that go with their cancelled redemption."""

from datetime import datetime
from typing import Any

from psycopg import AsyncConnection

from liyu.vouchers.errors import VouchersNotCancellableError

_CANCEL = """
    WITH unused AS (
        SELECT id, state FROM voucher WHERE redemption_id = %(redemption)s AND uses = 0
            AND coalesce(holder_id, member_id) = member_id
            AND ((state = 'issued' AND %(now)s < expires_at) OR (%(ran_out)s AND state IN ('issued', 'expired')))
        ORDER BY id FOR UPDATE),
    cancelled AS (
        UPDATE voucher v SET state = 'cancelled' FROM unused WHERE v.id = unused.id RETURNING v.id, unused.state)
    INSERT INTO voucher_transition (voucher_id, from_state, to_state, reason, actor, at)
    SELECT id, state, 'cancelled', %(reason)s, %(actor)s, %(now)s FROM cancelled ORDER BY id"""


async def cancel_vouchers(
    connection: AsyncConnection[Any],
    redemption_id: int,
    *,
    reason: str,
    actor: str,
    now: datetime,
    ran_out: bool = False,
) -> int:
    """Cancel all vouchers of a redemption in the caller's transaction, and return how many there were.

    The caller holds the locks of the member's account, which giving takes too, and of the redemption, which verifying takes.

    Raises VouchersNotCancellableError when one of them was used, not counting uses that were taken back, has run out, waits as a
    gift, is another member's by now, or was cancelled alone without its points, which stay spent; with `ran_out` also those go
    that ran out unused.
    """
    values = {"redemption": redemption_id, "reason": reason, "actor": actor, "now": now, "ran_out": ran_out}
    cancelled = await connection.execute(_CANCEL, values)
    to_give_back = await connection.execute(
        "SELECT count(*) FROM voucher WHERE redemption_id = %s AND points_returned IS NULL", (redemption_id,)
    )
    if await to_give_back.fetchone() != (cancelled.rowcount,):
        raise VouchersNotCancellableError
    return cancelled.rowcount
