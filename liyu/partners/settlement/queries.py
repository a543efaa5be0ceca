"""Reads of settlement for the portal and the console. Where partners may ask, whose data it is comes first."""

from datetime import date, datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.clock import local_date, start_of_day
from liyu.core.database import fetch_all
from liyu.core.errors import InvalidInputError
from liyu.core.i18n import N_, Message
from liyu.core.money import DEFAULT_CURRENCY
from liyu.partners.scope import PartnerScope, partner_filter
from liyu.partners.settlement.compute import IN_BOUNDS
from liyu.partners.settlement.errors import UnknownStatementError
from liyu.partners.settlement.payout import CARRIED
from liyu.partners.settlement.periods import bounds_of, month_of
from liyu.partners.settlement.states import STATES

Row = TypeVar("Row")


class StatementSummary(Struct, frozen=True):
    """A statement in a list; amounts in minor units."""

    id: int
    number: str
    partner_id: int
    partner_code: str
    partner_zh: str
    partner_en: str
    period: str
    currency: str
    state: str
    payable_minor: int
    receivable_minor: int
    net_minor: int
    entries: int
    prepared_at: datetime


class StatementHead(StatementSummary, frozen=True):
    """What the page of a statement says above its lines."""

    ends_at: datetime
    watermark: int
    digest: str
    prepared_by: str
    prepared_by_name: str | None
    approved_by: str | None
    approved_by_name: str | None
    approved_at: datetime | None


class LineView(Struct, frozen=True):
    """One line of a statement with the words of its agreement."""

    position: int
    agreement_line_id: int
    code: str
    version: int
    mode: str
    title_zh: str
    title_en: str
    quantity: int
    free_quantity: int
    unit_minor: int
    amount_minor: int
    tax_rate_basis_points: int


class TransitionView(Struct, frozen=True):
    """One change of state; the actor's name where it is a person of the staff."""

    from_state: str | None
    to_state: str
    reason: str
    actor: str
    actor_name: str | None
    at: datetime


class PayoutView(Struct, frozen=True):
    """The payout of a statement."""

    id: int
    amount_minor: int
    carried_minor: int
    currency: str
    state: str
    prepared_by: str
    prepared_by_name: str | None
    prepared_at: datetime
    approved_by: str | None
    approved_by_name: str | None
    paid_at: datetime | None
    bank_reference: str | None
    due_on: date


class StatementPage(Struct, frozen=True):
    """Everything on the page of a statement but its entries."""

    head: StatementHead
    lines: list[LineView]
    transitions: list[TransitionView]
    payout: PayoutView | None
    carried_minor: int
    """The partner's debt that the next payout takes off; 0 or negative."""

    @property
    def to_pay_minor(self) -> int:
        """What a payout of this statement comes to; 0 or less where its balance is carried over."""
        return self.head.net_minor + self.carried_minor


class EntryView(Struct, frozen=True):
    """One entry of a statement."""

    id: int
    at: datetime
    kind: str
    source: str
    code: str
    version: int
    mode: str
    title_zh: str
    title_en: str
    quantity: int
    free: bool
    amount_minor: int


class EntryPage(Struct, frozen=True):
    """Some entries, and the cursor of those that follow; None at the end."""

    entries: list[EntryView]
    next: str | None


class Payables(Struct, frozen=True):
    """What came to a partner's account since a moment; uses that were undone are taken off."""

    uses: int
    free_uses: int
    payable_minor: int
    receivable_minor: int
    net_minor: int


class PartnerFigures(Struct, frozen=True):
    """The figures of a partner's first page."""

    today: Payables
    month: Payables
    balance_minor: int
    currency: str


class StateFigures(Struct, frozen=True):
    """How many statements are in a state, and what they come to."""

    state: str
    statements: int
    net_minor: int


class Overview(Struct, frozen=True):
    """One period of settlement."""

    period: str
    partners: int
    entries: int
    payable_minor: int
    receivable_minor: int
    net_minor: int
    paid_minor: int
    states: list[StateFigures]


