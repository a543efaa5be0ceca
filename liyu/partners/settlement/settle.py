"""Statements are prepared for all partners at once, sent, confirmed by the partner and approved by a second person.

Locks are taken in this order: partners by id, statements by id, payouts by id.
"""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.bulk import encode_rows, insert_of, record_of
from liyu.core.database import fetch_all
from liyu.core.ids import make_number
from liyu.partners.errors import UnknownPartnerCodeError
from liyu.partners.settlement.compute import Scope, compute_statements, read_watermark, verify_statement
from liyu.partners.settlement.errors import (
    BooksDifferError,
    PeriodNotOverError,
    SamePersonError,
    StatementStateError,
    UnknownStatementError,
)
from liyu.partners.settlement.periods import bounds_of
from liyu.partners.settlement.statement import StatementDraft
from liyu.partners.settlement.states import may_become, name_of


class Prepared(Struct, frozen=True):
    """What a run of a period did; the numbers of its statements."""

    period: str
    made: list[str]
    recalculated: list[str]
    unchanged: list[str]
    """Drafts to which nothing came since they were made."""


class _Candidate(Struct):
    partner_id: int
    partner: str
    account_id: int | None
    previous_ends_at: datetime | None
    previous_watermark: int
    statement_id: int | None
    number: str | None
    digest: str | None


class _StatementRow(Struct):
    number: str
    partner_id: int
    period: str
    currency: str
    state: str
    payable_minor: int
    receivable_minor: int
    net_minor: int
    entries: int
    ends_at: datetime
    watermark: int
    previous_ends_at: datetime | None
    previous_watermark: int
    digest: str
    prepared_by: str
    prepared_at: datetime


class _LineRow(Struct):
    statement_id: int
    position: int
    agreement_line_id: int
    quantity: int
    free_quantity: int
    unit_minor: int
    amount_minor: int


class TransitionRow(Struct):
    """One change of a statement's state."""

    statement_id: int
    from_state: str | None
    to_state: str
    reason: str
    actor: str
    at: datetime


_LOCK_PARTNERS = (
    "SELECT id FROM partner WHERE %(partner)s::text IS NULL OR code = %(partner)s ORDER BY id FOR NO KEY UPDATE"
)

# Left out: partners whose statement of the period was sent already, and those with a later one, which builds on this one.
_CANDIDATES = """
    SELECT p.id AS partner_id, p.code AS partner, a.id AS account_id, b.ends_at AS previous_ends_at,
        coalesce(b.watermark, 0) AS previous_watermark, s.id AS statement_id, s.number, s.digest
    FROM partner p
    LEFT JOIN account a ON a.partner_id = p.id AND a.kind = 'partner_payable' AND a.unit = 'CNY'
    LEFT JOIN statement s ON s.partner_id = p.id AND s.period = %(period)s
    LEFT JOIN LATERAL (
        SELECT ends_at, watermark FROM statement WHERE partner_id = p.id AND period < %(period)s
        ORDER BY period DESC LIMIT 1) AS b ON true
    WHERE p.id = ANY(%(partners)s) AND coalesce(s.state, 'draft') = 'draft'
        AND NOT EXISTS (SELECT FROM statement WHERE partner_id = p.id AND period > %(period)s)
    ORDER BY p.id"""

_INSERT_STATEMENTS = insert_of("statement", _StatementRow) + " RETURNING partner_id, id"

_UPDATE_STATEMENTS = f"""
    UPDATE statement AS s SET payable_minor = r.payable_minor, receivable_minor = r.receivable_minor, net_minor = r.net_minor,
        entries = r.entries, ends_at = r.ends_at, watermark = r.watermark, previous_ends_at = r.previous_ends_at,
        previous_watermark = r.previous_watermark, digest = r.digest, prepared_by = r.prepared_by, prepared_at = r.prepared_at
    FROM {record_of(_StatementRow)} WHERE s.partner_id = r.partner_id AND s.period = r.period
    RETURNING s.partner_id, s.id"""

INSERT_TRANSITIONS = insert_of("statement_transition", TransitionRow)

_LOCK_STATEMENT = """
    SELECT state, prepared_by FROM statement WHERE id = %(id)s AND (%(partner)s::bigint IS NULL OR partner_id = %(partner)s)
    FOR NO KEY UPDATE"""

