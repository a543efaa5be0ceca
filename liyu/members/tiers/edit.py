"""Editing the tiers of the program: checked as a whole, previewed in numbers of members, applied only as it was shown."""

import hashlib
import re
from typing import Any

import msgspec
from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from liyu.core.bulk import encode_rows, record_of
from liyu.core.database import fetch_all
from liyu.core.errors import InvalidInputError
from liyu.core.i18n import N_, Message
from liyu.members.tiers.errors import TiersChangedError
from liyu.members.tiers.rights import LONGEST_TITLE, MOST_RIGHTS, RIGHT_ICONS, TierRight
from liyu.members.tiers.rules import FALL_POLICIES

SHORTEST_VALIDITY, LONGEST_VALIDITY = 12, 24
"""Months."""
LOWEST_MULTIPLIER, HIGHEST_MULTIPLIER = 10_000, 100_000
HIGHEST_THRESHOLD = 10**9
LONGEST_GRACE = 90
LONGEST_NAME = 40
MOST_TIERS = 12
_CODE = re.compile(r"[a-z0-9_]{1,32}")


class TierTerms(Struct, frozen=True):
    """A tier as it is edited; the order of thresholds is the order of tiers."""

    code: str
    name_zh: str
    name_en: str
    threshold: int
    validity_months: int
    multiplier_basis_points: int
    rights: list[TierRight]


class TierPlan(Struct, frozen=True):
    """All tiers, the lowest first, and the policy of falling."""

    tiers: list[TierTerms]
    fall: str
    grace_days: int

    def digest(self) -> str:
        """What tells two plans apart."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()


class TierOutlook(Struct, frozen=True):
    """What a plan would mean for the members of one tier."""

    code: str
    members: int
    rise: int
    """Would rise out of it at once."""
    fall_before: int
    """Would not keep it if their period ended now, by the tiers as they are."""
    fall_after: int
    """The same by the plan."""


class _Step(Struct):
    rank: int
    code: str
    threshold: int


_PLAN = """
    SELECT code, name_zh, name_en, threshold, validity_months, multiplier_basis_points, rights FROM tier ORDER BY rank"""

# Tiers set by hand or bought neither rise below what they were nor fall by growth.
_OUTLOOK = f"""
    WITH plan AS (SELECT r.*, lead(threshold) OVER (ORDER BY rank) AS next_threshold FROM {record_of(_Step)})
    SELECT t.code, count(m.id) AS members,
        count(m.id) FILTER (WHERE m.growth >= plan.next_threshold AND NOT held) AS rise,
        count(m.id) FILTER (WHERE m.tier_until IS NOT NULL AND NOT held AND m.period_growth < t.threshold)
            AS fall_before,
        count(m.id) FILTER (WHERE m.tier_until IS NOT NULL AND NOT held AND m.period_growth < plan.threshold)
            AS fall_after
    FROM tier t JOIN plan USING (code) LEFT JOIN member m ON m.tier_id = t.id AND m.state NOT IN ('closed', 'merged')
    CROSS JOIN LATERAL (SELECT m.tier_fallback_id IS NOT NULL OR m.tier_paid_id IS NOT NULL AS held) AS h
    GROUP BY t.code, t.rank ORDER BY t.rank"""


async def load_plan(connection: AsyncConnection[Any]) -> TierPlan:
    """The tiers and the policy as they are."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_PLAN)
        tiers = msgspec.convert(await cursor.fetchall(), list[TierTerms])
        await cursor.execute("SELECT tier_fall, tier_grace_days FROM program")
        policy = await cursor.fetchone() or {}
    return TierPlan(tiers, policy["tier_fall"], policy["tier_grace_days"])


async def preview_plan(connection: AsyncConnection[Any], plan: TierPlan) -> list[TierOutlook]:
    """What the plan would mean for the members of today's tiers. Raises InvalidInputError when the plan is faulty."""
    check_plan(plan)
    return await fetch_all(connection, TierOutlook, _OUTLOOK, (encode_rows(_steps(plan)),))


async def apply_plan(connection: AsyncConnection[Any], plan: TierPlan, *, shown: str) -> None:
    """Put the plan in force, in the caller's transaction; members rise with the next evaluation, and nobody falls by it.

    `shown` is the digest of the tiers on which it was made. Raises InvalidInputError or TiersChangedError.
    """
    check_plan(plan)
    await connection.execute("SELECT FROM program FOR UPDATE")
    before = await load_plan(connection)
    if before.digest() != shown:
        raise TiersChangedError
    if missing := {tier.code for tier in before.tiers} - {tier.code for tier in plan.tiers}:
        raise InvalidInputError.of_fields({f"{missing.pop()}-name_zh": Message(N_("A tier stays: members know it."))})
    await connection.execute("UPDATE program SET tier_fall = %s, tier_grace_days = %s", (plan.fall, plan.grace_days))
    # Ranks are unique at every moment: they step aside first.
    await connection.execute("UPDATE tier SET rank = -rank")
    rows = [_row(rank, tier) for rank, tier in enumerate(plan.tiers, start=1)]
    await connection.execute(_UPSERT, (encode_rows(rows),))


