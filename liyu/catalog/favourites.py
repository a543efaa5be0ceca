"""Favourites 收藏 and what was looked at last: marked by members, watched by a job that tells them when one comes within reach."""

from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.catalog.errors import TooManyFavouritesError
from liyu.core.database import fetch_all, fetch_one
from liyu.members.notices import NoticeRow, tell_members

MOST_FAVOURITES = 200
MOST_SEEN = 12

AVAILABLE, AFFORDABLE = "item_available", "item_affordable"

# What can be said of an item for everybody, and of the member's points and tier; the desk knows the other conditions.
_STANDING = """
    JOIN item i ON i.id = {item} JOIN item_stock s ON s.item_id = i.id
    JOIN member m ON m.id = {member} JOIN tier own ON own.id = m.tier_id
    JOIN account a ON a.member_id = m.id AND a.kind = 'member_points'
    LEFT JOIN tier needed ON needed.id = i.tier_id LEFT JOIN partner p ON p.id = i.partner_id
    CROSS JOIN LATERAL (SELECT coalesce((
        SELECT (price->>'points')::bigint FROM jsonb_array_elements(i.tier_points) AS price
        JOIN tier t ON t.id = (price->>'tier_id')::bigint WHERE t.rank <= own.rank ORDER BY t.rank DESC LIMIT 1),
        i.points) AS points) AS price
    CROSS JOIN LATERAL (SELECT
        i.state = 'live' AND coalesce(p.state = 'active', true) AND coalesce(i.on_sale_from <= %(now)s, true)
            AND coalesce(i.on_sale_to > %(now)s, true) AND coalesce(s.taken < s.total, true) AS is_available,
        m.state = 'active' AND a.balance >= price.points AND own.rank >= coalesce(needed.rank, own.rank) AS is_affordable
    ) AS standing"""

_MARK = f"""
    INSERT INTO favourite (member_id, item_id, at, is_available, is_affordable)
    SELECT m.id, i.id, %(now)s, standing.is_available, standing.is_affordable
    FROM (SELECT 1) AS one {_STANDING.format(item="%(item)s", member="%(member)s")}
    WHERE (SELECT count(*) FROM favourite WHERE member_id = %(member)s) < %(most)s
    ON CONFLICT (member_id, item_id) DO NOTHING"""
_IS_MARKED = "SELECT EXISTS (SELECT FROM favourite WHERE member_id = %(member)s AND item_id = %(item)s)"
_UNMARK = "DELETE FROM favourite WHERE member_id = %(member)s AND item_id = %(item)s"

_LOOK_AT = """
    WITH noted AS (
        INSERT INTO item_seen (member_id, item_id, at) VALUES (%(member)s, %(item)s, %(now)s)
        ON CONFLICT (member_id, item_id) DO UPDATE SET at = excluded.at),
    others AS (SELECT item_id, at FROM item_seen WHERE member_id = %(member)s AND item_id <> %(item)s),
    forgotten AS (
        DELETE FROM item_seen WHERE member_id = %(member)s
            AND item_id IN (SELECT item_id FROM others ORDER BY at DESC, item_id OFFSET %(most)s - 1))
    SELECT EXISTS (SELECT FROM favourite WHERE member_id = %(member)s AND item_id = %(item)s) AS is_favourite,
        ARRAY(SELECT item_id FROM others ORDER BY at DESC, item_id LIMIT %(most)s - 1) AS seen"""
_KEPT = """
    SELECT ARRAY(SELECT item_id FROM favourite WHERE member_id = %(member)s ORDER BY at DESC, item_id) AS favourites,
        ARRAY(SELECT item_id FROM item_seen WHERE member_id = %(member)s ORDER BY at DESC, item_id) AS seen"""

_CHANGED = f"""
    SELECT f.member_id, f.item_id, i.sku, i.name_zh, i.name_en, price.points, f.is_available AS was_available,
        f.is_affordable AS was_affordable, standing.is_available, standing.is_affordable
    FROM favourite f {_STANDING.format(item="f.item_id", member="f.member_id")}
    WHERE (f.is_available, f.is_affordable) IS DISTINCT FROM (standing.is_available, standing.is_affordable)
    ORDER BY f.member_id, f.item_id LIMIT %(most)s FOR UPDATE OF f SKIP LOCKED"""
