"""Vouchers whose time is over. One that waits as a gift goes back first, when its gift lapses."""

from datetime import datetime
from typing import Any

from psycopg import AsyncConnection

# A voucher in the hands of a till is left to the next run: its date decides whether it may be used, not this job.
_EXPIRE = """
    WITH due AS (
        SELECT id, state FROM voucher WHERE state IN ('printed', 'issued', 'partly_used') AND expires_at <= %(now)s
        ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED),
    expired AS (
        UPDATE voucher v SET state = 'expired' FROM due WHERE v.id = due.id RETURNING v.id, due.state)
    INSERT INTO voucher_transition (voucher_id, from_state, to_state, reason, actor, at)
    SELECT id, state, 'expired', 'ran_out', 'system', %(now)s FROM expired ORDER BY id"""


async def expire_vouchers(connection: AsyncConnection[Any], now: datetime, *, limit: int = 100_000) -> int:
    """Mark up to `limit` vouchers that ran out by `now` as expired; returns how many. Doing it again is safe."""
    expired = await connection.execute(_EXPIRE, {"now": now, "limit": limit})
    return expired.rowcount
