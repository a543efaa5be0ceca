"""What is seen of tags, badges and segments."""

from collections.abc import AsyncIterator
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct, convert
from psycopg import AsyncConnection
from psycopg.rows import class_row, dict_row

from liyu.core.database import fetch_all
from liyu.members.tags.conditions import IS_MEMBER, Condition, Conditions, compile_conditions
from liyu.members.tags.errors import UnknownSegmentError, UnknownTagError

ROWS_AT_ONCE = 1_000
SHOWN = 20


class TagLine(Struct, frozen=True):
    """A tag with the number of members who have it."""

    code: str
    name_zh: str
    name_en: str
    is_badge: bool
    icon: str
    needs_zh: str
    needs_en: str
    by_rule: bool
    rule: Conditions | None
    active: bool
    evaluated_at: datetime | None
    members: int


class HeldTag(Struct, frozen=True):
    """A tag that a member has, and who gave it."""

    code: str
    name_zh: str
    name_en: str
    is_badge: bool
    icon: str
    by_rule: bool
    actor: str
    at: datetime


class TagChange(Struct, frozen=True):
    """A tag given or taken."""

    name_zh: str
    name_en: str
    given: bool
    reason: str
    actor: str
    at: datetime


class Badge(Struct, frozen=True):
    """A badge as a member sees it: what it needs, and since when it is theirs; None while it is not."""

    code: str
    name_zh: str
    name_en: str
    icon: str
    needs_zh: str
    needs_en: str
    at: datetime | None


class SegmentLine(Struct, frozen=True):
    """A segment."""

    id: int
    name: str
    conditions: Conditions
    made_by: str
    changed_at: datetime


class ExportedMember(Struct, frozen=True):
    """A member as exports and lists of segments show them."""

    external_id: str
    name: str | None
    phone: str | None
    email: str | None
    birthday: date | None
    city: str | None
    tier: str
    tier_zh: str
    tier_en: str
    growth: int
    balance: int
    tags: list[str]
    state: str
    joined_at: datetime


class Audience(Struct, frozen=True):
    """Which members are meant: of a tier, with a tag, in a segment; all of what is given."""

    tier: str | None = None
    tag: str | None = None
    conditions: Conditions | None = None

    def narrowed(self) -> Conditions:
        """Tier and tag as conditions."""
        chosen = [Condition(kind, code) for kind, code in (("tier", self.tier), ("tag", self.tag)) if code]
        return Conditions(chosen)


_TAGS = """
    SELECT g.code, g.name_zh, g.name_en, g.is_badge, g.icon, g.needs_zh, g.needs_en, g.by_rule, g.rule, g.active, g.evaluated_at,
        (SELECT count(*) FROM member_tag h WHERE h.tag_id = g.id) AS members
    FROM tag g WHERE %(code)s::text IS NULL OR g.code = %(code)s ORDER BY g.active DESC, g.is_badge, g.id"""

_HELD = """
    SELECT g.code, g.name_zh, g.name_en, g.is_badge, g.icon, g.by_rule, h.actor, h.at
    FROM member_tag h JOIN tag g ON g.id = h.tag_id WHERE h.member_id = %s ORDER BY g.is_badge, h.at, g.id"""

_CHANGES = """
    SELECT g.name_zh, g.name_en, c.given, c.reason, c.actor, c.at FROM member_tag_change c JOIN tag g ON g.id = c.tag_id
    WHERE c.member_id IN (SELECT id FROM member WHERE id = %(member)s OR merged_into = %(member)s)
    ORDER BY c.id DESC LIMIT %(most)s"""

_BADGES = """
    SELECT g.code, g.name_zh, g.name_en, g.icon, g.needs_zh, g.needs_en, h.at
    FROM tag g LEFT JOIN member_tag h ON h.tag_id = g.id AND h.member_id = %s
    WHERE g.is_badge AND (g.active OR h.at IS NOT NULL) ORDER BY h.at IS NULL, h.at DESC, g.id"""