_MOVE = """
    UPDATE statement SET state = %(wanted)s, approved_by = coalesce(%(approved_by)s, approved_by),
        approved_at = coalesce(%(approved_at)s, approved_at)
    WHERE id = %(id)s"""
_SEND_DRAFTS = """
    WITH due AS (SELECT id FROM statement WHERE period = %(period)s AND state = 'draft' ORDER BY id FOR UPDATE)
    UPDATE statement s SET state = 'sent' FROM due WHERE s.id = due.id RETURNING s.id"""
_SENT = "sent to the partner"


async def prepare_statements(
    connection: AsyncConnection[Any],
    period: str,
    *,
    actor: str,
    now: datetime,
    zone: ZoneInfo,
    partner: str | None = None,
) -> Prepared:
    """Make the statements of a month (`2026-10`, in `zone`) for all partners with entries, or for the one with this code.

    Drafts are recalculated when something came to them; sent statements and those that a later one builds on stay as they
    are. Running it again without anything new changes nothing. Sum of lines = sum of entries = change of the partner's
    account, or nothing is written at all (docs/rules.md 13).

    Raises PeriodNotOverError, InvalidInputError for a month that cannot be read, UnknownPartnerCodeError, BooksDifferError.
    """
    _, ends_at = bounds_of(period, zone)
    if now < ends_at:
        raise PeriodNotOverError(period=period)
    locked = await connection.execute(_LOCK_PARTNERS, {"partner": partner})
    partners = [row[0] for row in await locked.fetchall()]
    if partner is not None and not partners:
        raise UnknownPartnerCodeError(code=partner)
    candidates = {
        one.partner_id: one
        for one in await fetch_all(connection, _Candidate, _CANDIDATES, {"period": period, "partners": partners})
    }
    watermark = await read_watermark(connection)
    scopes = [
        Scope(c.partner_id, c.partner, c.account_id, ends_at, watermark, c.previous_ends_at, c.previous_watermark)
        for c in candidates.values()
    ]
    drafts = await compute_statements(connection, period, scopes)
    return await _save(connection, period, candidates, drafts, actor, now)


async def send_statement(
    connection: AsyncConnection[Any],
    statement_id: int,
    *,
    actor: str,
    now: datetime,
    reason: str = _SENT,
) -> None:
    """Send a draft to the partner; from here on it changes only after it was taken back.

    Raises UnknownStatementError or StatementStateError.
    """
    await _move(connection, statement_id, "sent", reason, actor, now)


async def send_drafts(connection: AsyncConnection[Any], period: str, *, actor: str, now: datetime) -> int:
    """Send every draft of a period to its partner; how many there were."""
    found = await connection.execute(_SEND_DRAFTS, {"period": period})
    sent = [TransitionRow(row[0], "draft", "sent", _SENT, actor, now) for row in await found.fetchall()]
    await connection.execute(INSERT_TRANSITIONS, (encode_rows(sent),))
    return len(sent)


async def take_back_statement(
    connection: AsyncConnection[Any], statement_id: int, *, actor: str, now: datetime, reason: str
) -> None:
    """Make a sent statement a draft again, so that it can be recalculated. Raises as `send_statement`."""
    await _move(connection, statement_id, "draft", reason, actor, now, from_states=("sent",))


async def confirm_statement(
    connection: AsyncConnection[Any],
    partner_id: int,
    statement_id: int,
    *,
    actor: str,
    now: datetime,
    reason: str = "confirmed by the partner",
) -> None:
    """The partner agrees. Raises UnknownStatementError also for another partner's statement, or StatementStateError."""
    await _move(connection, statement_id, "confirmed", reason, actor, now, partner_id=partner_id)


async def approve_statement(
    connection: AsyncConnection[Any], statement_id: int, *, actor: str, now: datetime, reason: str = "approved"
) -> None:
    """A second person approves; from here on the statement is frozen and can be paid.

    Raises UnknownStatementError, StatementStateError, SamePersonError for the one who prepared it (the database refuses
    that too), and BooksDifferError when the statement cannot be recomputed from its entries.
    """
    await _move(connection, statement_id, "approved", reason, actor, now, approved_by=actor)
    proof = await verify_statement(connection, statement_id)
    if not proof.agrees:
        raise BooksDifferError(partner=proof.number)