_NOTE = """
    UPDATE favourite f SET is_available = r.is_available, is_affordable = r.is_affordable
    FROM unnest(%s::bigint[], %s::bigint[], %s::boolean[], %s::boolean[])
        AS r(member_id, item_id, is_available, is_affordable)
    WHERE f.member_id = r.member_id AND f.item_id = r.item_id"""
PORTION = 1_000

_MOVE = """
    WITH gone AS (DELETE FROM {table} WHERE member_id = %(source)s RETURNING {columns})
    INSERT INTO {table} (member_id, {columns}) SELECT %(target)s, {columns} FROM gone ON CONFLICT DO NOTHING"""


class Glance(Struct, frozen=True):
    """What an item's page knows of its reader: whether it is a favourite, and which other items they looked at last."""

    is_favourite: bool
    seen: list[int]


class Kept(Struct, frozen=True):
    """The items that a member keeps an eye on, the latest first."""

    favourites: list[int]
    seen: list[int]


class _Change(Struct, frozen=True):
    member_id: int
    item_id: int
    sku: str
    name_zh: str
    name_en: str
    points: int
    was_available: bool
    was_affordable: bool
    is_available: bool
    is_affordable: bool

    @property
    def topic(self) -> str | None:
        """What is worth telling; that it has gone is not."""
        if not self.is_available:
            return None
        if not self.was_available:
            return AVAILABLE
        return AFFORDABLE if self.is_affordable and not self.was_affordable else None


async def mark_favourite(connection: AsyncConnection[Any], member_id: int, item_id: int, *, now: datetime) -> None:
    """Keep an eye on an item; doing it again changes nothing. Raises TooManyFavouritesError."""
    values = {"member": member_id, "item": item_id, "now": now, "most": MOST_FAVOURITES}
    marked = (await connection.execute(_MARK, values)).rowcount
    (is_marked,) = await (await connection.execute(_IS_MARKED, values)).fetchone() or (False,)
    if not marked and not is_marked:
        raise TooManyFavouritesError(most=MOST_FAVOURITES)


async def unmark_favourite(connection: AsyncConnection[Any], member_id: int, item_id: int) -> None:
    """Let go of a favourite."""
    await connection.execute(_UNMARK, {"member": member_id, "item": item_id})


async def look_at_item(connection: AsyncConnection[Any], member_id: int, item_id: int, *, now: datetime) -> Glance:
    """Note that the member looks at an item, forget all but the latest ones, and tell what its page wants to know."""
    values = {"member": member_id, "item": item_id, "now": now, "most": MOST_SEEN}
    glance = await fetch_one(connection, Glance, _LOOK_AT, values)
    assert glance is not None
    return glance


async def load_kept(connection: AsyncConnection[Any], member_id: int) -> Kept:
    """The member's favourites and what they looked at last, by item id."""
    kept = await fetch_one(connection, Kept, _KEPT, {"member": member_id})
    assert kept is not None
    return kept


async def watch_favourites(connection: AsyncConnection[Any], *, now: datetime) -> int:
    """Tell members whose favourite has come within reach since the last look; how many notices were written.

    The connection is in autocommit. Each portion is a transaction: what was told is noted with it, so nothing is told twice.
    """
    told = 0
    while True:
        async with connection.transaction():
            found = await _take_changes(connection, now)
            told += await tell_members(connection, [_word(one, topic, now) for one in found if (topic := one.topic)])
        if len(found) < PORTION:
            return told


async def _take_changes(connection: AsyncConnection[Any], now: datetime) -> list[_Change]:
    found = await fetch_all(connection, _Change, _CHANGED, {"now": now, "most": PORTION})
    columns = ("member_id", "item_id", "is_available", "is_affordable")
    await connection.execute(_NOTE, [[getattr(one, name) for one in found] for name in columns])
    return found


def _word(change: _Change, topic: str, now: datetime) -> NoticeRow:
    details = {"item": {"zh": change.name_zh, "en": change.name_en}, "points": change.points}
    return NoticeRow(change.member_id, topic, change.sku, details, now)


async def move_favourites(connection: AsyncConnection[Any], *, source: int, target: int) -> None:
    """Give one member's favourites and what they looked at to another: a part of merging."""
    values = {"source": source, "target": target}
    await connection.execute(
        _MOVE.format(table="favourite", columns="item_id, at, is_available, is_affordable"), values
    )
    await connection.execute(_MOVE.format(table="item_seen", columns="item_id, at"), values)