_SUMMARY = """s.id, s.number, s.partner_id, p.code AS partner_code, p.name_zh AS partner_zh, p.name_en AS partner_en, s.period,
    s.currency, s.state, s.payable_minor, s.receivable_minor, s.net_minor, s.entries, s.prepared_at"""

_LIST = f"""
    SELECT {_SUMMARY} FROM statement s JOIN partner p ON p.id = s.partner_id
    WHERE s.period = %(period)s AND (%(state)s::text IS NULL OR s.state = %(state)s) AND p.code > %(after)s
    ORDER BY p.code LIMIT %(limit)s"""

_LIST_OF_PARTNER = f"""
    SELECT {_SUMMARY} FROM statement s JOIN partner p ON p.id = s.partner_id
    WHERE s.partner_id = %(partner)s AND s.period < %(before)s AND (%(drafts)s OR s.state <> 'draft')
    ORDER BY s.period DESC LIMIT %(limit)s"""

_HEAD = f"""
    SELECT {_SUMMARY}, s.ends_at, s.watermark, s.digest, s.prepared_by, m.name AS prepared_by_name, s.approved_by,
        n.name AS approved_by_name, s.approved_at
    FROM statement s JOIN partner p ON p.id = s.partner_id
    LEFT JOIN staff m ON s.prepared_by = 'staff:' || m.id LEFT JOIN staff n ON s.approved_by = 'staff:' || n.id
    WHERE s.id = %(id)s AND (%(partner)s::bigint IS NULL OR (s.partner_id = %(partner)s AND s.state <> 'draft'))
    """

_ID = """
    SELECT s.id FROM statement s
    WHERE s.number = %(number)s AND (%(partner)s::bigint IS NULL OR (s.partner_id = %(partner)s AND s.state <> 'draft'))"""

_LINES = """
    SELECT s.position, s.agreement_line_id, l.code, l.version, l.mode, l.title_zh, l.title_en, s.quantity, s.free_quantity,
        s.unit_minor, s.amount_minor, l.tax_rate_basis_points
    FROM statement_line s JOIN agreement_line l ON l.id = s.agreement_line_id WHERE s.statement_id = %s ORDER BY s.position"""

_TRANSITIONS = """
    SELECT t.from_state, t.to_state, t.reason, t.actor, m.name AS actor_name, t.at
    FROM statement_transition t LEFT JOIN staff m ON t.actor = 'staff:' || m.id
    WHERE t.statement_id = %s ORDER BY t.id"""

_PAYOUT = """
    SELECT o.id, o.amount_minor, o.carried_minor, o.currency, o.state, o.prepared_by, m.name AS prepared_by_name,
        o.prepared_at, o.approved_by, n.name AS approved_by_name, o.paid_at, o.bank_reference, o.due_on
    FROM payout o LEFT JOIN staff m ON o.prepared_by = 'staff:' || m.id LEFT JOIN staff n ON o.approved_by = 'staff:' || n.id
    WHERE o.statement_id = %s"""

ENTRIES = f"""
    SELECT e.id, e.at, e.kind, e.source, l.code, l.version, l.mode, l.title_zh, l.title_en, e.quantity, e.free, e.amount_minor
    FROM statement s JOIN payable_entry e ON e.partner_id = s.partner_id
    JOIN agreement_line l ON l.id = e.agreement_line_id
    WHERE s.id = %(id)s AND (%(partner)s::bigint IS NULL OR (s.partner_id = %(partner)s AND s.state <> 'draft'))
        AND (%(line)s::bigint IS NULL OR e.agreement_line_id = %(line)s) AND {IN_BOUNDS}
        AND (%(after_at)s::timestamptz IS NULL OR (e.at, e.id) > (%(after_at)s, %(after_id)s::bigint))
    ORDER BY e.at, e.id"""
"""The entries of a statement in their order; partners see those of statements that were sent."""

