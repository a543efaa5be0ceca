"""Summing entries in the database: the same figures as `statement.py`, for all partners in one query."""

from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.bulk import encode_rows, record_of
from liyu.core.database import fetch_all, fetch_one
from liyu.core.money import DEFAULT_CURRENCY
from liyu.partners.settlement.errors import BooksDifferError, UnknownStatementError
from liyu.partners.settlement.statement import (
    Bounds,
    DraftLine,
    Group,
    Period,
    StatementDraft,
    draft_statement,
)
from liyu.partners.settlement.terms import Terms

IN_BOUNDS = """e.at < s.ends_at AND e.id <= s.watermark
    AND (s.previous_ends_at IS NULL OR e.at >= s.previous_ends_at OR e.id > s.previous_watermark)"""
"""`statement.belongs` in SQL, for an entry `e` and a row `s` with the four bounds."""


class Scope(Struct):
    """For which partner, and within which bounds, entries are summed."""

    partner_id: int
    partner: str
    account_id: int | None
    ends_at: datetime
    watermark: int
    previous_ends_at: datetime | None
    previous_watermark: int


class _GroupRow(Struct):
    partner_id: int
    agreement_line_id: int
    quantity: int
    free_quantity: int
    amount_minor: int
    entries: int
    last_id: int


_BARRIER = "LOCK TABLE payable_entry IN SHARE MODE"

_WATERMARK = "SELECT coalesce(max(id), 0) FROM payable_entry"

_SUM = f"""
    SELECT s.partner_id, e.agreement_line_id, sum(e.quantity)::bigint AS quantity,
        coalesce(sum(e.quantity) FILTER (WHERE e.free), 0)::bigint AS free_quantity,
        sum(e.amount_minor)::bigint AS amount_minor, count(*) AS entries, max(e.id) AS last_id
    FROM (SELECT * FROM {record_of(Scope)}) AS s JOIN payable_entry e ON {{join}}
    WHERE {IN_BOUNDS}
    GROUP BY s.partner_id, e.agreement_line_id"""

_SUM_OF_ONE = _SUM.format(join="e.partner_id = s.partner_id")

# A month of all partners is most of the table: `+ 0` keeps the planner from fetching it row by row through an index, which
# takes five times as long as reading it in one go.
_SUM_OF_MANY = _SUM.format(join="e.partner_id + 0 = s.partner_id")

_MOVED = f"""
    SELECT coalesce(sum(CASE s.account_id WHEN t.credit_account_id THEN t.amount WHEN t.debit_account_id THEN -t.amount END), 0)
        ::bigint
    FROM (SELECT * FROM {record_of(Scope)}) AS s JOIN payable_entry e ON e.partner_id = s.partner_id
    JOIN transfer t ON t.id = e.transfer_id
    WHERE {IN_BOUNDS}"""

_TERMS = """
    SELECT id, partner_id, code, version, mode, currency, unit_price_minor, commission_minor, free_quota
    FROM agreement_line WHERE id = ANY(%s)"""

_STATEMENT = """
    SELECT s.partner_id, p.code AS partner, a.id AS account_id, s.ends_at, s.watermark, s.previous_ends_at,
        s.previous_watermark, s.period, s.currency, s.number, s.payable_minor, s.receivable_minor, s.net_minor, s.entries,
        s.digest
    FROM statement s JOIN partner p ON p.id = s.partner_id
    LEFT JOIN account a ON a.partner_id = s.partner_id AND a.kind = 'partner_payable' AND a.unit = s.currency
    WHERE s.id = %s"""

_LINES = """
    SELECT s.position, s.agreement_line_id, l.code, l.version, l.mode, s.quantity, s.free_quantity, s.unit_minor,
        s.amount_minor
    FROM statement_line s JOIN agreement_line l ON l.id = s.agreement_line_id WHERE s.statement_id = %s ORDER BY s.position"""


class _StatementRow(Struct):
    partner_id: int
    partner: str
    account_id: int | None
    ends_at: datetime
    watermark: int
    previous_ends_at: datetime | None
    previous_watermark: int
    period: str
    currency: str
    number: str
    payable_minor: int
    receivable_minor: int
    net_minor: int
    entries: int
    digest: str


