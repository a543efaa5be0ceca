"""What a verification does to the partner's account, in the transaction of the verification (DESIGN §4 "Verify")."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import AsyncConnection

from liyu.core.ledger.posting import partner_account
from liyu.partners.settlement.errors import UnknownLineError
from liyu.partners.settlement.periods import month_of
from liyu.partners.settlement.terms import unit_of

_TERMS = """
    SELECT l.partner_id, l.mode, l.unit_price_minor, l.commission_minor, l.free_quota, l.currency, c.id, a.id
    FROM agreement_line l
    JOIN account c ON c.kind = 'rights_cost' AND c.unit = l.currency AND c.member_id IS NULL AND c.partner_id IS NULL
    LEFT JOIN account a ON a.partner_id = l.partner_id AND a.kind = 'partner_payable' AND a.unit = l.currency
    WHERE l.id = %s"""

# The quota's row is the lock: whoever finds it used up does not count, and pays the price.
_ACCRUE = """
    WITH taken AS (
        INSERT INTO quota_use AS q (agreement_line_id, month, used)
        SELECT %(line)s, %(month)s, 1 WHERE %(quota)s::bigint > 0
        ON CONFLICT (agreement_line_id, month) DO UPDATE SET used = q.used + 1 WHERE q.used < %(quota)s
        RETURNING month),
    priced AS (
        SELECT (SELECT month FROM taken) AS quota_month,
            CASE WHEN EXISTS (SELECT FROM taken) THEN 0 ELSE %(unit)s::bigint END AS amount),
    moved AS (
        INSERT INTO transfer (debit_account_id, credit_account_id, amount, unit, event, source, reason, actor, key, at)
        SELECT CASE WHEN amount > 0 THEN %(cost)s::bigint ELSE %(account)s::bigint END,
            CASE WHEN amount > 0 THEN %(account)s::bigint ELSE %(cost)s::bigint END,
            abs(amount), %(currency)s, 'partner_use', %(source)s, %(mode)s, %(actor)s, 'partner_use:' || %(source)s, %(at)s
        FROM priced WHERE amount <> 0 RETURNING id)
    INSERT INTO payable_entry
        (partner_id, agreement_line_id, kind, source, quantity, free, amount_minor, transfer_id, quota_month, at)
    SELECT %(partner)s, %(line)s, 'use', %(source)s, 1, quota_month IS NOT NULL, amount, (SELECT id FROM moved),
        quota_month, %(at)s
    FROM priced"""

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


async def accrue_use(
    connection: AsyncConnection[Any],
    *,
    agreement_line_id: int | None,
    source: str,
    at: datetime,
    actor: str,
    zone: ZoneInfo,
) -> None:
    """Write what one use of a right is worth under the version of the agreement that it was priced with.

    `source` names the event, `verification:12`. Nothing happens for a right without an agreement. A use that costs nothing
    (bulk purchase, free quota of the month in `zone`) is a memo entry of 0. Two statements, three at a partner's first use.
    Raises UnknownLineError, and psycopg's UniqueViolation when the source was accrued before.
    """
    if agreement_line_id is None:
        return
    found = await connection.execute(_TERMS, (agreement_line_id,))
    row = await found.fetchone()
    if row is None:
        raise UnknownLineError
    partner_id, mode, unit_price, commission, quota, currency, cost, account = row
    await connection.execute(
        _ACCRUE,
        {
            "line": agreement_line_id,
            "month": month_of(at, zone),
            "quota": quota if mode == "free_quota" else 0,
            "unit": unit_of(mode, unit_price, commission),
            "cost": cost,
            "account": account or await partner_account(connection, partner_id, currency),
            "currency": currency,
            "source": source,
            "mode": mode,
            "actor": actor,
            "at": at,
            "partner": partner_id,
        },
    )


async def reverse_use(connection: AsyncConnection[Any], *, source: str, at: datetime, actor: str) -> None:
    """Take an accrued use back: the mirrored entry `undo`, a reversing transfer, and a free use back to its own month.

    The entry belongs to the month of `at`. Nothing happens for a source that was never accrued (a right without an
    agreement). Raises psycopg's UniqueViolation when it was taken back before.
    """
    await connection.execute(_REVERSE, {"source": source, "at": at, "actor": actor})
