"""The waiting list of a drop: joining when everything has been taken, leaving, declining what was kept."""

from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.database import fetch_one
from liyu.redemption.drops.errors import (
    ListClosedError,
    NotWaitingError,
    StillLeftError,
    TooManyUnitsError,
    UnknownDropError,
)
from liyu.redemption.drops.hand_on import close_entries, give_stock_back, lock_stock
from liyu.redemption.drops.notes import NoteRow, write_notes

MOST_UNITS = 20
"""Units that one member waits for, where the item has no lower limit for an order."""

_DROP = """
    SELECT d.id, d.item_id, d.state, d.ends_at, s.total - s.taken AS "left", i.per_order_limit, i.per_member_limit,
        (SELECT min(w.opens_at) FROM drop_wave w WHERE w.drop_id = d.id) AS opens_at
    FROM drop d JOIN item i ON i.id = d.item_id JOIN item_stock s ON s.item_id = d.item_id WHERE d.number = %s"""

_JOIN = """
    INSERT INTO drop_entry (drop_id, member_id, units, state, joined_at) VALUES (%s, %s, %s, 'waiting', %s)
    ON CONFLICT (drop_id, member_id) WHERE state IN ('waiting', 'offered') DO NOTHING RETURNING id"""

_PLACE = """
    SELECT count(*) FROM drop_entry e WHERE e.drop_id = %(drop)s AND e.state = 'waiting' AND e.id <= (
        SELECT id FROM drop_entry WHERE drop_id = %(drop)s AND member_id = %(member)s AND state = 'waiting')"""


class _ListedDrop(Struct):
    id: int
    item_id: int
    state: str
    ends_at: datetime
    left: int | None
    per_order_limit: int | None
    per_member_limit: int | None
    opens_at: datetime | None

    @property
    def most_units(self) -> int:
        """The most units that one member may wait for."""
        return min(limit for limit in (self.per_order_limit, self.per_member_limit, MOST_UNITS) if limit is not None)


async def join_list(connection: AsyncConnection[Any], number: str, member_id: int, units: int, *, now: datetime) -> int:
    """Put a member at the end of the list, in the caller's transaction; returns the place, from 1.

    Joining twice keeps the first place. Raises UnknownDropError, ListClosedError, TooManyUnitsError, or StillLeftError while
    there is something to be had.
    """
    drop = await _lock(connection, number)
    if drop.state != "announced" or drop.opens_at is None or not drop.opens_at <= now < drop.ends_at:
        raise ListClosedError
    if not 1 <= units <= drop.most_units:
        raise TooManyUnitsError(limit=drop.most_units)
    if drop.left is None or drop.left > 0:
        raise StillLeftError(left=drop.left or "")
    joined = await connection.execute(_JOIN, (drop.id, member_id, units, now))
    place = await read_place(connection, drop.id, member_id)
    if joined.rowcount:
        await write_notes(connection, [NoteRow(drop.id, member_id, "joined", {"place": place}, now)])
    return place


async def leave_list(connection: AsyncConnection[Any], number: str, member_id: int, *, now: datetime) -> None:
    """Give up the place, or decline what is kept, which goes to the next. Raises UnknownDropError or NotWaitingError."""
    drop = await _lock(connection, number)
    found = await connection.execute(
        "SELECT id, state FROM drop_entry WHERE drop_id = %s AND member_id = %s AND state IN ('waiting', 'offered')",
        (drop.id, member_id),
    )
    entry = await found.fetchone()
    if entry is None:
        raise NotWaitingError
    await close_entries(connection, [entry[0]], "left")
    declined = await connection.execute(
        "UPDATE drop_offer SET state = 'declined', decided_at = %s WHERE entry_id = %s AND state = 'open' RETURNING units",
        (now, entry[0]),
    )
    kept = sum(row[0] for row in await declined.fetchall())
    await write_notes(connection, [NoteRow(drop.id, member_id, "declined" if kept else "left", {}, now)])
    if kept:
        await give_stock_back(connection, drop.item_id, kept, now=now)


async def read_place(connection: AsyncConnection[Any], drop_id: int, member_id: int) -> int:
    """The member's place among those who wait, from 1; 0 for who does not."""
    found = await connection.execute(_PLACE, {"drop": drop_id, "member": member_id})
    return int((await found.fetchone() or (0,))[0])


async def _lock(connection: AsyncConnection[Any], number: str) -> _ListedDrop:
    """Lock the stock of the drop's item, then read what the lock protects."""
    found = await (await connection.execute("SELECT item_id FROM drop WHERE number = %s", (number,))).fetchone()
    if found is None:
        raise UnknownDropError
    await lock_stock(connection, found[0])
    drop = await fetch_one(connection, _ListedDrop, _DROP, (number,))
    assert drop is not None
    return drop