async def record_transition(
    connection: AsyncConnection[Any],
    statement_id: int,
    state: str,
    wanted: str,
    reason: str,
    actor: str,
    now: datetime,
) -> None:
    """Write down one change of state, with who, when and why."""
    row = TransitionRow(statement_id, state, wanted, reason, actor, now)
    await connection.execute(INSERT_TRANSITIONS, (encode_rows([row]),))


async def _move(
    connection: AsyncConnection[Any],
    statement_id: int,
    wanted: str,
    reason: str,
    actor: str,
    now: datetime,
    *,
    partner_id: int | None = None,
    approved_by: str | None = None,
    from_states: tuple[str, ...] | None = None,
) -> None:
    found = await connection.execute(_LOCK_STATEMENT, {"id": statement_id, "partner": partner_id})
    row = await found.fetchone()
    if row is None:
        raise UnknownStatementError
    state, prepared_by = row
    if not may_become(state, wanted) or (from_states is not None and state not in from_states):
        raise StatementStateError(state=name_of(state), wanted=name_of(wanted))
    if approved_by is not None and approved_by == prepared_by:
        raise SamePersonError
    approved_at = now if approved_by is not None else None
    await connection.execute(
        _MOVE, {"id": statement_id, "wanted": wanted, "approved_by": approved_by, "approved_at": approved_at}
    )
    await record_transition(connection, statement_id, state, wanted, reason, actor, now)


async def _save(
    connection: AsyncConnection[Any],
    period: str,
    candidates: dict[int, _Candidate],
    drafts: dict[int, StatementDraft],
    actor: str,
    now: datetime,
) -> Prepared:
    new: list[_StatementRow] = []
    changed: list[_StatementRow] = []
    unchanged: list[str] = []
    for partner_id, draft in drafts.items():
        candidate = candidates[partner_id]
        if candidate.digest == draft.digest:
            unchanged.append(str(candidate.number))
        else:
            row = _statement_row(partner_id, draft, candidate.number or make_number("S"), actor, now)
            (new if candidate.statement_id is None else changed).append(row)
    ids = dict(await (await connection.execute(_INSERT_STATEMENTS, (encode_rows(new),))).fetchall())
    ids |= dict(await (await connection.execute(_UPDATE_STATEMENTS, (encode_rows(changed),))).fetchall())
    rewritten = [ids[row.partner_id] for row in changed]
    await connection.execute("DELETE FROM statement_line WHERE statement_id = ANY(%s)", (rewritten,))
    lines = [line for row in (*new, *changed) for line in _line_rows(ids[row.partner_id], drafts[row.partner_id])]
    await connection.execute(insert_of("statement_line", _LineRow), (encode_rows(lines),))
    transitions = [TransitionRow(ids[row.partner_id], None, "draft", "prepared", actor, now) for row in new]
    transitions += [TransitionRow(i, "draft", "draft", "recalculated", actor, now) for i in rewritten]
    await connection.execute(INSERT_TRANSITIONS, (encode_rows(transitions),))
    return Prepared(period, [row.number for row in new], [row.number for row in changed], unchanged)


def _statement_row(partner_id: int, draft: StatementDraft, number: str, actor: str, now: datetime) -> _StatementRow:
    bounds = draft.period.bounds
    return _StatementRow(
        number=number,
        partner_id=partner_id,
        period=draft.period.period,
        currency=draft.period.currency,
        state="draft",
        payable_minor=draft.payable_minor,
        receivable_minor=draft.receivable_minor,
        net_minor=draft.net_minor,
        entries=draft.entries,
        ends_at=bounds.ends_at,
        watermark=draft.watermark,
        previous_ends_at=bounds.previous_ends_at,
        previous_watermark=bounds.previous_watermark,
        digest=draft.digest,
        prepared_by=actor,
        prepared_at=now,
    )


def _line_rows(statement_id: int, draft: StatementDraft) -> list[_LineRow]:
    return [
        _LineRow(
            statement_id, line.position, line.agreement_line_id, line.quantity, line.free_quantity, line.unit_minor,
            line.amount_minor,
        )
        for line in draft.lines
    ]  # fmt: skip
