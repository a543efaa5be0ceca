"""Reading tiers: where one member stands and what it takes, and who is about to rise or fall."""

from datetime import date, datetime, timedelta
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.database import fetch_all, fetch_one
from liyu.members.leads import PERSON

OUTLOOK = timedelta(days=92)
"""How far ahead the end of a validity is worth a word."""


class TierProgress(Struct, frozen=True):
    """Where a member stands. Growth values are whole numbers; days are in the program's zone."""

    tier_code: str
    since: date | None
    until: date | None
    """Last day of the validity; None without an end."""
    decided_by: date | None
    """Last day on which growth still counts for keeping: the end of the validity with the grace days."""
    growth: int
    next_threshold: int | None
    keep_threshold: int
    period_growth: int
    by_hand: bool
    pre_registered: bool
    fall: str
    grace_days: int
    earned_rank: int
    earned_zh: str
    earned_en: str
    """The tier of the growth value, which is what all of this is about; a higher one may be bought on top."""
    next_zh: str | None
    next_en: str | None
    paid_zh: str | None
    paid_en: str | None
    paid_until: date | None
    """Last day of a tier that was bought; None without one."""
    is_covered: bool
    """Whether the tier that was bought is the higher one."""

    @property
    def missing_to_rise(self) -> int | None:
        """Growth value that is missing for the next tier; None in the highest."""
        return None if self.next_threshold is None else max(self.next_threshold - self.growth, 0)

    @property
    def missing_to_keep(self) -> int | None:
        """Growth value that is missing to keep the tier; None when there is nothing to keep."""
        if self.until is None or self.by_hand:
            return None
        return max(self.keep_threshold - self.period_growth, 0)


_PROGRESS = """
    SELECT t.code AS tier_code, m.tier_since AS since, m.tier_until AS until,
        m.tier_until + CASE WHEN m.tier_fallback_id IS NULL THEN p.tier_grace_days::int ELSE 0 END AS decided_by,
        m.growth, n.threshold AS next_threshold, t.threshold AS keep_threshold, m.period_growth,
        m.tier_fallback_id IS NOT NULL AS by_hand, m.state = 'pre_registered' AS pre_registered,
        p.tier_fall AS fall, p.tier_grace_days AS grace_days, t.rank AS earned_rank, t.name_zh AS earned_zh, t.name_en AS earned_en,
        n.name_zh AS next_zh, n.name_en AS next_en, b.name_zh AS paid_zh, b.name_en AS paid_en,
        m.tier_paid_until AS paid_until, coalesce(b.rank > t.rank, false) AS is_covered
    FROM member m JOIN tier t ON t.id = coalesce(m.tier_earned_id, m.tier_id) CROSS JOIN program p
    LEFT JOIN tier b ON b.id = m.tier_paid_id
    LEFT JOIN tier n ON n.rank = (SELECT min(rank) FROM tier WHERE rank > t.rank) WHERE m.id = %s"""


async def load_progress(connection: AsyncConnection[Any], member_id: int) -> TierProgress:
    """Where a member stands and what it takes to rise and to keep."""
    found = await fetch_one(connection, TierProgress, _PROGRESS, (member_id,))
    assert found is not None
    return found


class TierEntry(Struct, frozen=True):
    """One change of a member's tier with the figures it rests on; `from_zh` is None for the first one."""

    from_zh: str | None
    from_en: str | None
    to_zh: str
    to_en: str
    reason: str
    growth: int
    period_growth: int
    needed: int | None
    since: date | None
    until: date | None
    actor: str
    note: str
    at: datetime
    direction: int
    """1 up, -1 down, 0 the same tier."""


_HISTORY = f"""
    SELECT f.name_zh AS from_zh, f.name_en AS from_en, t.name_zh AS to_zh, t.name_en AS to_en, c.reason, c.growth,
        c.period_growth, c.needed, c.since, c.until, c.actor, c.note, c.at,
        coalesce(sign(t.rank - f.rank), 1)::int AS direction
    FROM tier_change c JOIN tier t ON t.id = c.to_tier_id LEFT JOIN tier f ON f.id = c.from_tier_id
    WHERE c.member_id IN {PERSON} ORDER BY c.id DESC LIMIT %(most)s"""


