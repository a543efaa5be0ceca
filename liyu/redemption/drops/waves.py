"""Opening the later waves of drops: their units join the stock at their instant, once, whoever is first to see it."""

from datetime import datetime
from typing import Any

from psycopg import AsyncConnection

from liyu.catalog.notify import STOCK_CHANNEL
from liyu.redemption.drops.hand_on import lock_stock

_DUE = """
    SELECT w.id, d.item_id FROM drop_wave w JOIN drop d ON d.id = w.drop_id
    WHERE w.stocked_at IS NULL AND w.opens_at <= %s AND d.state = 'announced' AND d.ends_at > %s
    ORDER BY d.item_id, w.opens_at"""

_STOCK = """
    WITH opened AS (
        UPDATE drop_wave w SET stocked_at = %(now)s FROM drop d
        WHERE w.id = %(wave)s AND w.stocked_at IS NULL AND d.id = w.drop_id AND d.state = 'announced' RETURNING w.units, d.item_id)
    UPDATE item_stock s SET total = s.total + o.units FROM opened o WHERE s.item_id = o.item_id
    RETURNING pg_notify(%(channel)s, s.item_id::text)"""


async def open_due_waves(connection: AsyncConnection[Any], *, now: datetime) -> int:
    """Put the units of waves whose instant has come into stock; returns how many waves. The connection is in no transaction.

    Any number of processes may try at once: the stock's lock and `stocked_at` let each wave join once.
    """
    opened = 0
    for wave_id, item_id in await (await connection.execute(_DUE, (now, now))).fetchall():
        async with connection.transaction():
            await lock_stock(connection, item_id)
            done = await connection.execute(_STOCK, {"wave": wave_id, "now": now, "channel": STOCK_CHANNEL})
            opened += done.rowcount
    return opened
