"""What posting events needs to know of members: loaded under the lock of their points accounts, moved on event by event."""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct, field
from psycopg import AsyncConnection

from liyu.core.bulk import array_of, encode_rows
from liyu.core.clock import local_date
from liyu.core.database import fetch_all
from liyu.core.ledger.posting import TransferRow, system_accounts
from liyu.members.leads import lock_leads
from liyu.members.points.events import Event
from liyu.members.points.lots import OpenLot
from liyu.members.points.pricing import CHECK_IN, FIRST_TIME, RETURN, RULE_COLUMNS, STREAK, Line, Rule
from liyu.members.points.returns import Purchase
from liyu.members.program import ProgramTerms
from liyu.members.tiers.rules import Ladder, Standing, TierStep, held_tier
from liyu.members.tiers.save import TierWrites, load_ladder, load_standings

LotKey = tuple[int, date | None, date | None]
"""Account, last day, day of maturing."""


class Earner(Struct):
    """A member whose points move, under lock."""

    id: int
    external_id: str
    state: str
    points_account: int
    pending_account: int
    debt_account: int
    debt: int
    birthday: date | None
    lots: dict[LotKey, OpenLot] = field(default_factory=dict)
    standing: Standing = field(default_factory=lambda: Standing(0))


class PostState(Struct):
    """Everything that a batch of events needs."""

    now: datetime
    today: date
    zone: ZoneInfo
    terms: ProgramTerms
    rules: list[Rule]
    ladder: Ladder
    accounts: dict[str, int]
    earners: dict[str, Earner]
    known: dict[tuple[str, str], tuple[str, int, int, Any]]
    """Events posted before: fingerprint, points, growth and lines by type and reference."""
    purchases: dict[str, Purchase]
    used: dict[tuple[int, str, str], int]
    """Points used of a cap, by member id, rule code and period."""
    seen: set[tuple[int, str]]
    """Member ids and types of which there has been an event; only of types that have a rule for the first time."""
    check_ins: dict[int, set[date]]
    """The days with a check-in by member id; only if a rule rewards a streak."""

    def tier_of(self, earner: Earner) -> TierStep:
        """The tier that a member is in."""
        return held_tier(self.ladder, earner.standing)


class Writes(Struct):
    """What the decided events want written."""

    events: list[Any] = field(default_factory=list)
    transfers: list[TransferRow] = field(default_factory=list)
    new_lots: dict[LotKey, OpenLot] = field(default_factory=dict)
    entries: list[tuple[int, OpenLot, int]] = field(default_factory=list)
    """Position of the transfer, the lot, the amount."""
    uses: dict[tuple[int, str, str], tuple[int, int]] = field(default_factory=dict)
    """By how much the use of a cap moves, and the cap, by member id, rule code and period."""
    tiers: TierWrites = field(default_factory=TierWrites)
    touched: set[str] = field(default_factory=set)


_EARNERS = """
    SELECT m.id, m.external_id, m.state, p.id AS points_account, w.id AS pending_account, d.id AS debt_account,
        -d.balance AS debt, m.birthday
    FROM member m JOIN account p ON p.member_id = m.id AND p.kind = 'member_points'
    JOIN account w ON w.member_id = m.id AND w.kind = 'member_pending'
    JOIN account d ON d.member_id = m.id AND d.kind = 'member_debt'
    WHERE m.id = ANY(%s::bigint[])"""

_LOTS = """
    SELECT id, account_id, expires_on, remaining, matures_on FROM lot WHERE account_id = ANY(%s::bigint[]) AND is_open"""

_RULES = f"SELECT {RULE_COLUMNS} FROM earning_rule ORDER BY id"

_KNOWN = """
    SELECT e.type, e.reference, e.body_hash, e.points, e.growth, e.lines
    FROM earning_event e JOIN json_to_recordset(%s::json) AS r(type text, reference text) USING (type, reference)"""

# The key of its transfer leads from a purchase to the lot that it filled; for a member who was merged, to the lot of the same
# key of the one who lives on, who has the purchase now.
_PURCHASES = """
    SELECT e.reference, e.member_id, e.amount_minor, e.occurred_at, e.lines, coalesce(-r.amount, 0)::bigint, own.id
    FROM earning_event e
    LEFT JOIN (SELECT purchase_reference, sum(amount_minor) AS amount FROM earning_event
        WHERE purchase_reference = ANY(%(references)s) GROUP BY 1) AS r ON r.purchase_reference = e.reference
    LEFT JOIN transfer t ON t.key = 'earn:purchase:' || e.reference || ':' || %(issued)s::text
    LEFT JOIN lot_entry l ON l.transfer_id = t.id LEFT JOIN lot filled ON filled.id = l.lot_id
    LEFT JOIN account a ON a.id = filled.account_id
    LEFT JOIN account home ON home.member_id = e.member_id AND home.kind = a.kind
    LEFT JOIN lot own ON own.account_id = home.id AND own.funder = filled.funder
        AND own.expires_on IS NOT DISTINCT FROM filled.expires_on AND own.matures_on IS NOT DISTINCT FROM filled.matures_on
    WHERE e.type = 'purchase' AND e.reference = ANY(%(references)s)"""

