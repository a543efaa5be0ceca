"""Single changes by operators: an item's state and its stock. The caller writes the audit event."""

from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.errors import RestrictViolation

from liyu.catalog.errors import (
    ItemNotFoundError,
    StateNotReachableError,
    StockBelowTakenError,
    StockOfPoolError,
    TermsAnnouncedError,
)
from liyu.catalog.names import name_state
from liyu.catalog.notify import announce_items
from liyu.catalog.plan import ONE_WRITER_AT_A_TIME
from liyu.catalog.publish import note_versions
from liyu.catalog.states import TRANSITIONS, may_become


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
        followers = await _lead_variants(connection, item_id, wanted, actor=actor, now=now)
        await announce_items(connection, [item_id, *followers])
    return StateChanged(before, wanted)


async def _lead_variants(
    connection: AsyncConnection[Any], item_id: int, wanted: str, *, actor: str, now: datetime
) -> list[int]:
    """Lead an item's variants along, those whose own state allows it; returns their ids."""
    origins = [state for state in TRANSITIONS if state is not None and may_become(state, wanted)]
    found = await connection.execute(
        "SELECT i.id FROM item i JOIN item_stock s ON s.item_id = i.id WHERE i.variant_of = %s AND i.state = ANY(%s) "
        "ORDER BY i.id FOR UPDATE OF s, i",
        (item_id, origins),
    )
    variants = [row[0] for row in await found.fetchall()]
    await connection.execute(
        "WITH was AS (SELECT id, state FROM item WHERE id = ANY(%(ids)s)), "
        "moved AS (UPDATE item SET state = %(wanted)s, changed_at = %(now)s WHERE id = ANY(%(ids)s)) "
        "INSERT INTO item_state_change (item_id, from_state, to_state, reason, actor, at) "
        "SELECT id, state, %(wanted)s, 'follows', %(actor)s, %(now)s FROM was",
        {"ids": variants, "wanted": wanted, "actor": actor, "now": now},
    )
    return variants


async def set_stock(
    connection: AsyncConnection[Any], item_id: int, total: int | None, *, now: datetime, actor: str = "system"
) -> StockChanged:
    """Set how many units were ever offered; None is unlimited.

    Raises ItemNotFoundError, StockOfPoolError for items with a code pool, StockBelowTakenError, and
    TermsAnnouncedError once the list of a draw is frozen.
    """
    async with connection.transaction():
        await connection.execute(ONE_WRITER_AT_A_TIME)
        found = await connection.execute(
            "SELECT total, taken FROM item_stock WHERE item_id = %s FOR UPDATE", (item_id,)
        )
        row = await found.fetchone()
        if row is None:
            raise ItemNotFoundError
        before, taken = row
        await _refuse_pools(connection, item_id)
        try:
            changed = await connection.execute(
                "UPDATE item_stock SET total = %(total)s "
                "WHERE item_id = %(item)s AND (%(total)s::bigint IS NULL OR taken <= %(total)s)",
                {"total": total, "item": item_id},
            )
        except RestrictViolation as refusal:
            raise TermsAnnouncedError from refusal
        if changed.rowcount == 0:
            raise StockBelowTakenError(taken=taken)
        await connection.execute("UPDATE item SET changed_at = %s WHERE id = %s", (now, item_id))
        await note_versions(connection, [item_id], actor=actor, now=now, reason="stock")
        await announce_items(connection, [item_id])
    return StockChanged(before, total)


async def _refuse_pools(connection: AsyncConnection[Any], item_id: int) -> None:
    found = await connection.execute("SELECT kind FROM item WHERE id = %s", (item_id,))
    if await found.fetchone() == ("code",):
        raise StockOfPoolError
