"""Draws as members, operators and anybody who checks the result read them."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.database import fetch_all
from liyu.core.errors import NotFoundError
from liyu.redemption.draws.algorithm import Entries, commitment_to, draw_order, hash_list
from liyu.redemption.draws.entries import TICKETS, entry_code, read_list
from liyu.redemption.draws.records import Draw, find_draw, find_draws

MOST_SHOWN = 100

Row = TypeVar("Row")


class SoFar(Struct, frozen=True):
    """How much was entered until now, or in all once the list is frozen."""

    entries: int
    tickets: int
    persons: int


class PlaceView(Struct, frozen=True):
    """A place in the drawn order; the prize where there is one."""

    place: int
    code: str
    state: str
    prize_zh: str | None
    prize_en: str | None
    offered_until: datetime | None


class OwnPlace(Struct, frozen=True):
    """The place of a person, and what came of it; the redemption is the prize."""

    place: int
    code: str
    state: str
    prize_zh: str | None
    prize_en: str | None
    offered_until: datetime | None
    member_id: int
    redemption: str | None
    kind: str | None
    """Of the prize."""
    ships_not_to: list[str] | None


class OwnEntries(Struct, frozen=True):
    """One redemption that stands for entries."""

    number: str
    member_id: int
    state: str
    points: int
    tickets: int
    created_at: datetime
    codes: list[str]


class OwnPart(Struct, frozen=True):
    """What a member has to do with a draw."""

    entries: list[OwnEntries]
    place: OwnPlace | None

    @property
    def tickets(self) -> int:
        """Tickets of all entries that count."""
        return sum(one.tickets * len(one.codes) for one in self.entries)


class Step(Struct, frozen=True):
    """A change of a draw's state."""

    to_state: str
    reason: str
    actor: str
    at: datetime


class PlaceStep(Struct, frozen=True):
    """A change of a place."""

    to_state: str
    reason: str
    at: datetime


class Check(Struct, frozen=True):
    """What recomputing a draw gives."""

    seed_fits: bool
    list_fits: bool
    order_fits: bool


_SO_FAR = f"""
    SELECT coalesce(sum(r.quantity), 0)::bigint AS entries, coalesce(sum(r.quantity * {TICKETS}), 0)::bigint AS tickets,
        count(DISTINCT coalesce(m.person_id, m.id)) AS persons
    FROM draw d JOIN redemption r ON r.item_id = d.entry_item_id AND r.state = 'completed' JOIN member m ON m.id = r.member_id
    WHERE d.id = %s"""
_LISTED = """
    SELECT count(*) AS entries, coalesce(sum(tickets), 0)::bigint AS tickets, count(DISTINCT person) AS persons
    FROM draw_entry WHERE draw_id = %s"""
_PLACES = """
    SELECT p.place, p.code, p.state, i.name_zh AS prize_zh, i.name_en AS prize_en, p.offered_until
    FROM draw_place p LEFT JOIN draw_prize z ON z.id = p.prize_id LEFT JOIN item i ON i.id = z.item_id
    WHERE p.draw_id = %s ORDER BY p.place LIMIT %s"""
_OWN_ENTRIES = f"""
    SELECT r.id, r.number, r.member_id, r.state, r.points, r.quantity, r.created_at, coalesce(e.tickets, {TICKETS}) AS tickets
    FROM draw d JOIN redemption r ON r.item_id = d.entry_item_id JOIN member m ON m.id = r.member_id
    LEFT JOIN draw_entry e ON e.redemption_id = r.id AND e.unit = 1
    WHERE d.id = %(draw)s AND r.member_id = %(member)s AND r.state IN ('completed', 'refunded') ORDER BY r.id"""
_OWN_PLACE = """
    SELECT p.place, p.code, p.state, i.name_zh AS prize_zh, i.name_en AS prize_en, p.offered_until, b.member_id,
        w.number AS redemption, i.kind, i.ships_not_to
    FROM redemption r JOIN draw_entry e ON e.redemption_id = r.id
    JOIN draw_entry s ON s.draw_id = e.draw_id AND s.person = e.person
    JOIN draw_place p ON p.draw_id = s.draw_id AND p.code = s.code
    JOIN redemption b ON b.id = s.redemption_id LEFT JOIN redemption w ON w.id = p.redemption_id
    LEFT JOIN draw_prize z ON z.id = p.prize_id LEFT JOIN item i ON i.id = z.item_id
    WHERE e.draw_id = %(draw)s AND r.member_id = %(member)s AND r.item_id = %(item)s LIMIT 1"""