_SEEN = "SELECT DISTINCT member_id, type FROM earning_event WHERE member_id = ANY(%s) AND type = ANY(%s)"

_CHECK_INS = """
    SELECT member_id, array_agg(DISTINCT (occurred_at AT TIME ZONE %s)::date) FROM earning_event
    WHERE type = 'check_in' AND member_id = ANY(%s) GROUP BY 1"""

_USED = "SELECT member_id, rule_code, period, used FROM earning_use WHERE member_id = ANY(%s::bigint[])"


async def load_state(
    connection: AsyncConnection[Any],
    events: list[Event],
    members: list[str],
    now: datetime,
    zone: ZoneInfo,
    terms: ProgramTerms,
) -> PostState:
    """Lock the members' points accounts (in id order) and load what posting these events needs."""
    leads = await lock_leads(connection, members)
    ids = sorted({member_id for _, member_id in leads.values()})
    earners = {earner.external_id: earner for earner in await _read(connection, Earner, _EARNERS, (array_of(ids),))}
    standings = await load_standings(connection, ids)
    for earner in earners.values():
        earner.standing = standings[earner.id]
    owners = {account: one for one in earners.values() for account in (one.points_account, one.pending_account)}
    for lot in await _fetch(connection, _LOTS, (array_of(owners),)):
        found = OpenLot(*lot)
        owners[found.account_id].lots[(found.account_id, found.expires_on, found.matures_on)] = found
    # The ids of members who were merged mean the one who lives on.
    earners |= {external_id: earners[meant] for external_id, (meant, _) in leads.items()}
    places = [{"type": one.type, "reference": one.reference} for one in events]
    known = await _fetch(connection, _KNOWN, (encode_rows(places),))
    rules: list[Rule] = await _read(connection, Rule, _RULES, ())
    accounts = await system_accounts(connection)
    return PostState(
        now=now,
        today=now.astimezone(zone).date(),
        zone=zone,
        terms=terms,
        rules=rules,
        ladder=await load_ladder(connection, terms),
        accounts=accounts,
        earners=earners,
        known={(row[0], row[1]): row[2:] for row in known},
        purchases=await _load_purchases(connection, events, earners, accounts["points_issued"], zone),
        used={
            (member, code, period): amount
            for member, code, period, amount in await _fetch(connection, _USED, (array_of(ids),))
        },
        seen=await _load_seen(connection, rules, events, ids),
        check_ins=await _load_check_ins(connection, rules, events, ids, zone),
    )


async def _load_purchases(
    connection: AsyncConnection[Any], events: list[Event], earners: dict[str, Earner], issued: int, zone: ZoneInfo
) -> dict[str, Purchase]:
    references = [event.purchase or event.reference for event in events if event.type == RETURN]
    if not references:
        return {}
    lots = {lot.id: lot for earner in earners.values() for lot in earner.lots.values()}
    found = await _fetch(connection, _PURCHASES, {"references": references, "issued": issued})
    return {
        reference: Purchase(
            member_id,
            amount_minor,
            local_date(at, zone),
            msgspec.convert(lines, list[Line]),
            min(returned, amount_minor),
            lots.get(lot_id),
        )
        for reference, member_id, amount_minor, at, lines, returned, lot_id in found
    }


async def _load_seen(
    connection: AsyncConnection[Any], rules: list[Rule], events: list[Event], ids: list[int]
) -> set[tuple[int, str]]:
    types = {rule.event_type for rule in rules if rule.condition == FIRST_TIME} & {event.type for event in events}
    return set(await _fetch(connection, _SEEN, (ids, list(types)))) if types else set()


async def _load_check_ins(
    connection: AsyncConnection[Any], rules: list[Rule], events: list[Event], ids: list[int], zone: ZoneInfo
) -> dict[int, set[date]]:
    wanted = any(event.type == CHECK_IN for event in events) and any(rule.condition == STREAK for rule in rules)
    return {row[0]: set(row[1]) for row in await _fetch(connection, _CHECK_INS, (str(zone), ids))} if wanted else {}


async def _fetch(connection: AsyncConnection[Any], query: str, values: Any) -> list[Any]:
    return await (await connection.execute(query, values)).fetchall()


async def _read(connection: AsyncConnection[Any], row: type[Any], query: str, values: Any) -> list[Any]:
    return await fetch_all(connection, row, query, values)