_MEMBERS = """
    SELECT m.external_id, m.name, m.phone, m.email, m.birthday, m.city, t.code AS tier, t.name_zh AS tier_zh, t.name_en AS tier_en,
        m.growth, a.balance, ARRAY(SELECT g.code FROM member_tag h JOIN tag g ON g.id = h.tag_id WHERE h.member_id = m.id
            ORDER BY g.code) AS tags, m.state, m.joined_at
    FROM {tables} WHERE {predicate} ORDER BY m.id"""


async def list_tags(connection: AsyncConnection[Any], code: str | None = None) -> list[TagLine]:
    """All tags and badges, those in use first."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_TAGS, {"code": code})
        return convert(await cursor.fetchall(), list[TagLine])


async def load_tag(connection: AsyncConnection[Any], code: str) -> TagLine:
    """One tag. Raises UnknownTagError."""
    found = await list_tags(connection, code)
    if not found:
        raise UnknownTagError
    return found[0]


async def tags_of(connection: AsyncConnection[Any], member_id: int) -> list[HeldTag]:
    """The tags that a member has."""
    return await fetch_all(connection, HeldTag, _HELD, (member_id,))


async def tag_changes(connection: AsyncConnection[Any], member_id: int, most: int = 20) -> list[TagChange]:
    """What tags a member got and lost, the newest first."""
    return await fetch_all(connection, TagChange, _CHANGES, {"member": member_id, "most": most})


async def badges_for(connection: AsyncConnection[Any], member_id: int) -> list[Badge]:
    """The badges that there are, a member's own first."""
    return await fetch_all(connection, Badge, _BADGES, (member_id,))


async def list_segments(connection: AsyncConnection[Any]) -> list[SegmentLine]:
    """All segments by name."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute("SELECT id, name, conditions, made_by, changed_at FROM segment ORDER BY name")
        return convert(await cursor.fetchall(), list[SegmentLine])


async def load_segment(connection: AsyncConnection[Any], segment_id: int) -> SegmentLine:
    """One segment. Raises UnknownSegmentError."""
    found = [one for one in await list_segments(connection) if one.id == segment_id]
    if not found:
        raise UnknownSegmentError
    return found[0]


async def count_audience(connection: AsyncConnection[Any], audience: Audience, today: date, zone: ZoneInfo) -> int:
    """How many members are meant."""
    query, values = _ask(audience, today, zone)
    row = await (await connection.execute(f"SELECT count(*) FROM ({query}) AS found", values)).fetchone()
    return int(row[0]) if row else 0


async def first_of_audience(
    connection: AsyncConnection[Any], audience: Audience, today: date, zone: ZoneInfo, most: int = SHOWN
) -> list[ExportedMember]:
    """The first members of those who are meant."""
    query, values = _ask(audience, today, zone)
    return await fetch_all(connection, ExportedMember, f"{query} LIMIT %(most)s", values | {"most": most})


async def iterate_audience(
    connection: AsyncConnection[Any], audience: Audience, today: date, zone: ZoneInfo
) -> AsyncIterator[ExportedMember]:
    """All who are meant, from a cursor on the server: memory does not grow with their number. Needs a transaction."""
    query, values = _ask(audience, today, zone)
    async with connection.cursor("audience", row_factory=class_row(ExportedMember)) as cursor:
        cursor.itersize = ROWS_AT_ONCE
        await cursor.execute(query, values)
        async for member in cursor:
            yield member


def _ask(audience: Audience, today: date, zone: ZoneInfo) -> tuple[str, dict[str, Any]]:
    narrowed = compile_conditions(audience.narrowed(), today, zone)
    chosen = [(narrowed, "n")] if narrowed.values else []
    if audience.conditions is not None:
        chosen.append((compile_conditions(audience.conditions, today, zone), "s"))
    predicate = IS_MEMBER
    values: dict[str, Any] = {}
    tables = chosen[-1][0].tables if chosen else narrowed.tables
    for compiled, mark in chosen:
        predicate += f" AND ({compiled.predicate.replace('%(c', f'%({mark}')})"
        values |= {name.replace("c", mark, 1): value for name, value in compiled.values.items()}
    return _MEMBERS.format(tables=tables, predicate=predicate), values
