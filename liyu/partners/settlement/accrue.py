"""What verifications do to partners' accounts, in the transaction of the verifications."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.bulk import encode_rows, record_of
from liyu.core.ledger.posting import partner_account
from liyu.partners.settlement.errors import UnknownLineError
from liyu.partners.settlement.periods import month_of
from liyu.partners.settlement.terms import unit_of


class Use(Struct, frozen=True):
    """One use of a right. `source` names the event, `verification:12`."""

    agreement_line_id: int
    source: str
    actor: str


class PricedLine(Struct, frozen=True):
    """The version of an agreement line, with the accounts between which its uses move money; none of it ever changes."""

    id: int
    partner_id: int
    mode: str
    unit_minor: int
    """What a use that is not free adds to the partner's account; negative where the partner owes."""
    quota: int
    """Uses of a month that are free."""
    currency: str
    cost_account: int
    account: int


class _EntryRow(Struct):
    partner_id: int
    agreement_line_id: int
    source: str
    free: bool
    amount_minor: int
    quota_month: str | None
    debit: int
    credit: int
    unit: str
    mode: str
    actor: str


_LINES = """
    SELECT l.id, l.partner_id, l.mode, l.unit_price_minor, l.commission_minor, l.free_quota, l.currency, c.id, a.id
    FROM agreement_line l
    JOIN account c ON c.kind = 'rights_cost' AND c.unit = l.currency AND c.member_id IS NULL AND c.partner_id IS NULL
    LEFT JOIN account a ON a.partner_id = l.partner_id AND a.kind = 'partner_payable' AND a.unit = l.currency
    WHERE l.id = ANY(%(lines)s)"""

# The row of a month's quota is the lock: whoever comes later counts on from what was taken before.
_OPEN_QUOTAS = """
    INSERT INTO quota_use (agreement_line_id, month, used) SELECT line, %(month)s, 0 FROM unnest(%(lines)s::bigint[]) AS line
    ORDER BY line ON CONFLICT DO NOTHING"""
_LOCK_QUOTAS = """
    SELECT agreement_line_id, used FROM quota_use WHERE agreement_line_id = ANY(%(lines)s::bigint[]) AND month = %(month)s
    ORDER BY agreement_line_id FOR UPDATE"""
_TAKE_QUOTAS = """
    UPDATE quota_use q SET used = q.used + t.taken
    FROM unnest(%(lines)s::bigint[], %(taken)s::bigint[]) AS t(line, taken)
    WHERE q.agreement_line_id = t.line AND q.month = %(month)s"""

_WRITE = f"""
    WITH entries AS MATERIALIZED (
        SELECT *, CASE WHEN amount_minor <> 0 THEN nextval('transfer_id_seq') END AS transfer_id
        FROM {record_of(_EntryRow, "%(rows)s")}),
    moved AS (
        INSERT INTO transfer (id, debit_account_id, credit_account_id, amount, unit, event, source, reason, actor, key, at)
        SELECT transfer_id, debit, credit, abs(amount_minor), unit, 'partner_use', source, mode, actor,
            'partner_use:' || source, %(at)s
        FROM entries WHERE transfer_id IS NOT NULL)
    INSERT INTO payable_entry
        (partner_id, agreement_line_id, kind, source, quantity, free, amount_minor, transfer_id, quota_month, at)
    SELECT partner_id, agreement_line_id, 'use', source, 1, free, amount_minor, transfer_id, quota_month, %(at)s FROM entries"""

_REVERSE = """
    WITH used AS (
        SELECT e.*, t.debit_account_id, t.credit_account_id, t.amount, t.unit FROM payable_entry e
        LEFT JOIN transfer t ON t.id = e.transfer_id WHERE e.source = %(source)s AND e.kind = 'use'),
    given_back AS (
        UPDATE quota_use q SET used = q.used - 1 FROM used u
        WHERE q.agreement_line_id = u.agreement_line_id AND q.month = u.quota_month),
    moved AS (
        INSERT INTO transfer
            (debit_account_id, credit_account_id, amount, unit, event, source, reason, actor, key, reversal_of, at)
        SELECT credit_account_id, debit_account_id, amount, unit, 'partner_undo', source, 'undo', %(actor)s,
            'partner_undo:' || source, transfer_id, %(at)s
        FROM used WHERE transfer_id IS NOT NULL RETURNING id)
    INSERT INTO payable_entry
        (partner_id, agreement_line_id, kind, source, quantity, free, amount_minor, transfer_id, quota_month, at)
    SELECT partner_id, agreement_line_id, 'undo', source, -quantity, free, -amount_minor, (SELECT id FROM moved),
        quota_month, %(at)s
    FROM used"""


