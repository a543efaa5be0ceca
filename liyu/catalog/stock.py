"""The stock of an item as it is this instant, for those whom the snapshot of a moment ago does not serve."""

from typing import Any

from psycopg import AsyncConnection

from liyu.catalog.notify import STOCK_CHANNEL
from liyu.catalog.views import Stock

_TAKE = """
    WITH moved AS (
        UPDATE item_stock SET taken = taken + %(units)s
        WHERE item_id = %(item)s AND (total IS NULL OR taken + %(units)s <= total) RETURNING item_id)
    SELECT pg_notify(%(channel)s, item_id::text) FROM moved"""


async def read_stock(connection: AsyncConnection[Any], item_id: int) -> Stock:
    """The stock that is committed now."""
    found = await connection.execute("SELECT total, taken FROM item_stock WHERE item_id = %s", (item_id,))
    row = await found.fetchone()
    assert row is not None, "every item has its stock"
    return Stock(*row)


async def take_stock(connection: AsyncConnection[Any], item_id: int, units: int) -> bool:
    """Take units for something else than redemptions, in the caller's transaction; False, and nothing is taken, when it has fewer.

    Fewer than none gives units back. The stock's row stays locked (docs/algorithms/desk.md "Lock order").
    """
    values = {"item": item_id, "units": units, "channel": STOCK_CHANNEL}
    return (await connection.execute(_TAKE, values)).rowcount == 1
