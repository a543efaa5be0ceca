"""Single changes by operators: an item's state and its stock. The caller writes the audit event."""

from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.catalog.errors import ItemNotFoundError, StateNotReachableError, StockBelowTakenError, StockOfPoolError
from liyu.catalog.names import name_state
from liyu.catalog.notify import announce_items
from liyu.catalog.states import may_become


class StateChanged(Struct, frozen=True):
    """An item's state before and after."""

    before: str
    after: str


class StockChanged(Struct, frozen=True):
    """An item's total stock before and after; None is unlimited."""

    before: int | None
    after: int | None


async def set_state(
    connection: AsyncConnection[Any], item_id: int, wanted: str, *, actor: str, reason: str, now: datetime
) -> StateChanged:
    """Move an item to another state and record the change. Raises ItemNotFoundError or StateNotReachableError."""
    async with connection.transaction():
        # The desk locks the stock while it settles: after this the item's redemptions see the new state.
        found = await connection.execute("SELECT FROM item_stock WHERE item_id = %s FOR UPDATE", (item_id,))
        if found.rowcount == 0:
            raise ItemNotFoundError
        found = await connection.execute("SELECT state FROM item WHERE id = %s FOR UPDATE", (item_id,))
        before = (await found.fetchone() or ("",))[0]
        if not may_become(before, wanted):
            raise StateNotReachableError(state=name_state(before), wanted=name_state(wanted))
        await connection.execute("UPDATE item SET state = %s, changed_at = %s WHERE id = %s", (wanted, now, item_id))
        await connection.execute(
            "INSERT INTO item_state_change (item_id, from_state, to_state, reason, actor, at) "
            "VALUES (%s, %s, %s, %s, %s, %s)",
            (item_id, before, wanted, reason, actor, now),
        )
        await announce_items(connection, [item_id])
    return StateChanged(before, wanted)


async def set_stock(
    connection: AsyncConnection[Any], item_id: int, total: int | None, *, now: datetime
) -> StockChanged:
    """Set how many units were ever offered; None is unlimited.

    Raises ItemNotFoundError, StockOfPoolError for items with a code pool, and StockBelowTakenError.
    """
    async with connection.transaction():
        found = await connection.execute(
            "SELECT total, taken FROM item_stock WHERE item_id = %s FOR UPDATE", (item_id,)
        )
        row = await found.fetchone()
        if row is None:
            raise ItemNotFoundError
        before, taken = row
        await _refuse_pools(connection, item_id)
        changed = await connection.execute(
            "UPDATE item_stock SET total = %(total)s "
            "WHERE item_id = %(item)s AND (%(total)s::bigint IS NULL OR taken <= %(total)s)",
            {"total": total, "item": item_id},
        )
        if changed.rowcount == 0:
            raise StockBelowTakenError(taken=taken)
        await connection.execute("UPDATE item SET changed_at = %s WHERE id = %s", (now, item_id))
        await announce_items(connection, [item_id])
    return StockChanged(before, total)


async def _refuse_pools(connection: AsyncConnection[Any], item_id: int) -> None:
    found = await connection.execute("SELECT kind FROM item WHERE id = %s", (item_id,))
    if await found.fetchone() == ("code",):
        raise StockOfPoolError
