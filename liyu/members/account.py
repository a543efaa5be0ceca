"""What members see of their own account: points with their last days, pending points, debt, tier and the way to the next one."""

from datetime import date, datetime
from typing import Any

from msgspec import Struct, convert
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from liyu.core.errors import NotFoundError
from liyu.members.tiers.rights import TierRight


class DatedPoints(Struct, frozen=True):
    """Points of one account with the same day: the last one on which they can be used, or the first. None has no such day."""

    on: date | None
    points: int


class MemberAccount(Struct):
    """A member's account. Points are points; `debt` is positive."""

    member_id: int
    external_id: str
    name: str | None
    phone: str | None
    card_number: str | None
    """None while a lost card is not replaced yet."""
    state: str
    growth: int
    joined_at: datetime
    tier_until: date | None
    """Last day of the tier, be it earned or bought; None without an end."""
    tier_rank: int
    tier_zh: str
    tier_en: str
    next_zh: str | None
    next_en: str | None
    next_threshold: int | None
    pending: int
    debt: int
    lots: list[DatedPoints]
    """Usable points, those that lapse first in front; equal days are one entry."""
    maturing: list[DatedPoints]
    """Pending points by the day from which they can be used."""
    city: str | None
    tag_ids: list[int]
    is_paid: bool
    """Whether the tier is one that was bought."""

    @property
    def balance(self) -> int:
        """Points that can be spent today."""
        return sum(lot.points for lot in self.lots)


_LOTS = """(
    SELECT coalesce(json_agg(json_build_object('on', day, 'points', points) ORDER BY day NULLS LAST), '[]')
    FROM (SELECT {day} AS day, sum(remaining)::bigint AS points FROM lot
        WHERE account_id = {account} AND is_open AND {condition} GROUP BY 1) AS days)"""

_OF_MEMBER = f"""
    SELECT m.id AS member_id, m.external_id, m.name, m.phone, m.card_number, m.state, m.growth, m.joined_at,
        CASE WHEN m.tier_earned_id <> m.tier_id THEN m.tier_paid_until ELSE m.tier_until END AS tier_until,
        t.rank AS tier_rank, t.name_zh AS tier_zh, t.name_en AS tier_en,
        n.name_zh AS next_zh, n.name_en AS next_en, n.threshold AS next_threshold,
        w.balance AS pending, -d.balance AS debt,
        {_LOTS.format(day="expires_on", account="p.id", condition="(expires_on IS NULL OR expires_on >= %(today)s)")} AS lots,
        {_LOTS.format(day="matures_on", account="w.id", condition="true")} AS maturing,
        m.city, ARRAY(SELECT g.tag_id FROM member_tag g WHERE g.member_id = m.id) AS tag_ids,
        coalesce(m.tier_earned_id <> m.tier_id, false) AS is_paid
    FROM member m JOIN tier t ON t.id = m.tier_id
    LEFT JOIN tier n ON n.rank = (SELECT min(rank) FROM tier WHERE rank > t.rank)
    JOIN account p ON p.member_id = m.id AND p.kind = 'member_points'
    JOIN account w ON w.member_id = m.id AND w.kind = 'member_pending'
    JOIN account d ON d.member_id = m.id AND d.kind = 'member_debt'
    WHERE m.id = """
_ACCOUNT = f"{_OF_MEMBER} %(member)s"


async def load_account(connection: AsyncConnection[Any], member_id: int, today: date) -> MemberAccount:
    """The account of one member in one query; points past their last day are left out. Raises NotFoundError."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_ACCOUNT, {"member": member_id, "today": today})
        row = await cursor.fetchone()
    if row is None:
        raise NotFoundError
    return convert(row, MemberAccount)


def query_account(member: str) -> str:
    """The query of one member's account, to be part of a larger one: a row whose columns are the fields of MemberAccount.

    `member` is the column with the member's id, of a table called `s`: this query has names of its own, which hide others.
    The day of the parameter `today` tells which points have lapsed.
    """
    return f"{_OF_MEMBER} {member}"


class TierStanding(Struct, frozen=True):
    """A tier as its page shows it."""

    rank: int
    code: str
    name_zh: str
    name_en: str
    threshold: int
    validity_months: int
    multiplier_basis_points: int
    rights: list[TierRight]


_TIERS = """
    SELECT rank, code, name_zh, name_en, threshold, validity_months, multiplier_basis_points, rights
    FROM tier ORDER BY rank"""


async def list_tiers(connection: AsyncConnection[Any]) -> list[TierStanding]:
    """All tiers of the program, the lowest first."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_TIERS)
        return convert(await cursor.fetchall(), list[TierStanding])