async def find_published(connection: AsyncConnection[Any], number: str) -> Draw:
    """A draw that is announced. Raises NotFoundError."""
    draw = await find_draw(connection, number)
    if draw.state == "draft":
        raise NotFoundError
    return draw


async def find_published_of(connection: AsyncConnection[Any], sku: str) -> Draw | None:
    """The announced draw whose entries an item stands for."""
    found = await find_draws(connection, "WHERE i.sku = %s AND d.state <> 'draft'", (sku,))
    return found[0] if found else None


async def list_published(connection: AsyncConnection[Any]) -> list[Draw]:
    """What is announced, what is over last; the latest results at the end."""
    return await find_draws(
        connection,
        "WHERE d.state <> 'draft' ORDER BY d.state IN ('finished', 'called_off', 'decided'), "
        "CASE WHEN d.state IN ('announced', 'frozen') THEN d.draws_at END, d.draws_at DESC LIMIT %s",
        (MOST_SHOWN,),
    )


async def list_all(connection: AsyncConnection[Any]) -> list[Draw]:
    """For operators: every draw, the newest first."""
    return await find_draws(connection, "ORDER BY d.id DESC LIMIT %s", (MOST_SHOWN,))


async def count_so_far(connection: AsyncConnection[Any], draw: Draw) -> SoFar:
    """Entries, tickets and people; those of the list where it is frozen."""
    return (await _rows(connection, SoFar, _LISTED if draw.has_list else _SO_FAR, (draw.id,)))[0]


async def list_places(connection: AsyncConnection[Any], draw_id: int, most: int = MOST_SHOWN) -> list[PlaceView]:
    """The drawn order from its beginning."""
    return await _rows(connection, PlaceView, _PLACES, (draw_id, most))


async def load_own_part(connection: AsyncConnection[Any], draw: Draw, member_id: int, *, secret_key: str) -> OwnPart:
    """A member's entries with their codes, and the place of the person."""
    values = {"draw": draw.id, "member": member_id, "item": draw.item_id}
    entries = [
        OwnEntries(
            number, member, state, points, tickets, at,
            [entry_code(secret_key, draw.number, redemption, unit) for unit in range(1, quantity + 1)],
        )
        for redemption, number, member, state, points, quantity, at, tickets
        in await (await connection.execute(_OWN_ENTRIES, values)).fetchall()
    ]  # fmt: skip
    places = await _rows(connection, OwnPlace, _OWN_PLACE, values)
    return OwnPart(entries, places[0] if places else None)


async def list_steps(connection: AsyncConnection[Any], draw_id: int) -> list[Step]:
    """How a draw came to its state, the newest step first."""
    query = "SELECT to_state, reason, actor, at FROM draw_transition WHERE draw_id = %s ORDER BY id DESC"
    return await _rows(connection, Step, query, (draw_id,))


async def list_place_steps(connection: AsyncConnection[Any], draw_id: int, place: int) -> list[PlaceStep]:
    """What happened to a place, the newest step first: why its person got something, or did not."""
    query = "SELECT to_state, reason, at FROM draw_place_change WHERE draw_id = %s AND place = %s ORDER BY id DESC"
    return await _rows(connection, PlaceStep, query, (draw_id, place))


async def check_draw(connection: AsyncConnection[Any], draw: Draw) -> tuple[Check, Entries]:
    """Recompute a decided draw from what is published, and hold the stored order against it."""
    assert draw.seed is not None
    entries = await read_list(connection, draw.id)
    found = await connection.execute("SELECT code FROM draw_place WHERE draw_id = %s ORDER BY place", (draw.id,))
    stored = [code for (code,) in await found.fetchall()]
    order = await asyncio.to_thread(draw_order, draw.seed, entries)
    return Check(
        commitment_to(draw.seed) == draw.commitment, hash_list(entries) == draw.list_hash, order == stored
    ), entries


async def _rows(
    connection: AsyncConnection[Any], row: type[Row], query: str, values: Sequence[Any] | dict[str, Any]
) -> list[Row]:
    return await fetch_all(connection, row, query, values)
