"""The lock under which codes change hands, and the stock that follows the pool."""

from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.catalog.errors import ItemNotFoundError, NotACodeItemError
from liyu.catalog.pools.models import FREE
from liyu.partners.scope import PartnerScope, partner_filter

_FIND = """
    SELECT i.id, i.sku, i.kind, i.name_zh, i.name_en FROM item i
    WHERE i.sku = %(sku)s AND (%(partner)s::bigint IS NULL OR i.partner_id = %(partner)s)"""
_FOLLOW = f"""
    UPDATE item_stock SET total = taken + (
        SELECT count(*) FROM pool_code c WHERE c.item_id = %(item)s AND {FREE})
    WHERE item_id = %(item)s RETURNING total"""


class PoolItem(Struct, frozen=True):
    """An item that hands out codes."""

    id: int
    sku: str
    kind: str
    name_zh: str
    name_en: str


async def find_pool(scope: PartnerScope, connection: AsyncConnection[Any], sku: str) -> PoolItem:
    """The item of a pool. Raises ItemNotFoundError, also for another partner's, or NotACodeItemError for another kind."""
    found = await connection.execute(_FIND, {"sku": sku, "partner": partner_filter(scope)})
    row = await found.fetchone()
    if row is None:
        raise ItemNotFoundError
    item = PoolItem(*row)
    if item.kind != "code":
        raise NotACodeItemError
    return item


async def lock_pool(connection: AsyncConnection[Any], item_id: int) -> None:
    """Lock an item's stock, as the desk does before it gives out a code: until the end of the transaction no code changes hands."""
    await connection.execute("SELECT item_id FROM item_stock WHERE item_id = %s FOR UPDATE", (item_id,))


async def follow_pool(connection: AsyncConnection[Any], item_id: int) -> int:
    """Set the stock to what is taken and what is free, under `lock_pool`; returns the total.

    The lock is a statement of its own: one that waited for it would count what it saw before.
    """
    row = await (await connection.execute(_FOLLOW, {"item": item_id})).fetchone()
    return int((row or (0,))[0])
