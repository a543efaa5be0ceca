"""Entries under their pseudonyms, and the list that is frozen when a draw closes.

An entry is a unit of a redemption of the draw's item. Its code and that of the person behind it are made with the installation's
secret for this draw alone: the member knows theirs from the first moment, and nobody else can tell whose they are.
"""

import hmac
from datetime import datetime
from hashlib import sha256
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.bulk import encode_rows, insert_of
from liyu.core.database import fetch_all
from liyu.core.sealing import derive_key
from liyu.redemption.draws.algorithm import Entries, hash_list
from liyu.redemption.draws.records import Draw, lock_draw, move_draw, read_draw
from liyu.vouchers.alphabet import write_letters

PURPOSE = "draw entries"
_LETTERS = 12
_GROUP = 4
SYSTEM = "system"

TICKETS = """
    coalesce((SELECT (x->>'tickets')::bigint FROM jsonb_array_elements(d.tier_tickets) AS x
        WHERE (x->>'tier_id')::bigint = m.tier_id), 1)"""
"""Tickets of each entry of the member `m` in the draw `d`: those of the tier in which the member is when the list is frozen."""

_ENTERED = f"""
    SELECT r.id AS redemption_id, r.quantity, coalesce(m.person_id, m.id) AS person_id, {TICKETS} AS tickets
    FROM draw d JOIN redemption r ON r.item_id = d.entry_item_id JOIN member m ON m.id = r.member_id
    WHERE d.id = %s AND r.state = 'completed' ORDER BY r.id"""
_FREEZE = """
    UPDATE draw SET state = 'frozen', frozen_at = %s, list_hash = %s, entries = %s, tickets = %s
    WHERE id = %s AND state = 'announced'"""


class Entered(Struct, frozen=True):
    """A redemption that stands for entries: as many as it has units."""

    redemption_id: int
    quantity: int
    person_id: int
    tickets: int


class EntryRow(Struct):
    """A line of the list, with what it stands for."""

    draw_id: int
    code: str
    person: str
    tickets: int
    redemption_id: int
    unit: int


def entry_code(secret_key: str, number: str, redemption_id: int, unit: int) -> str:
    """The pseudonym of one entry in one draw, such as `7BKQ-DKDZ-JZ9F`."""
    return _pseudonym(secret_key, f"{number}:entry:{redemption_id}:{unit}")


def person_code(secret_key: str, number: str, person_id: int) -> str:
    """The pseudonym of a natural person in one draw; it says nothing about other draws."""
    return _pseudonym(secret_key, f"{number}:person:{person_id}")


def rows_of(secret_key: str, draw: Draw, entered: list[Entered]) -> list[EntryRow]:
    """The lines of the list, one for each unit."""
    return [
        EntryRow(
            draw.id,
            entry_code(secret_key, draw.number, one.redemption_id, unit),
            person_code(secret_key, draw.number, one.person_id),
            one.tickets,
            one.redemption_id,
            unit,
        )
        for one in entered
        for unit in range(1, one.quantity + 1)
    ]


async def freeze_list(connection: AsyncConnection[Any], draw_id: int, *, secret_key: str, now: datetime) -> bool:
    """Close a draw whose time to enter is over: freeze its list and publish the hash, in one transaction, once.

    Whoever is still being decided on when the stock is closed is refused by the database, so that no entry is granted that the
    list lacks. The connection is in autocommit. False when there was nothing to do.
    """
    async with connection.transaction():
        draw = await read_draw(connection, draw_id)
        await connection.execute("SELECT FROM item_stock WHERE item_id = %s FOR UPDATE", (draw.item_id,))
        if await lock_draw(connection, draw_id) != "announced" or draw.closes_at is None or now < draw.closes_at:
            return False
        await connection.execute("UPDATE item_stock SET total = taken WHERE item_id = %s", (draw.item_id,))
        rows = rows_of(secret_key, draw, await fetch_all(connection, Entered, _ENTERED, (draw_id,)))
        await connection.execute(insert_of("draw_entry", EntryRow), (encode_rows(rows),))
        listed = [(row.code, row.person, row.tickets) for row in rows]
        tickets = sum(row.tickets for row in rows)
        await connection.execute(_FREEZE, (now, hash_list(listed), len(rows), tickets, draw_id))
        await move_draw(connection, draw_id, "announced", "frozen", reason="time_over", actor=SYSTEM, now=now)
    return True


async def read_list(connection: AsyncConnection[Any], draw_id: int) -> Entries:
    """The frozen list."""
    found = await connection.execute(
        'SELECT code, person, tickets FROM draw_entry WHERE draw_id = %s ORDER BY code COLLATE "C"', (draw_id,)
    )
    return await found.fetchall()


def _pseudonym(secret_key: str, text: str) -> str:
    digest = hmac.digest(derive_key(secret_key, PURPOSE), text.encode(), sha256)
    letters = write_letters(int.from_bytes(digest) >> (8 * len(digest) - 5 * _LETTERS), _LETTERS)
    return "-".join(letters[start : start + _GROUP] for start in range(0, _LETTERS, _GROUP))
