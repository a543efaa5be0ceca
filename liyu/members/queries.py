"""Members as other programs see them, and as operators look them up."""

from datetime import date, datetime
from typing import Any

import msgspec
from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.rows import class_row, dict_row

from liyu.members.errors import UnknownMemberError
from liyu.members.profile import parse_phone


class LotRest(Struct, frozen=True):
    """Points that lapse at the midnight which ends `expires_on`; None never lapses."""

    expires_on: date | None
    remaining: int


class MemberRecord(Struct, frozen=True):
    """A member as programs see them: `balance` can be spent once it has matured, `pending` not yet, `debt` is owed."""

    external_id: str
    state: str
    tier: str
    balance: int
    pending: int
    debt: int
    lots: list[LotRest]
    """By expiry, over all funders; their sum is the balance."""
    growth: int
    tier_until: date | None
    card_number: str
    name: str | None
    phone: str | None
    email: str | None
    birthday: date | None
    city: str | None
    locale: str | None
    joined_at: datetime


# One statement, so that balance and lots are of the same instant.
_MEMBER = """
    SELECT m.external_id, m.state, t.code AS tier, p.balance, w.balance AS pending, -d.balance AS debt,
        (SELECT coalesce(json_agg(json_build_object('expires_on', l.expires_on, 'remaining', l.remaining)
                ORDER BY l.expires_on NULLS LAST), '[]')
            FROM (SELECT expires_on, sum(remaining)::bigint AS remaining FROM lot
                WHERE account_id = p.id AND remaining > 0 GROUP BY expires_on) AS l) AS lots,
        m.growth, m.tier_until, m.card_number, m.name, m.phone, m.email, m.birthday, m.city, m.locale, m.joined_at
    FROM member m JOIN tier t ON t.id = m.tier_id
    JOIN account p ON p.member_id = m.id AND p.kind = 'member_points'
    JOIN account w ON w.member_id = m.id AND w.kind = 'member_pending'
    JOIN account d ON d.member_id = m.id AND d.kind = 'member_debt'
    WHERE m.external_id = %s"""


async def find_member_id(connection: AsyncConnection[Any], external_id: str) -> int:
    """The id of a member. Raises UnknownMemberError."""
    found = await connection.execute("SELECT id FROM member WHERE external_id = %s", (external_id,))
    row = await found.fetchone()
    if row is None:
        raise UnknownMemberError
    return int(row[0])


async def read_member(connection: AsyncConnection[Any], external_id: str) -> MemberRecord:
    """A member with balances and lots, all of one instant. Raises UnknownMemberError."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_MEMBER, (external_id,))
        row = await cursor.fetchone()
    if row is None:
        raise UnknownMemberError
    return msgspec.convert(row, MemberRecord)


class MemberFilter(Struct, frozen=True):
    """Which members operators look for: a text is an external id, a card, a phone number or part of a name."""

    text: str = ""
    tier: str | None = None
    state: str | None = None


class MemberLine(Struct, frozen=True):
    """A member in a list."""

    id: int
    external_id: str
    name: str | None
    phone: str | None
    state: str
    tier_zh: str
    tier_en: str
    balance: int
    joined_at: datetime


class MemberLines(Struct, frozen=True):
    """One page of members, the newest first; `next` is the id behind which the following page begins."""

    lines: list[MemberLine]
    next: int | None


class MemberStateLine(Struct, frozen=True):
    """One change of a member's state."""

    from_state: str | None
    to_state: str
    reason: str
    actor: str
    at: datetime


_LINES = """
    SELECT m.id, m.external_id, m.name, m.phone, m.state, t.name_zh AS tier_zh, t.name_en AS tier_en, a.balance, m.joined_at
    FROM member m JOIN tier t ON t.id = m.tier_id JOIN account a ON a.member_id = m.id AND a.kind = 'member_points'
    WHERE (%(text)s = '' OR m.external_id = %(text)s OR m.card_number = %(text)s OR m.phone = %(phone)s
            OR strpos(lower(m.name), lower(%(text)s)) > 0)
        AND (%(tier)s::text IS NULL OR t.code = %(tier)s) AND (%(state)s::text IS NULL OR m.state = %(state)s)
        AND (%(after)s::bigint IS NULL OR m.id < %(after)s)
    ORDER BY m.id DESC LIMIT %(most)s"""

_STATES = (
    "SELECT from_state, to_state, reason, actor, at FROM member_state_change WHERE member_id = %s ORDER BY id DESC"
)


async def list_members(
    connection: AsyncConnection[Any], wanted: MemberFilter, *, after: int | None = None, size: int = 50
) -> MemberLines:
    """For operators: one page of the members that the filter leaves."""
    text = wanted.text.replace("\0", "").strip()
    values = {
        "text": text, "phone": parse_phone(text), "tier": wanted.tier, "state": wanted.state, "after": after, "most": size + 1,
    }  # fmt: skip
    async with connection.cursor(row_factory=class_row(MemberLine)) as cursor:
        await cursor.execute(_LINES, values)
        lines = await cursor.fetchall()
    return MemberLines(lines[:size], lines[size - 1].id if len(lines) > size else None)


async def count_members(connection: AsyncConnection[Any]) -> dict[str, int]:
    """For operators: how many members are in each state."""
    found = await connection.execute("SELECT state, count(*) FROM member GROUP BY state")
    return dict(await found.fetchall())


async def list_member_states(connection: AsyncConnection[Any], member_id: int) -> list[MemberStateLine]:
    """The changes of a member's state, the newest first."""
    async with connection.cursor(row_factory=class_row(MemberStateLine)) as cursor:
        await cursor.execute(_STATES, (member_id,))
        return await cursor.fetchall()