async def load_lines(connection: AsyncConnection[Any], ids: Iterable[int]) -> dict[int, PricedLine]:
    """The lines by id; a partner's account is made at its first use. Raises UnknownLineError."""
    wanted = sorted(set(ids))
    found = await connection.execute(_LINES, {"lines": wanted})
    lines = {
        row[0]: PricedLine(
            id=row[0],
            partner_id=row[1],
            mode=row[2],
            unit_minor=unit_of(row[2], row[3], row[4]),
            quota=row[5] if row[2] == "free_quota" else 0,
            currency=row[6],
            cost_account=row[7],
            account=row[8] or await partner_account(connection, row[1], row[6]),
        )
        for row in await found.fetchall()
    }
    if len(lines) < len(wanted):
        raise UnknownLineError
    return lines


async def accrue_uses(
    connection: AsyncConnection[Any],
    uses: Sequence[Use],
    lines: Mapping[int, PricedLine],
    *,
    at: datetime,
    zone: ZoneInfo,
) -> None:
    """Write what uses are worth, each under the version of the agreement that it was priced with: one statement for all.

    A use that costs nothing (bulk purchase, free quota of the month in `zone`) is a memo entry of 0. Lines with a free quota take
    three statements more, for the count of their month. Raises psycopg's UniqueViolection when a source was accrued before.
    """
    month = month_of(at, zone)
    limited = sorted({use.agreement_line_id for use in uses if lines[use.agreement_line_id].quota})
    left = await _lock_quotas(connection, lines, limited, month) if limited else {}
    before = dict(left)
    rows = [_price(use, lines[use.agreement_line_id], left, month) for use in uses]
    if limited:
        taken = [before[line] - left[line] for line in limited]
        await connection.execute(_TAKE_QUOTAS, {"lines": limited, "taken": taken, "month": month})
    await connection.execute(_WRITE, {"rows": encode_rows(rows), "at": at})


async def _lock_quotas(
    connection: AsyncConnection[Any], lines: Mapping[int, PricedLine], limited: list[int], month: str
) -> dict[int, int]:
    """Free uses that are left of the month, by line; nobody else counts until the transaction ends."""
    values = {"lines": limited, "month": month}
    await connection.execute(_OPEN_QUOTAS, values)
    locked = await connection.execute(_LOCK_QUOTAS, values)
    return {line: max(lines[line].quota - used, 0) for line, used in await locked.fetchall()}


def _price(use: Use, line: PricedLine, left: dict[int, int], month: str) -> _EntryRow:
    """The entry of one use, which takes a free one where one is left."""
    is_free = left.get(line.id, 0) > 0
    if is_free:
        left[line.id] -= 1
    amount = 0 if is_free else line.unit_minor
    debit, credit = (line.cost_account, line.account) if amount > 0 else (line.account, line.cost_account)
    return _EntryRow(
        line.partner_id, line.id, use.source, is_free, amount, month if is_free else None, debit, credit, line.currency,
        line.mode, use.actor,
    )  # fmt: skip


async def accrue_use(
    connection: AsyncConnection[Any],
    *,
    agreement_line_id: int | None,
    source: str,
    at: datetime,
    actor: str,
    zone: ZoneInfo,
) -> None:
    """Write what one use is worth; nothing happens for a right without an agreement. Raises what `accrue_uses` raises."""
    if agreement_line_id is not None:
        lines = await load_lines(connection, [agreement_line_id])
        await accrue_uses(connection, [Use(agreement_line_id, source, actor)], lines, at=at, zone=zone)


async def reverse_use(connection: AsyncConnection[Any], *, source: str, at: datetime, actor: str) -> None:
    """Take an accrued use back: the mirrored entry `undo`, a reversing transfer, and a free use back to its own month.

    The entry belongs to the month of `at`. Nothing happens for a source that was never accrued (a right without an
    agreement). Raises psycopg's UniqueViolation when it was taken back before.
    """
    await connection.execute(_REVERSE, {"source": source, "at": at, "actor": actor})
