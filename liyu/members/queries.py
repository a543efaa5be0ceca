"""Members as other programs see them, and as operators look them up."""

from datetime import date, datetime
from typing import Any

import msgspec
from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from liyu.members.errors import UnknownMemberError
from liyu.members.leads import follow


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
    card_number: str | None
    """None while a lost card is not replaced yet."""
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
                WHERE account_id = p.id AND is_open GROUP BY expires_on) AS l) AS lots,
        m.growth, CASE WHEN m.tier_earned_id <> m.tier_id THEN m.tier_paid_until ELSE m.tier_until END AS tier_until,
        m.card_number, m.name, m.phone, m.email, m.birthday, m.city, m.locale, m.joined_at
    FROM member k JOIN member m ON m.id = coalesce(k.merged_into, k.id) JOIN tier t ON t.id = m.tier_id
    JOIN account p ON p.member_id = m.id AND p.kind = 'member_points'
    JOIN account w ON w.member_id = m.id AND w.kind = 'member_pending'
    JOIN account d ON d.member_id = m.id AND d.kind = 'member_debt'
    WHERE k.external_id = %s"""


async def find_member_id(connection: AsyncConnection[Any], external_id: str) -> int:
    """The id of a member; an external id of somebody merged is that of who lives on. Raises UnknownMemberError."""
    return (await follow(connection, external_id))[1]


async def read_member(connection: AsyncConnection[Any], external_id: str) -> MemberRecord:
    """A member with balances and lots, all of one instant; of somebody merged, who lives on. Raises UnknownMemberError."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_MEMBER, (external_id,))
        row = await cursor.fetchone()
    if row is None:
        raise UnknownMemberError
    return msgspec.convert(row, MemberRecord)
