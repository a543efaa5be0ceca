"""Payouts: one person prepares, another one pays, at most once for each statement (docs/rules.md 14).

A statement that leaves nothing to pay is closed, and its balance stays on the partner's account. Such a debt is taken off
the partner's next payout: what is carried = the net of the closed statements, less what payouts have taken off already.
"""

from datetime import date, datetime
from typing import Any

from psycopg import AsyncConnection
from psycopg.errors import UniqueViolation

from liyu.core.errors import InvalidInputError
from liyu.core.i18n import N_, Message
from liyu.partners.settlement.errors import (
    AlreadyPaidError,
    BankReferenceUsedError,
    NothingToPayError,
    PayoutExistsError,
    SamePersonError,
    SomethingToPayError,
    StatementStateError,
    UnknownPayoutError,
    UnknownStatementError,
)
from liyu.partners.settlement.settle import record_transition
from liyu.partners.settlement.states import CARRIED_OVER, may_become, name_of

# The partner's row is the lock of what is carried: two statements must not take off the same debt.
_LOCK_PARTNER = """
    SELECT id FROM partner WHERE id = (SELECT partner_id FROM statement WHERE id = %s) FOR NO KEY UPDATE"""

_LOCK_STATEMENT = "SELECT state, net_minor, currency FROM statement WHERE id = %s FOR NO KEY UPDATE"

CARRIED = """
    SELECT (coalesce((SELECT sum(net_minor) FROM statement WHERE partner_id = %(partner)s AND state = 'closed'), 0)
        - coalesce((SELECT sum(o.carried_minor) FROM payout o JOIN statement s ON s.id = o.statement_id
                    WHERE s.partner_id = %(partner)s), 0))::bigint"""

_PREPARE = """
    INSERT INTO payout
        (statement_id, amount_minor, carried_minor, currency, state, prepared_by, prepared_at, due_on)
    VALUES (%s, %s, %s, %s, 'prepared', %s, %s, %s) ON CONFLICT (statement_id) DO NOTHING RETURNING id"""

_LOCK_PAYOUT = """
    SELECT o.statement_id, o.amount_minor, o.currency, o.state, o.prepared_by, s.number, s.state AS statement_state,
        a.id AS account, b.id AS bank
    FROM payout o JOIN statement s ON s.id = o.statement_id
    JOIN account a ON a.partner_id = s.partner_id AND a.kind = 'partner_payable' AND a.unit = o.currency
    JOIN account b ON b.kind = 'bank' AND b.unit = o.currency AND b.member_id IS NULL AND b.partner_id IS NULL
    WHERE o.id = %s FOR NO KEY UPDATE OF s, o"""

_PAY = """
    WITH moved AS (
        INSERT INTO transfer (debit_account_id, credit_account_id, amount, unit, event, source, reason, actor, key, at)
        VALUES (%(account)s, %(bank)s, %(amount)s, %(currency)s, 'partner_payout', %(source)s, %(reference)s, %(actor)s,
            'partner_payout:' || %(source)s, %(now)s)
        RETURNING id)
    UPDATE payout SET state = 'paid', approved_by = %(actor)s, paid_at = %(now)s, bank_reference = %(reference)s,
        transfer_id = (SELECT id FROM moved)
    WHERE id = %(payout)s"""

LONGEST_REFERENCE = 100


async def prepare_payout(
    connection: AsyncConnection[Any], statement_id: int, *, actor: str, now: datetime, due_on: date
) -> int:
    """Propose to pay an approved statement, less the debt carried from earlier ones, and return the payout's id.

    Raises UnknownStatementError, StatementStateError, NothingToPayError, PayoutExistsError.
    """
    state, net, carried, currency = await _lock(connection, statement_id)
    if not may_become(state, "paid"):
        raise StatementStateError(state=name_of(state), wanted=name_of("paid"))
    if net + carried <= 0:
        raise NothingToPayError
    saved = await connection.execute(_PREPARE, (statement_id, net + carried, carried, currency, actor, now, due_on))
    row = await saved.fetchone()
    if row is None:
        raise PayoutExistsError
    return int(row[0])


async def carry_over(connection: AsyncConnection[Any], statement_id: int, *, actor: str, now: datetime) -> None:
    """Close an approved statement that leaves nothing to pay; its balance stays on the partner's account.

    Raises UnknownStatementError, StatementStateError, SomethingToPayError.
    """
    state, net, carried, _ = await _lock(connection, statement_id)
    if not may_become(state, "closed"):
        raise StatementStateError(state=name_of(state), wanted=name_of("closed"))
    promised = await connection.execute("SELECT FROM payout WHERE statement_id = %s", (statement_id,))
    if net + carried > 0 or promised.rowcount:
        raise SomethingToPayError
    await connection.execute("UPDATE statement SET state = 'closed' WHERE id = %s", (statement_id,))
    await record_transition(connection, statement_id, state, "closed", CARRIED_OVER, actor, now)


async def approve_and_pay(
    connection: AsyncConnection[Any], payout_id: int, *, bank_reference: str, actor: str, now: datetime
) -> None:
    """A second person has sent the money: the ledger moves from the partner's account to the bank, once.

    Raises UnknownPayoutError, AlreadyPaidError, StatementStateError, SamePersonError for the one who prepared it,
    InvalidInputError without a bank reference, BankReferenceUsedError.
    """
    reference = bank_reference.strip()
    if not 0 < len(reference) <= LONGEST_REFERENCE:
        raise InvalidInputError.of_fields({"bank_reference": Message(N_("Enter the reference of the bank transfer."))})
    found = await connection.execute(_LOCK_PAYOUT, (payout_id,))
    row = await found.fetchone()
    if row is None:
        raise UnknownPayoutError
    statement_id, amount, currency, state, prepared_by, number, statement_state, account, bank = row
    if state == "paid":
        raise AlreadyPaidError
    if not may_become(statement_state, "paid"):
        raise StatementStateError(state=name_of(statement_state), wanted=name_of("paid"))
    if prepared_by == actor:
        raise SamePersonError
    values = {
        "account": account, "bank": bank, "amount": amount, "currency": currency, "source": f"statement:{number}",
        "reference": reference, "actor": actor, "now": now, "payout": payout_id,
    }  # fmt: skip
    try:
        async with connection.transaction():
            await connection.execute(_PAY, values)
    except UniqueViolation as fault:
        if fault.diag.constraint_name == "uq_payout_bank_reference":
            raise BankReferenceUsedError from fault
        raise
    await connection.execute("UPDATE statement SET state = 'paid' WHERE id = %s", (statement_id,))
    await record_transition(connection, statement_id, statement_state, "paid", reference, actor, now)


async def _lock(connection: AsyncConnection[Any], statement_id: int) -> tuple[str, int, int, str]:
    """Lock partner and statement, in this order: state, net, what is carried (0 or less), currency."""
    locked = await (await connection.execute(_LOCK_PARTNER, (statement_id,))).fetchone()
    if locked is None:
        raise UnknownStatementError
    found = await (await connection.execute(_LOCK_STATEMENT, (statement_id,))).fetchone()
    carried = await (await connection.execute(CARRIED, {"partner": locked[0]})).fetchone()
    assert found is not None
    assert carried is not None
    return found[0], found[1], int(carried[0]), found[2]
