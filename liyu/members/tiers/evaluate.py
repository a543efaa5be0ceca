"""Evaluation 定级: deciding every validity that has ended, and lifting everybody whose growth value has reached a tier.

Works in portions of members, each portion one transaction, so that it can be killed at any point and simply run again: who is
decided is not due any more. Posting decides the same things by the same rules for the members whose points it moves.
"""

from collections import Counter
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.members.tiers.near import refresh_near
from liyu.members.tiers.rules import (
    DOWNGRADED,
    HAND_ENDED,
    PAID_ENDED,
    RETAINED,
    THRESHOLD_REACHED,
    Ladder,
    Standing,
    TierDecision,
    rise,
    settle,
)
from liyu.members.tiers.save import TierWrites, load_ladder, lock_standings, save_tiers

PORTION = 10_000

# The same conditions as `next_tier` and `rise`, so that only those are locked who are due; the rules have the last word.
_DUE = """
    FROM member m JOIN tier t ON t.id = coalesce(m.tier_earned_id, m.tier_id) CROSS JOIN program p
    LEFT JOIN tier n ON n.rank = (SELECT min(rank) FROM tier WHERE rank > t.rank)
    WHERE m.state NOT IN ('closed', 'merged') AND (
        m.tier_until < %(day)s AND (m.tier_fallback_id IS NOT NULL OR m.period_growth >= t.threshold
            OR m.tier_until + p.tier_grace_days::int < %(day)s)
        OR m.growth >= n.threshold OR m.tier_paid_until < %(day)s)"""

_COUNT = f"SELECT count(*) {_DUE}"
_PORTION = f"SELECT m.id {_DUE} AND m.id > %(after)s ORDER BY m.id LIMIT %(portion)s"


class Evaluated(Struct):
    """How many decisions of each kind were made; a member whose validity ended several times counts each time."""

    retained: int = 0
    downgraded: int = 0
    risen: int = 0
    ended: int = 0
    """Tiers set by hand, or bought, whose day was over."""

    def count(self, decisions: list[TierDecision]) -> None:
        """Add decisions."""
        found = Counter(one.reason for one in decisions)
        self.retained += found[RETAINED]
        self.downgraded += found[DOWNGRADED]
        self.risen += found[THRESHOLD_REACHED]
        self.ended += found[HAND_ENDED] + found[PAID_ENDED]


async def count_due(connection: AsyncConnection[Any], day: date) -> int:
    """How many members an evaluation for `day` would look at."""
    found = await connection.execute(_COUNT, {"day": day})
    row = await found.fetchone()
    return int(row[0]) if row else 0


async def evaluate_tiers(
    connection: AsyncConnection[Any], day: date, *, now: datetime, report: Callable[[int], None] | None = None
) -> Evaluated:
    """Decide what is due when `day` has begun. The connection must be in no transaction.

    `report` gets the number of members of each portion.
    """
    ladder, evaluated, after = await load_ladder(connection), Evaluated(), 0
    while True:
        async with connection.transaction():
            found = await connection.execute(_PORTION, {"day": day, "after": after, "portion": PORTION})
            member_ids = [row[0] for row in await found.fetchall()]
            if not member_ids:
                await refresh_near(connection)
                return evaluated
            await _evaluate(connection, ladder, member_ids, day, now, evaluated)
        after = member_ids[-1]
        if report is not None:
            report(len(member_ids))


async def evaluate_reached(connection: AsyncConnection[Any], day: date, *, now: datetime) -> int:
    """Lift those whom changed tiers lift, in the caller's transaction, and return how many.

    It takes one portion, so that a page does not wait longer; the worker lifts those who are more.
    """
    evaluated = Evaluated()
    found = await connection.execute(_PORTION, {"day": day, "after": 0, "portion": PORTION})
    member_ids = [row[0] for row in await found.fetchall()]
    await _evaluate(connection, await load_ladder(connection), member_ids, day, now, evaluated)
    return evaluated.risen


async def _evaluate(
    connection: AsyncConnection[Any],
    ladder: Ladder,
    member_ids: list[int],
    day: date,
    now: datetime,
    evaluated: Evaluated,
) -> None:
    writes = TierWrites()
    for member_id, standing in (await lock_standings(connection, member_ids)).items():
        decided, decisions = decide(ladder, standing, day)
        if decisions:
            writes.note(member_id, decided, decisions, now)
            evaluated.count(decisions)
    await save_tiers(connection, writes)


def decide(ladder: Ladder, standing: Standing, day: date) -> tuple[Standing, list[TierDecision]]:
    """All that `day` decides: first what has ended, then what has been reached."""
    settled, ended = settle(ladder, standing, day)
    risen, reached = rise(ladder, settled, day)
    return risen, [*ended, *reached]
