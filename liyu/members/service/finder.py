"""Finding members, for operators: by what they are called, by their numbers, by tier, state, tag, balance and day of joining."""

from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.database import fetch_all
from liyu.members.profile import parse_phone
from liyu.members.service.terms import FEWEST_DIGITS, is_digits, query_of


class MemberFilter(Struct, frozen=True):
    """Which members operators look for; balances in points, both ends included."""

    text: str = ""
    tier: str | None = None
    state: str | None = None
    tag: str | None = None
    balance_from: int | None = None
    balance_to: int | None = None
    joined_from: datetime | None = None
    joined_before: datetime | None = None


class MemberLine(Struct, frozen=True):
    """A member in a list."""

    id: int
    external_id: str
    card_number: str | None
    name: str | None
    phone: str | None
    state: str
    tier_zh: str
    tier_en: str
    growth: int
    balance: int
    joined_at: datetime


class MemberLines(Struct, frozen=True):
    """One page of members, the newest first; `next` is the id behind which the following page begins."""

    lines: list[MemberLine]
    next: int | None


class TagName(Struct, frozen=True):
    """A tag as it is called."""

    code: str
    name_zh: str
    name_en: str


_TAGS = "SELECT code, name_zh, name_en FROM tag WHERE active ORDER BY code"
_TAGS_OF = """
    SELECT t.code, t.name_zh, t.name_en FROM member_tag m JOIN tag t ON t.id = m.tag_id
    WHERE m.member_id = %s AND t.active ORDER BY m.at, t.id"""

_LINES = """
    SELECT m.id, m.external_id, m.card_number, m.name, m.phone, m.state, t.name_zh AS tier_zh, t.name_en AS tier_en, m.growth,
        a.balance, m.joined_at
    FROM member m JOIN tier t ON t.id = m.tier_id JOIN account a ON a.member_id = m.id AND a.kind = 'member_points'
    WHERE {conditions} ORDER BY m.id DESC LIMIT %(most)s"""

_EXACT = """
    SELECT coalesce(merged_into, id) FROM member WHERE external_id = %(text)s
    UNION SELECT coalesce(merged_into, id) FROM member WHERE card_number = %(text)s
    UNION SELECT coalesce(merged_into, id) FROM member WHERE phone = %(phone)s"""

_PHONE_HAS = """
    (m.phone LIKE %(digits)s OR EXISTS (SELECT FROM member k WHERE k.merged_into = m.id AND k.phone LIKE %(digits)s))"""

_CONDITIONS = {
    "tag": "EXISTS (SELECT FROM member_tag g JOIN tag ON tag.id = g.tag_id WHERE g.member_id = m.id AND tag.code = %(tag)s)",
    "balance_from": "a.balance >= %(balance_from)s",
    "balance_to": "a.balance <= %(balance_to)s",
    "joined_from": "m.joined_at >= %(joined_from)s",
    "joined_before": "m.joined_at < %(joined_before)s",
}


async def list_members(
    connection: AsyncConnection[Any], wanted: MemberFilter, *, after: int | None = None, size: int = 50
) -> MemberLines:
    """One page of the members that the filter leaves: whom a number names exactly stands first, then the newest.

    Those who were merged are found through the one who lives on; by themselves only with the state `merged`.
    """
    text = wanted.text.replace("\0", "").strip()
    values = {name: value for name in _CONDITIONS if (value := getattr(wanted, name)) is not None}
    conditions = [_CONDITIONS[name] for name in values]
    # As constants, so that the planner knows how rare the state and the tier are.
    conditions.append(f"m.state = '{wanted.state}'" if wanted.state else "m.state <> 'merged'")
    if wanted.tier:
        conditions.append(f"m.tier_id = {await _tier_id(connection, wanted.tier)}")
    exact = await _find_exact(connection, text)
    first: list[MemberLine] = []
    if exact and after is None:
        first = await _read(connection, [*conditions, "m.id = ANY(%(exact)s)"], values | {"exact": exact, "most": size})
    if text:
        searched = _conditions_of_text(text)
        if searched is None:
            return MemberLines(first, None)
        conditions += [*searched[0], "m.id <> ALL(%(exact)s)"]
        values |= searched[1] | {"exact": exact}
    if after is not None:
        conditions.append("m.id < %(after)s")
        values["after"] = after
    lines = await _read(connection, conditions, values | {"most": size + 1})
    return MemberLines(first + lines[:size], lines[size - 1].id if len(lines) > size else None)


async def list_tag_names(connection: AsyncConnection[Any], member_id: int | None = None) -> list[TagName]:
    """The tags that are in use, or those of one member."""
    if member_id is None:
        return await fetch_all(connection, TagName, _TAGS)
    return await fetch_all(connection, TagName, _TAGS_OF, (member_id,))


def _conditions_of_text(text: str) -> tuple[list[str], dict[str, Any]] | None:
    query = query_of(text)
    if query is None:
        return None
    conditions = ["m.id IN (SELECT member_id FROM member_terms WHERE terms @@ %(query)s::tsquery)"]
    digits = "".join(character for character in text.removeprefix("+86") if character.isdigit())
    if is_digits(text) and len(digits) > FEWEST_DIGITS:
        conditions.append(_PHONE_HAS)
    return conditions, {"query": query, "digits": f"%{digits}%"}


async def _tier_id(connection: AsyncConnection[Any], code: str) -> int:
    """The id of a tier; 0, which nobody is in, of one that there is not."""
    row = await (await connection.execute("SELECT id FROM tier WHERE code = %s", (code,))).fetchone()
    return int(row[0]) if row else 0


async def _find_exact(connection: AsyncConnection[Any], text: str) -> list[int]:
    if not text:
        return []
    found = await connection.execute(_EXACT, {"text": text, "phone": parse_phone(text)})
    return [row[0] for row in await found.fetchall()]


async def _read(connection: AsyncConnection[Any], conditions: list[str], values: dict[str, Any]) -> list[MemberLine]:
    return await fetch_all(connection, MemberLine, _LINES.format(conditions=" AND ".join(conditions)), values)