_WAITING = f"""
    SELECT {_SUMMARY} FROM statement s JOIN partner p ON p.id = s.partner_id
    WHERE s.state IN ('sent', 'confirmed', 'approved') ORDER BY s.period, p.code LIMIT %s"""

_SINCE = """
    SELECT coalesce(sum(quantity), 0)::bigint AS uses,
        coalesce(sum(quantity) FILTER (WHERE free), 0)::bigint AS free_uses,
        coalesce(sum(amount_minor) FILTER (WHERE mode <> 'member_discount'), 0)::bigint AS payable_minor,
        coalesce(-sum(amount_minor) FILTER (WHERE mode = 'member_discount'), 0)::bigint AS receivable_minor,
        coalesce(sum(amount_minor), 0)::bigint AS net_minor
    FROM payable_entry e JOIN agreement_line l ON l.id = e.agreement_line_id
    WHERE e.partner_id = %s AND e.at >= %s AND e.at < %s"""

# What stands on statements, and what came since: the same as the account in the ledger, without summing a partner's whole life.
_BALANCES = """
    SELECT p.id, (coalesce(s.net, 0) + coalesce(e.amount, 0) - coalesce(o.amount, 0))::bigint
    FROM partner p
    LEFT JOIN LATERAL (SELECT sum(net_minor) AS net FROM statement WHERE partner_id = p.id) AS s ON true
    LEFT JOIN LATERAL (
        SELECT ends_at, watermark FROM statement WHERE partner_id = p.id ORDER BY period DESC LIMIT 1) AS b ON true
    LEFT JOIN LATERAL (
        SELECT sum(amount_minor) AS amount FROM payable_entry WHERE partner_id = p.id
            AND (b.ends_at IS NULL OR at >= b.ends_at OR id > b.watermark)) AS e ON true
    LEFT JOIN LATERAL (
        SELECT sum(x.amount_minor) AS amount FROM payout x JOIN statement y ON y.id = x.statement_id
        WHERE y.partner_id = p.id AND x.state = 'paid') AS o ON true
    WHERE p.id = ANY(%s)"""

_OVERVIEW = """
    SELECT s.state, count(*), sum(s.entries)::bigint, sum(s.payable_minor)::bigint, sum(s.receivable_minor)::bigint,
        sum(s.net_minor)::bigint, coalesce(sum(o.amount_minor) FILTER (WHERE o.state = 'paid'), 0)::bigint
    FROM statement s LEFT JOIN payout o ON o.statement_id = s.id WHERE s.period = %s GROUP BY s.state"""


async def list_statements(
    connection: AsyncConnection[Any], period: str, *, state: str | None = None, after: str = "", limit: int = 50
) -> list[StatementSummary]:
    """For operators: the statements of a period by partner code; `after` is the last code seen."""
    values = {"period": period, "state": state, "after": after, "limit": limit}
    return await read_rows(connection, StatementSummary, _LIST, values)


async def statements_waiting(connection: AsyncConnection[Any], limit: int = 8) -> list[StatementSummary]:
    """For operators: the oldest statements that wait for an approval or a payment."""
    return await read_rows(connection, StatementSummary, _WAITING, (limit,))


async def statements_of(
    partner_id: int,
    connection: AsyncConnection[Any],
    *,
    drafts: bool = False,
    before: str = "9999-99",
    limit: int = 12,
) -> list[StatementSummary]:
    """A partner's statements, the latest first; `before` is the last period seen. Drafts are for operators only."""
    values = {"partner": partner_id, "before": before, "drafts": drafts, "limit": limit}
    return await read_rows(connection, StatementSummary, _LIST_OF_PARTNER, values)


async def find_statement_id(partner: PartnerScope, connection: AsyncConnection[Any], number: str) -> int:
    """The id of the statement with this number. Raises UnknownStatementError, also for another partner's and for drafts."""
    found = await connection.execute(_ID, {"number": number, "partner": partner_filter(partner)})
    row = await found.fetchone()
    if row is None:
        raise UnknownStatementError
    return int(row[0])


