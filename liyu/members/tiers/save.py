"""Loading and saving standings: any number of members in a handful of set-based statements.

Whoever changes a standing holds the lock of the member's points account (docs/algorithms/desk.md, "Lock order").
"""

from datetime import date, datetime
from typing import Any

from msgspec import Struct, field
from psycopg import AsyncConnection

from liyu.core.bulk import array_of, encode_rows, insert_of, record_of
from liyu.core.database import fetch_all
from liyu.members.program import ProgramTerms, load_terms
from liyu.members.tiers.near import NEXT, nears
from liyu.members.tiers.overlay import EARNED, lay_over
from liyu.members.tiers.rules import Ladder, PaidTier, Standing, TierDecision, TierStep, grow, settle

SYSTEM = "system"

_STEPS = "SELECT id, rank, threshold, multiplier_basis_points, validity_months FROM tier ORDER BY rank"

_STANDINGS = f"""
    SELECT id, {EARNED} AS tier_id, tier_period AS period, tier_since AS since, tier_until AS until, growth, period_growth,
        growth_counted_from AS counted_from, tier_fallback_id AS fallback_id, state <> 'pre_registered' AS active,
        tier_paid_id, tier_paid_until
    FROM member WHERE id = ANY(%s::bigint[])"""

_LOCK = "SELECT id FROM account WHERE member_id = ANY(%s::bigint[]) AND kind = 'member_points' ORDER BY id FOR UPDATE"


class StandingRow(Struct):
    """A member's standing as their row keeps it."""

    id: int
    tier_id: int
    """The tier of the growth value."""
    tier_period: int
    tier_since: date | None
    tier_until: date | None
    growth: int
    period_growth: int
    growth_counted_from: int
    tier_fallback_id: int | None
    tier_paid_id: int | None
    tier_paid_until: date | None


class TierChangeRow(Struct):
    """A change of tier to be kept."""

    member_id: int
    from_tier_id: int | None
    to_tier_id: int
    reason: str
    growth: int
    at: datetime
    period_growth: int = 0
    needed: int | None = None
    period: int = 1
    since: date | None = None
    until: date | None = None
    actor: str = SYSTEM
    note: str = ""


class GrowthRow(Struct):
    """Growth value to be booked."""

    member_id: int
    period: int
    source: str
    amount: int
    at: datetime


class TierWrites(Struct):
    """What became of standings, to be saved together."""

    standings: dict[int, Standing] = field(default_factory=dict)
    changes: list[TierChangeRow] = field(default_factory=list)
    entries: list[GrowthRow] = field(default_factory=list)

    def settle(self, ladder: Ladder, member_id: int, standing: Standing, day: date, at: datetime) -> Standing:
        """Decide what has ended before `day`, and note it."""
        settled, decisions = settle(ladder, standing, day)
        if decisions:
            self.note(member_id, settled, decisions, at)
        return settled

    def grow(
        self, ladder: Ladder, member_id: int, standing: Standing, amount: int, day: date, at: datetime, source: str
    ) -> Standing:
        """Add growth value (or take it back, < 0) from one source, and note it with the rise that it may bring."""
        grown, parts, decisions = grow(ladder, standing, amount, day)
        self.entries += [GrowthRow(member_id, part.period, source, part.amount, at) for part in parts]
        self.note(member_id, grown, decisions, at)
        return grown

    def note(
        self,
        member_id: int,
        standing: Standing,
        decisions: list[TierDecision],
        at: datetime,
        *,
        actor: str = SYSTEM,
        note: str = "",
    ) -> None:
        """Note where a member stands now and how it came about."""
        self.standings[member_id] = standing
        self.changes += [
            TierChangeRow(
                member_id, one.from_tier_id, one.to_tier_id, one.reason, one.growth, at, one.period_growth, one.needed,
                one.period, one.since, one.until, actor, note,
            )
            for one in decisions
        ]  # fmt: skip


_COLUMNS = [name for name in StandingRow.__struct_fields__ if name not in ("id", "tier_id")]
_SAVE_STANDINGS = (
    f"UPDATE member SET {', '.join(f'{name} = r.{name}' for name in _COLUMNS)}, {lay_over('r.tier_id', 'r.tier_paid_id')}, "
    f"nears_next = {nears('r.growth', 'n.threshold')} "
    f"FROM {record_of(StandingRow)} LEFT JOIN {NEXT} AS n ON n.tier_id = r.tier_id WHERE member.id = r.id"
)


async def load_ladder(connection: AsyncConnection[Any], terms: ProgramTerms | None = None) -> Ladder:
    """The tiers of the program with the policy of falling."""
    terms = terms or await load_terms(connection)
    return Ladder(await fetch_all(connection, TierStep, _STEPS), terms.tier_fall, terms.tier_grace_days)


async def load_standings(connection: AsyncConnection[Any], member_ids: list[int]) -> dict[int, Standing]:
    """Where members stand, by id; the caller holds their locks when it means to change anything."""
    found = await connection.execute(_STANDINGS, (array_of(member_ids),))
    return {
        member_id: Standing(*own, *[PaidTier(paid_id, paid_until)] * (paid_id is not None))
        for member_id, *own, paid_id, paid_until in await found.fetchall()
    }


async def lock_standings(connection: AsyncConnection[Any], member_ids: list[int]) -> dict[int, Standing]:
    """Lock members in the order that everybody keeps, and load where they stand."""
    await connection.execute(_LOCK, (array_of(member_ids),))
    return await load_standings(connection, member_ids)


async def save_tiers(connection: AsyncConnection[Any], writes: TierWrites) -> None:
    """Write standings, changes and growth value in three statements."""
    if writes.standings:
        rows = [_row(member_id, standing) for member_id, standing in sorted(writes.standings.items())]
        await connection.execute(_SAVE_STANDINGS, (encode_rows(rows),))
    if writes.changes:
        await connection.execute(insert_of("tier_change", TierChangeRow), (encode_rows(writes.changes),))
    if writes.entries:
        await connection.execute(insert_of("growth_entry", GrowthRow), (encode_rows(writes.entries),))


def _row(member_id: int, standing: Standing) -> StandingRow:
    paid_id, paid_until = (standing.paid.tier_id, standing.paid.until) if standing.paid else (None, None)
    return StandingRow(
        member_id, standing.tier_id, standing.period, standing.since, standing.until, standing.growth,
        standing.period_growth, standing.counted_from, standing.fallback_id, paid_id, paid_until,
    )  # fmt: skip
