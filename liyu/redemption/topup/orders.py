"""Top-ups that are to be carried out: noted with their order, stopped with it as long as no message has left us."""

from datetime import datetime
from typing import Any

from psycopg import AsyncConnection

from liyu.core.jobs import defer

KIND = "top_up"
JOB = "deliver_top_ups"

# The member's phone is kept as it was when it was ordered, so that every attempt says the same.
_ORDER = """
    INSERT INTO top_up (redemption_id, phone, state, attempts, next_at, ordered_at, changed_at)
    SELECT r.id, m.phone, 'waiting', 0, %(now)s, %(now)s, %(now)s
    FROM redemption r JOIN member m ON m.id = r.member_id WHERE r.id = ANY(%(orders)s) ON CONFLICT DO NOTHING"""

_STOP = """
    UPDATE top_up SET state = 'given_up', next_at = NULL, changed_at = %(now)s
    WHERE redemption_id = %(order)s AND state = 'waiting'"""


async def order_top_ups(connection: AsyncConnection[Any], redemption_ids: list[int], now: datetime) -> None:
    """Order the top-ups of redemptions in the transaction that grants them; a job carries them out after the commit."""
    await connection.execute(_ORDER, {"orders": redemption_ids, "now": now})
    await defer(connection, JOB)


async def stop_top_up(connection: AsyncConnection[Any], redemption_id: int, now: datetime) -> bool:
    """Stop a top-up whose order is given back; false when it may have been carried out. The caller holds the order's lock."""
    await connection.execute(_STOP, {"order": redemption_id, "now": now})
    found = await connection.execute(
        "SELECT 1 FROM top_up WHERE redemption_id = %s AND state <> 'given_up'", (redemption_id,)
    )
    return await found.fetchone() is None
