"""Handing released units on to those who wait, in their order, with a time limit (docs/algorithms/drops.md).

Whatever gives units back or takes them does so under the lock of the item's stock, so that a released unit is never free while
somebody waits for it.
"""

from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.catalog.notify import STOCK_CHANNEL
from liyu.core.database import fetch_all, fetch_one
from liyu.members.notices import NoticeRow, tell_members
from liyu.redemption.drops.notes import NoteRow, write_notes

_RUNNING = """
    SELECT d.id, d.number, d.item_id, d.ends_at, d.offer_minutes, i.name_zh, i.name_en
    FROM drop d JOIN item i ON i.id = d.item_id
    WHERE d.item_id = %(item)s AND d.state = 'announced' AND d.ends_at > %(now)s"""

# Whoever has redeemed since they joined needs nothing more; whoever is frozen could not take it.
_LINE = """
    SELECT e.id, e.member_id, e.units,
        EXISTS (SELECT FROM redemption r WHERE r.member_id = e.member_id AND r.item_id = %(item)s
            AND r.created_at >= e.joined_at AND r.state NOT IN ('released', 'cancelled', 'refunded')) AS is_served
    FROM drop_entry e JOIN member m ON m.id = e.member_id AND m.state = 'active'
    WHERE e.drop_id = %(drop)s AND e.state = 'waiting' ORDER BY e.id LIMIT %(most)s"""

_MAKE = """
    INSERT INTO drop_offer (drop_id, item_id, member_id, entry_id, units, state, made_at, deadline)
    SELECT %(drop)s, %(item)s, member_id, entry_id, units, 'open', %(now)s, %(deadline)s
    FROM unnest(%(members)s::bigint[], %(entries)s::bigint[], %(units)s::bigint[]) AS o(member_id, entry_id, units)"""

_DUE = """
    UPDATE drop_offer SET state = 'lapsed', decided_at = %(now)s
    WHERE item_id = %(item)s AND state = 'open' AND deadline <= %(now)s RETURNING drop_id, member_id, entry_id, units"""


class RunningDrop(Struct, frozen=True):
    """A drop whose released units are handed on."""

    id: int
    number: str
    item_id: int
    ends_at: datetime
    offer_minutes: int
    name_zh: str
    name_en: str

    @property
    def notice(self) -> dict[str, Any]:
        """What a notice names."""
        return {"item": {"zh": self.name_zh, "en": self.name_en}}


class _Place(Struct):
    id: int
    member_id: int
    units: int
    is_served: bool


async def lock_stock(connection: AsyncConnection[Any], item_id: int) -> None:
    """Take the lock under which units of an item change hands."""
    await connection.execute("SELECT item_id FROM item_stock WHERE item_id = %s FOR UPDATE", (item_id,))


async def give_stock_back(connection: AsyncConnection[Any], item_id: int, units: int, *, now: datetime) -> None:
    """Give units of an item back: to those who wait for them, or else to everybody. The caller holds the stock's lock.

    An item without a running drop costs one look more than a plain update.
    """
    drop = await _find_running(connection, item_id, now)
    handed = await _hand_on(connection, drop, units, now) if drop else 0
    free = units - handed
    if free:
        await connection.execute("UPDATE item_stock SET taken = taken - %s WHERE item_id = %s", (free, item_id))
    await connection.execute("SELECT pg_notify(%s, %s)", (STOCK_CHANNEL, str(item_id)))


async def lapse_offers(connection: AsyncConnection[Any], *, now: datetime) -> int:
    """End what was kept past its deadline and hand it on; returns how many. The connection is in no transaction."""
    found = await connection.execute(
        "SELECT DISTINCT item_id FROM drop_offer WHERE state = 'open' AND deadline <= %s ORDER BY item_id", (now,)
    )
    return sum([await _lapse_of_item(connection, row[0], now) for row in await found.fetchall()])


async def _lapse_of_item(connection: AsyncConnection[Any], item_id: int, now: datetime) -> int:
    async with connection.transaction():
        await lock_stock(connection, item_id)
        found = await (await connection.execute(_DUE, {"item": item_id, "now": now})).fetchall()
        await close_entries(connection, [entry for _, _, entry, _ in found], "lapsed")
        await write_notes(connection, [NoteRow(drop, member, "lapsed", {}, now) for drop, member, _, _ in found])
        drop = await _find_running(connection, item_id, now)
        if drop is not None:
            told = [NoticeRow(member, "drop_lapsed", drop.number, drop.notice, now) for _, member, _, _ in found]
            await tell_members(connection, told)
        units = sum(units for *_, units in found)
        if units:
            await give_stock_back(connection, item_id, units, now=now)
    return len(found)


async def close_entries(connection: AsyncConnection[Any], entry_ids: list[int], state: str) -> None:
    """End places on a list."""
    await connection.execute("UPDATE drop_entry SET state = %s WHERE id = ANY(%s)", (state, entry_ids))


async def _find_running(connection: AsyncConnection[Any], item_id: int, now: datetime) -> RunningDrop | None:
    return await fetch_one(connection, RunningDrop, _RUNNING, {"item": item_id, "now": now})


async def _hand_on(connection: AsyncConnection[Any], drop: RunningDrop, units: int, now: datetime) -> int:
    """Keep as many of these units, which count as taken, as are waited for; returns how many."""
    rest, chosen = units, []
    while rest:
        line = await _read_line(connection, drop, rest)
        served = [place for place in line if place.is_served]
        await close_entries(connection, [place.id for place in served], "served")
        await write_notes(connection, [NoteRow(drop.id, place.member_id, "served", {}, now) for place in served])
        offered = []
        for place in line:
            if rest and not place.is_served:
                place.units = min(place.units, rest)
                rest -= place.units
                offered.append(place)
        await close_entries(connection, [place.id for place in offered], "offered")
        chosen += offered
        if not line:
            break
    await _offer(connection, drop, chosen, now)
    return units - rest


async def _read_line(connection: AsyncConnection[Any], drop: RunningDrop, most: int) -> list[_Place]:
    return await fetch_all(connection, _Place, _LINE, {"drop": drop.id, "item": drop.item_id, "most": most})


async def _offer(connection: AsyncConnection[Any], drop: RunningDrop, chosen: list[_Place], now: datetime) -> None:
    if not chosen:
        return
    deadline = min(now + timedelta(minutes=drop.offer_minutes), drop.ends_at)
    await connection.execute(
        _MAKE,
        {
            "drop": drop.id, "item": drop.item_id, "now": now, "deadline": deadline,
            "members": [place.member_id for place in chosen], "entries": [place.id for place in chosen],
            "units": [place.units for place in chosen],
        },
    )  # fmt: skip
    await write_notes(
        connection,
        [
            NoteRow(drop.id, place.member_id, "offered", {"units": place.units, "deadline": deadline}, now)
            for place in chosen
        ],
    )
    details = drop.notice | {"deadline": deadline.isoformat()}
    await tell_members(
        connection, [NoticeRow(place.member_id, "drop_offered", drop.number, details, now) for place in chosen]
    )
