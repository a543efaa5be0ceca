"""Top-ups that are to be carried out: noted with their order, stopped with it as long as no message has left us."""

from datetime import datetime
from typing import Any

from psycopg import AsyncConnection

from liyu.core.errors import DomainError, NotFoundError
from liyu.core.i18n import N_
from liyu.core.jobs import defer

KIND = "top_up"
JOB = "deliver_top_ups"

# The member's phone is kept as it was when it was ordered, so that every attempt says the same.
_ORDER = """
    INSERT INTO top_up (redemption_id, phone, state, attempts, next_at, ordered_at, changed_at)
    SELECT r.id, m.phone, 'waiting', 0, %(now)s, %(now)s, %(now)s
    FROM redemption r JOIN member m ON m.id = r.member_id WHERE r.id = ANY(%(orders)s) ON CONFLICT DO NOTHING"""

# Not while an attempt is under way: one that was noted, or whose worker has had its time, is not.
_RETRY = """
    UPDATE top_up t SET next_at = %(now)s, changed_at = %(now)s
    FROM redemption r JOIN top_up_item x ON x.item_id = r.item_id JOIN top_up_endpoint e ON e.id = x.endpoint_id AND e.active
    WHERE r.number = %(number)s AND t.redemption_id = r.id AND r.state = 'confirmed' AND t.state IN ('waiting', 'unknown')
        AND ((SELECT count(*) FROM top_up_attempt WHERE redemption_id = r.id) >= t.attempts OR t.next_at <= %(now)s)"""

_STOP = """
    UPDATE top_up SET state = 'given_up', next_at = NULL, changed_at = %(now)s
    WHERE redemption_id = %(order)s AND state = 'waiting'"""


class NotRetriableError(DomainError):
    """There is nothing to try again, or somebody is at it."""

    code = "not_retriable"
    message = N_(
        "There is no top-up to try again: it is decided, is being tried right now, or no system carries it out."
    )


async def retry_top_up(connection: AsyncConnection[Any], number: str, now: datetime) -> None:
    """Try the top-up of an order again at once, in the caller's transaction; the message has the same id, so it is credited once.

    Raises NotFoundError or NotRetriableError.
    """
    if await (await connection.execute("SELECT FROM redemption WHERE number = %s", (number,))).fetchone() is None:
        raise NotFoundError
    if not (await connection.execute(_RETRY, {"number": number, "now": now})).rowcount:
        raise NotRetriableError
    await defer(connection, JOB)


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