class StatementProof(Struct, frozen=True):
    """A statement next to what its entries and the ledger say today."""

    number: str
    digest: str
    recomputed_digest: str
    lines_agree: bool
    totals_agree: bool
    net_minor: int
    entries_minor: int
    """The sum of its entries."""
    moved_minor: int
    """The change of the partner's account by the transfers of those entries."""

    @property
    def agrees(self) -> bool:
        """Sum of lines = sum of entries = change of the account, and the digest is the same (docs/rules.md 13)."""
        return (
            self.lines_agree
            and self.totals_agree
            and self.digest == self.recomputed_digest
            and self.net_minor == self.entries_minor == self.moved_minor
        )


async def read_watermark(connection: AsyncConnection[Any]) -> int:
    """The last payable entry, once no transaction is under way that could still commit an entry with a lower id.

    The lock is let go at once: verifications wait only while those already under way finish. Ids come from the sequence
    within the inserting statement, that is under its lock on the table, so none is given but not yet seen. The connection
    must be READ COMMITTED, which is PostgreSQL's default.
    """
    async with connection.transaction(force_rollback=True):
        await connection.execute(_BARRIER)
    found = await connection.execute(_WATERMARK)
    row = await found.fetchone()
    assert row is not None
    return int(row[0])


async def compute_statements(
    connection: AsyncConnection[Any], period: str, scopes: list[Scope]
) -> dict[int, StatementDraft]:
    """The statements of all partners that have entries within their bounds, by partner id.

    Raises BooksDifferError when lines and entries of a partner do not agree. That entries and transfers agree is
    enforced by the database with each entry, and recomputed by `verify_statement` (docs/rules.md 13).
    """
    groups = await _sum_entries(connection, scopes)
    terms = await _load_terms(connection, {group.agreement_line_id for rows in groups.values() for group in rows})
    drafts = {}
    for scope in scopes:
        rows = groups.get(scope.partner_id)
        if not rows:
            continue
        drafts[scope.partner_id] = _draft(scope, period, rows, terms)
    return drafts


async def verify_statement(connection: AsyncConnection[Any], statement_id: int) -> StatementProof:
    """Recompute a statement from its entries, the terms and the ledger. Raises UnknownStatementError."""
    stored = await fetch_one(connection, _StatementRow, _STATEMENT, (statement_id,))
    if stored is None:
        raise UnknownStatementError
    lines = await fetch_all(connection, DraftLine, _LINES, (statement_id,))
    scope = Scope(
        stored.partner_id, stored.partner, stored.account_id, stored.ends_at, stored.watermark, stored.previous_ends_at,
        stored.previous_watermark,
    )  # fmt: skip
    rows = (await _sum_entries(connection, [scope])).get(scope.partner_id, [])
    terms = await _load_terms(connection, {row.agreement_line_id for row in rows})
    moved = await (await connection.execute(_MOVED, (encode_rows([scope]),))).fetchone()
    try:
        draft = _draft(scope, stored.period, rows, terms)
    except BooksDifferError:
        draft = None
    return StatementProof(
        number=stored.number,
        digest=stored.digest,
        recomputed_digest=draft.digest if draft else "",
        lines_agree=draft is not None and draft.lines == lines,
        totals_agree=draft is not None
        and (draft.payable_minor, draft.receivable_minor, draft.net_minor, draft.entries, draft.watermark)
        == (stored.payable_minor, stored.receivable_minor, stored.net_minor, stored.entries, stored.watermark),
        net_minor=stored.net_minor,
        entries_minor=sum(row.amount_minor for row in rows),
        moved_minor=moved[0] if moved else 0,
    )


def _draft(scope: Scope, period: str, rows: list[_GroupRow], terms: dict[int, Terms]) -> StatementDraft:
    groups = [
        Group(r.agreement_line_id, r.quantity, r.free_quantity, r.amount_minor, r.entries, r.last_id) for r in rows
    ]
    bounds = Bounds(scope.ends_at, scope.previous_ends_at, scope.previous_watermark)
    own = [terms[group.agreement_line_id] for group in groups]
    return draft_statement(own, groups, Period(scope.partner, period, DEFAULT_CURRENCY, bounds))


async def _sum_entries(connection: AsyncConnection[Any], scopes: list[Scope]) -> dict[int, list[_GroupRow]]:
    query = _SUM_OF_ONE if len(scopes) == 1 else _SUM_OF_MANY
    found: dict[int, list[_GroupRow]] = {}
    for row in await fetch_all(connection, _GroupRow, query, (encode_rows(scopes),)):
        found.setdefault(row.partner_id, []).append(row)
    return found


async def _load_terms(connection: AsyncConnection[Any], line_ids: set[int]) -> dict[int, Terms]:
    return {one.id: one for one in await fetch_all(connection, Terms, _TERMS, (sorted(line_ids),))}
