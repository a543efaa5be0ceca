"""What posting events needs to know of members: loaded under the lock of their points accounts, moved on event by event."""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct, field
from psycopg import AsyncConnection
from psycopg.rows import class_row

from liyu.core.ledger.posting import TransferRow, system_accounts
from liyu.members.points.lots import OpenLot
from liyu.members.points.pricing import Rule
from liyu.members.program import ProgramTerms

LotKey = tuple[int, date | None, date | None]
"""Account, last day, day of maturing."""


class Purchase(Struct):
    """An earlier purchase that a return may refer to."""

    id: int
    member_id: int
    amount_minor: int
    points: int
    growth: int
    multiplier_basis_points: int
    returned_minor: int
    returned_points: int


class Earner(Struct):
    """A member whose points move, under lock."""

    id: int
    external_id: str
    state: str
    points_account: int
    pending_account: int
    debt_account: int
    debt: int
    growth: int
    tier_id: int
    lots: dict[LotKey, OpenLot] = field(default_factory=dict)


class TierStep(Struct, frozen=True):
    """A tier as earning sees it."""

    id: int
    rank: int
    threshold: int
    multiplier_basis_points: int
    validity_months: int


class PostState(Struct):
    """Everything that a batch of events needs."""

    now: datetime
    today: date
    zone: ZoneInfo
    terms: ProgramTerms
    rules: list[Rule]
    tiers: list[TierStep]
    accounts: dict[str, int]
    earners: dict[str, Earner]
    known: dict[tuple[str, str], tuple[str, int, int, Any]]
    """Events posted before: fingerprint, points, growth and lines by type and reference."""
    purchases: dict[str, Purchase]
    used: dict[tuple[int, str, str], int]
    """Points used of a cap, by member id, rule code and period."""

    def tier_of(self, earner: Earner) -> TierStep:
        """The tier that a member is in."""
        return next(tier for tier in self.tiers if tier.id == earner.tier_id)


class Writes(Struct):
    """What the decided events want written."""

    events: list[Any] = field(default_factory=list)
    transfers: list[TransferRow] = field(default_factory=list)
    new_lots: dict[LotKey, OpenLot] = field(default_factory=dict)
    entries: list[tuple[int, OpenLot, int]] = field(default_factory=list)
    """Position of the transfer, the lot, the amount."""
    uses: dict[tuple[int, str, str], tuple[int, int]] = field(default_factory=dict)
    """Used and cap, by member id, rule code and period."""
    tier_changes: list[Any] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)


_LOCK = """
    SELECT a.id FROM account a JOIN member m ON m.id = a.member_id
    WHERE a.kind = 'member_points' AND m.external_id = ANY(%s) ORDER BY a.id FOR UPDATE OF a"""

_EARNERS = """
    SELECT m.id, m.external_id, m.state, p.id AS points_account, w.id AS pending_account, d.id AS debt_account,
        -d.balance AS debt, m.growth, m.tier_id
    FROM member m JOIN account p ON p.member_id = m.id AND p.kind = 'member_points'
    JOIN account w ON w.member_id = m.id AND w.kind = 'member_pending'
    JOIN account d ON d.member_id = m.id AND d.kind = 'member_debt'
    WHERE m.external_id = ANY(%s)"""

_LOTS = """
    SELECT m.external_id, l.id, l.account_id, l.expires_on, l.remaining, l.matures_on
    FROM member m JOIN account a ON a.member_id = m.id JOIN lot l ON l.account_id = a.id WHERE m.external_id = ANY(%s)"""

_RULES = """
    SELECT id, code, version, event_type, points, growth, per_minor, tier_multiplied, daily_cap, yearly_cap, pending_days,
        valid_from, valid_to FROM earning_rule ORDER BY id"""

_TIERS = "SELECT id, rank, threshold, multiplier_basis_points, validity_months FROM tier ORDER BY rank"

_KNOWN = """
    SELECT e.type, e.reference, e.body_hash, e.points, e.growth, e.lines
    FROM earning_event e JOIN unnest(%s::text[], %s::text[]) AS r(type, reference) USING (type, reference)"""

_PURCHASES = """
    SELECT e.reference, e.id, e.member_id, e.amount_minor, e.points, e.growth,
        coalesce((SELECT max((l ->> 'multiplier_basis_points')::bigint) FROM jsonb_array_elements(e.lines) AS l), 10000),
        coalesce(-r.amount, 0)::bigint, coalesce(-r.points, 0)::bigint
    FROM earning_event e LEFT JOIN (
        SELECT reference, sum(amount_minor) AS amount, sum(points) AS points FROM earning_event
        WHERE type = 'return' AND reference = ANY(%(references)s) GROUP BY reference) AS r USING (reference)
    WHERE e.type = 'purchase' AND e.reference = ANY(%(references)s)"""

_USED = "SELECT member_id, rule_code, period, used FROM earning_use WHERE member_id = ANY(%s)"


async def load_state(
    connection: AsyncConnection[Any],
    places: list[tuple[str, str]],
    members: list[str],
    now: datetime,
    zone: ZoneInfo,
    terms: ProgramTerms,
) -> PostState:
    """Lock the members' points accounts (in id order) and load what posting events at `places` (type, reference) needs."""
    await connection.execute(_LOCK, (members,))
    references = [reference for event_type, reference in places if event_type == "return"]
    earners = {earner.external_id: earner for earner in await _read(connection, Earner, _EARNERS, (members,))}
    for external_id, *lot in await (await connection.execute(_LOTS, (members,))).fetchall():
        found = OpenLot(*lot)
        earners[external_id].lots[(found.account_id, found.expires_on, found.matures_on)] = found
    known = await connection.execute(_KNOWN, ([place[0] for place in places], [place[1] for place in places]))
    purchases = await connection.execute(_PURCHASES, {"references": references})
    used = await connection.execute(_USED, ([earner.id for earner in earners.values()],))
    return PostState(
        now=now,
        today=now.astimezone(zone).date(),
        zone=zone,
        terms=terms,
        rules=await _read(connection, Rule, _RULES, ()),
        tiers=await _read(connection, TierStep, _TIERS, ()),
        accounts=await system_accounts(connection),
        earners=earners,
        known={(row[0], row[1]): row[2:] for row in await known.fetchall()},
        purchases={row[0]: Purchase(*row[1:]) for row in await purchases.fetchall()},
        used={(member, code, period): amount for member, code, period, amount in await used.fetchall()},
    )


async def _read(connection: AsyncConnection[Any], row: type[Any], query: str, values: Any) -> list[Any]:
    async with connection.cursor(row_factory=class_row(row)) as cursor:
        await cursor.execute(query, values)
        return await cursor.fetchall()