async def statement_page(partner: PartnerScope, connection: AsyncConnection[Any], statement_id: int) -> StatementPage:
    """A statement with its lines, its history and its payout; partners see what was sent to them.

    Raises UnknownStatementError, also for another partner's statement.
    """
    heads = await read_rows(connection, StatementHead, _HEAD, {"id": statement_id, "partner": partner_filter(partner)})
    if not heads:
        raise UnknownStatementError
    payouts = await read_rows(connection, PayoutView, _PAYOUT, (statement_id,))
    carried = await (await connection.execute(CARRIED, {"partner": heads[0].partner_id})).fetchone()
    return StatementPage(
        head=heads[0],
        lines=await read_rows(connection, LineView, _LINES, (statement_id,)),
        transitions=await read_rows(connection, TransitionView, _TRANSITIONS, (statement_id,)),
        payout=payouts[0] if payouts else None,
        carried_minor=carried[0] if carried else 0,
    )


async def statement_entries(
    partner: PartnerScope,
    connection: AsyncConnection[Any],
    statement_id: int,
    *,
    line: int | None = None,
    after: str | None = None,
    limit: int = 50,
) -> EntryPage:
    """The entries of a statement in order of time, of one agreement line or of all; `after` is the page's cursor.

    Raises InvalidInputError for a cursor that is none.
    """
    at, entry_id = _read_cursor(after)
    values = {
        "id": statement_id, "partner": partner_filter(partner), "line": line, "after_at": at, "after_id": entry_id,
        "limit": limit + 1,
    }  # fmt: skip
    found = await read_rows(connection, EntryView, f"{ENTRIES} LIMIT %(limit)s", values)
    last = found[limit - 1] if len(found) > limit else None
    return EntryPage(found[:limit], f"{last.at.isoformat()}~{last.id}" if last else None)


async def partner_figures(
    partner_id: int, connection: AsyncConnection[Any], *, now: datetime, zone: ZoneInfo
) -> PartnerFigures:
    """What came to a partner's account today and this month, and its balance."""
    today = local_date(now, zone)
    day = (start_of_day(today, zone), start_of_day(today + timedelta(days=1), zone))
    month = bounds_of(month_of(now, zone), zone)
    balances = await partner_balances(connection, [partner_id])
    return PartnerFigures(
        today=(await read_rows(connection, Payables, _SINCE, (partner_id, *day)))[0],
        month=(await read_rows(connection, Payables, _SINCE, (partner_id, *month)))[0],
        balance_minor=balances.get(partner_id, 0),
        currency=DEFAULT_CURRENCY,
    )


async def partner_balances(connection: AsyncConnection[Any], partner_ids: list[int]) -> dict[int, int]:
    """What is owed to each partner; negative where the partner owes."""
    found = await connection.execute(_BALANCES, (partner_ids,))
    return dict(await found.fetchall())


async def settlement_overview(connection: AsyncConnection[Any], period: str) -> Overview:
    """For operators: the sums of a period, and by state in the order of the table of states."""
    found = await connection.execute(_OVERVIEW, (period,))
    rows = {row[0]: row[1:] for row in await found.fetchall()}
    partners, entries, payable, receivable, net, paid = (sum(row[place] for row in rows.values()) for place in range(6))
    states = [StateFigures(s, rows[s][0], rows[s][4]) for s in STATES if s in rows]
    return Overview(period, partners, entries, payable, receivable, net, paid, states)


async def read_rows(connection: AsyncConnection[Any], row: type[Row], query: str, values: Any) -> list[Row]:
    """All rows of a query as structs."""
    return await fetch_all(connection, row, query, values)


def _read_cursor(after: str | None) -> tuple[datetime | None, int | None]:
    if after is None:
        return None, None
    try:
        at, entry_id = after.split("~")
        return datetime.fromisoformat(at), int(entry_id)
    except ValueError as fault:
        raise InvalidInputError.of_fields({"after": Message(N_("This page mark cannot be read."))}) from fault