class _TierRow(Struct):
    code: str
    rank: int
    name_zh: str
    name_en: str
    threshold: int
    multiplier_basis_points: int
    validity_months: int
    rights: list[TierRight]


_NAMES = _TierRow.__struct_fields__
_UPSERT = (
    f"INSERT INTO tier ({', '.join(_NAMES)}) SELECT {', '.join(_NAMES)} FROM {record_of(_TierRow)} "
    f"ON CONFLICT (code) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _NAMES[1:])}"
)


def _row(rank: int, tier: TierTerms) -> _TierRow:
    return _TierRow(
        tier.code, rank, tier.name_zh, tier.name_en, tier.threshold, tier.multiplier_basis_points, tier.validity_months,
        tier.rights,
    )  # fmt: skip


def _steps(plan: TierPlan) -> list[_Step]:
    return [_Step(rank, tier.code, tier.threshold) for rank, tier in enumerate(plan.tiers, start=1)]


def check_plan(plan: TierPlan) -> None:
    """Raise InvalidInputError with every fault, by field: `fall`, `grace_days`, and `<code>-<field>` of a tier."""
    faults: dict[str, Message] = {}
    if plan.fall not in FALL_POLICIES:
        faults["fall"] = Message(N_("Choose one of the values offered."))
    if not 0 <= plan.grace_days <= LONGEST_GRACE:
        faults["grace_days"] = _between(0, LONGEST_GRACE)
    if not 1 <= len(plan.tiers) <= MOST_TIERS:
        faults[""] = Message(N_("A program has 1 to %(most)s tiers."), {"most": MOST_TIERS})
    codes = [tier.code for tier in plan.tiers]
    below: TierTerms | None = None
    for tier in plan.tiers:
        faults |= {f"{tier.code}-{name}": fault for name, fault in _faults_of(tier, below).items()}
        if codes.count(tier.code) > 1 or not _CODE.fullmatch(tier.code):
            faults[f"{tier.code}-code"] = Message(N_("Use a code of its own: small letters, digits, underscores."))
        below = tier
    if faults:
        raise InvalidInputError.of_fields(faults)


def _faults_of(tier: TierTerms, below: TierTerms | None) -> dict[str, Message]:
    faults: dict[str, Message] = {}
    for name in ("name_zh", "name_en"):
        if not 0 < len(getattr(tier, name).strip()) <= LONGEST_NAME:
            faults[name] = Message(N_("Must have 1 to %(most)s characters."), {"most": LONGEST_NAME})
    if below is None and tier.threshold != 0:
        faults["threshold"] = Message(N_("The lowest tier is everybody's: its threshold is 0."))
    elif below is not None and not below.threshold < tier.threshold <= HIGHEST_THRESHOLD:
        faults["threshold"] = Message(N_("Must be higher than that of the tier below."))
    if not SHORTEST_VALIDITY <= tier.validity_months <= LONGEST_VALIDITY:
        faults["validity_months"] = _between(SHORTEST_VALIDITY, LONGEST_VALIDITY)
    if not LOWEST_MULTIPLIER <= tier.multiplier_basis_points <= HIGHEST_MULTIPLIER:
        faults["multiplier"] = Message(N_("Must be between %(least)s and %(most)s."), {"least": 1, "most": 10})
    if len(tier.rights) > MOST_RIGHTS:
        faults["rights"] = Message(N_("A tier has at most %(most)s rights."), {"most": MOST_RIGHTS})
    elif any(not _is_fine(right) for right in tier.rights):
        words = N_("Each right needs a Chinese title; titles have at most %(most)s characters.")
        faults["rights"] = Message(words, {"most": LONGEST_TITLE})
    return faults


def _is_fine(right: TierRight) -> bool:
    titles = (right.title_zh.strip(), right.title_en)
    return right.icon in RIGHT_ICONS and bool(titles[0]) and all(len(title) <= LONGEST_TITLE for title in titles)


def _between(least: int, most: int) -> Message:
    return Message(N_("Must be between %(least)s and %(most)s."), {"least": least, "most": most})