async def list_tier_history(connection: AsyncConnection[Any], member_id: int, most: int) -> list[TierEntry]:
    """The latest changes of a member's tier, those of members merged into them included, the newest first."""
    return await fetch_all(connection, TierEntry, _HISTORY, {"member": member_id, "most": most})


# Both halves ask an index alone; those who have ended are few.
_MEMBERS = """
    WITH everybody AS (SELECT tier_id, count(*) AS members FROM member GROUP BY 1),
    ended AS (SELECT tier_id, count(*) AS members FROM member WHERE state IN ('closed', 'merged') GROUP BY 1)
    SELECT t.code, coalesce(a.members, 0) - coalesce(e.members, 0)
    FROM tier t LEFT JOIN everybody a ON a.tier_id = t.id LEFT JOIN ended e ON e.tier_id = t.id"""


async def count_members(connection: AsyncConnection[Any]) -> dict[str, int]:
    """How many members are in each tier, by its code; those who have left are not counted."""
    return dict(await (await connection.execute(_MEMBERS)).fetchall())


class Mover(Struct, frozen=True):
    """A member who is about to rise or to fall."""

    id: int
    external_id: str
    name: str | None
    tier_zh: str
    tier_en: str
    to_zh: str
    to_en: str
    has: int
    needs: int
    missing: int
    by: date | None
    """The last day on which growth value still counts; None without an end."""


_RISERS = """
    SELECT m.id, m.external_id, m.name, t.name_zh AS tier_zh, t.name_en AS tier_en, n.name_zh AS to_zh, n.name_en AS to_en,
        m.growth AS has, n.threshold AS needs, n.threshold - m.growth AS missing,
        m.tier_until + p.tier_grace_days::int AS by
    FROM tier t JOIN tier n ON n.rank = (SELECT min(rank) FROM tier WHERE rank > t.rank) CROSS JOIN program p
    JOIN member m ON m.tier_id = t.id
    WHERE m.state IN ('active', 'pre_registered', 'frozen') AND m.tier_fallback_id IS NULL
        AND m.tier_paid_id IS NULL AND m.nears_next AND m.growth < n.threshold
        AND (%(tier)s::text IS NULL OR t.code = %(tier)s)
    ORDER BY missing, m.id OFFSET %(skip)s LIMIT %(most)s"""

_FALLERS = """
    SELECT m.id, m.external_id, m.name, t.name_zh AS tier_zh, t.name_en AS tier_en, n.name_zh AS to_zh, n.name_en AS to_en,
        m.period_growth AS has, t.threshold AS needs, t.threshold - m.period_growth AS missing,
        m.tier_until + p.tier_grace_days::int AS by
    FROM member m JOIN tier t ON t.id = m.tier_id CROSS JOIN program p
    JOIN tier n ON n.rank = (SELECT max(rank) FROM tier WHERE rank < t.rank
        AND (p.tier_fall = 'one_step' OR threshold <= m.period_growth))
    WHERE m.state IN ('active', 'frozen') AND m.tier_fallback_id IS NULL AND m.tier_paid_id IS NULL
        AND m.period_growth < t.threshold AND m.tier_until <= %(through)s AND (%(tier)s::text IS NULL OR t.code = %(tier)s)
    ORDER BY m.tier_until, m.id OFFSET %(skip)s LIMIT %(most)s"""


async def list_risers(
    connection: AsyncConnection[Any], *, tier: str | None = None, skip: int = 0, size: int = 50
) -> list[Mover]:
    """Members who lack little growth value for the next tier, those who lack the least in front."""
    return await _movers(connection, _RISERS, {"tier": tier, "skip": skip, "most": size})


async def list_fallers(
    connection: AsyncConnection[Any], today: date, *, tier: str | None = None, skip: int = 0, size: int = 50
) -> list[Mover]:
    """Members whose validity ends soon (or has ended, in their grace days) without the growth value to keep it, soonest first."""
    values = {"through": today + OUTLOOK, "tier": tier, "skip": skip, "most": size}
    return await _movers(connection, _FALLERS, values)


async def _movers(connection: AsyncConnection[Any], query: str, values: dict[str, Any]) -> list[Mover]:
    return await fetch_all(connection, Mover, query, values)
