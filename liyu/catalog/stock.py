"""The stock of an item as it is this instant, for those whom the snapshot of a moment ago does not serve."""

from typing import Any

from psycopg import AsyncConnection

from liyu.catalog.views import Stock


async def read_stock(connection: AsyncConnection[Any], item_id: int) -> Stock:
    """The stock that is committed now."""
    found = await connection.execute("SELECT total, taken FROM item_stock WHERE item_id = %s", (item_id,))
    row = await found.fetchone()
    assert row is not None, "every item has its stock"
    return Stock(*row)
