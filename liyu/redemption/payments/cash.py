"""Money in and money back, in the ledger: received for an order; wanted back in a transaction, given back outside of one."""

from datetime import datetime
from typing import Any

import structlog
from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.database import fetch_one
from liyu.core.jobs import defer
from liyu.core.ledger.posting import TransferRow, post_transfers, reserve_ids, system_account
from liyu.redemption.payments.errors import ProviderRefusedError
from liyu.redemption.payments.provider import Paid, Provider

RECEIVED, HELD_BY_PROVIDER = "payments_received", "payment_provider"
"""System accounts: what members have paid, and where it is. Made for each currency at its first use."""

log = structlog.get_logger()


class Received(Struct, frozen=True):
    """The payment that captured an order."""

    intent_id: str
    amount_minor: int
    refunded_minor: int
    currency: str

    @property
    def left_minor(self) -> int:
        """What has not gone back."""
        return self.amount_minor - self.refunded_minor


class WantedRefund(Struct, frozen=True):
    """Money that is to go back."""

    id: int
    key: str
    intent_id: str
    amount_minor: int
    currency: str
    number: str
    actor: str


_WANTED = """
    SELECT f.id, f.key, f.intent_id, f.amount_minor, p.currency, r.number, f.actor
    FROM payment_refund f JOIN payment p ON p.intent_id = f.intent_id JOIN redemption r ON r.id = p.redemption_id
    WHERE f.state = 'wanted'"""


async def receive(
    connection: AsyncConnection[Any], redemption_id: int, number: str, paid: Paid, *, captures: bool, now: datetime
) -> bool:
    """Book money that arrived, once for each PaymentIntent: false when it was booked before."""
    booked = await connection.execute(
        "INSERT INTO payment (intent_id, redemption_id, amount_minor, currency, captures, refunded_minor, received_at) "
        "VALUES (%s, %s, %s, %s, %s, 0, %s) ON CONFLICT (intent_id) DO NOTHING",
        (paid.intent_id, redemption_id, paid.amount_minor, paid.currency, captures, now),
    )
    if not booked.rowcount:
        return False
    await _book(connection, paid.currency, paid.amount_minor, "payment", paid.intent_id, number, "stripe", now)
    return True


async def find_received(connection: AsyncConnection[Any], redemption_id: int) -> Received | None:
    """The payment that captured an order, under lock."""
    return await fetch_one(
        connection,
        Received,
        "SELECT intent_id, amount_minor, refunded_minor, currency FROM payment "
        "WHERE redemption_id = %s AND captures FOR UPDATE",
        (redemption_id,),
    )


async def want_back(
    connection: AsyncConnection[Any],
    intent_id: str,
    amount_minor: int,
    *,
    points: int = 0,
    reason: str,
    actor: str,
    now: datetime,
) -> int:
    """Order that money goes back; a job does it after the commit. The id of the refund.

    Raises psycopg's CheckViolation when more would go back than was paid.
    """
    refund_id = await _note(connection, intent_id, amount_minor, points, reason, actor, "wanted", now)
    await defer(connection, "refund_payment", refund_id=refund_id)
    return refund_id


async def note_made_elsewhere(
    connection: AsyncConnection[Any], received: Received, number: str, amount_minor: int, points: int, now: datetime
) -> int:
    """Book a refund that somebody made with the provider itself. The id of the refund."""
    actor = "stripe"
    refund_id = await _note(connection, received.intent_id, amount_minor, points, "at_provider", actor, "made", now)
    await _book(connection, received.currency, -amount_minor, "payment_refund", str(refund_id), number, actor, now)
    return refund_id


async def refund(connection: AsyncConnection[Any], provider: Provider, refund_id: int, now: datetime) -> None:
    """Give money back that is wanted back; a second time changes nothing. The connection is in no transaction.

    Raises ProviderUnreachableError; then it is still wanted.
    """
    wanted = await fetch_one(connection, WantedRefund, f"{_WANTED} AND f.id = %s", (refund_id,))
    if wanted is None:
        return
    try:
        provider_id = await provider.refund(wanted.intent_id, wanted.amount_minor, wanted.key)
    except ProviderRefusedError as refusal:
        fault = str(refusal.values["fault"])
        log.error("refund_refused", redemption=wanted.number, refund=wanted.key, fault=fault)
        await connection.execute(
            "UPDATE payment_refund SET state = 'failed', fault = %s, done_at = %s WHERE id = %s AND state = 'wanted'",
            (fault, now, refund_id),
        )
        return
    async with connection.transaction():
        made = await connection.execute(
            "UPDATE payment_refund SET state = 'made', provider_id = %s, done_at = %s WHERE id = %s AND state = 'wanted'",
            (provider_id, now, refund_id),
        )
        if made.rowcount:
            await _book(
                connection, wanted.currency, -wanted.amount_minor, "payment_refund", str(refund_id), wanted.number, wanted.actor,
                now,
            )  # fmt: skip


async def list_wanted(connection: AsyncConnection[Any], before: datetime, most: int) -> list[int]:
    """Refunds that have been wanted since before an instant: their jobs have given up."""
    found = await connection.execute(
        "SELECT id FROM payment_refund WHERE state = 'wanted' AND wanted_at < %s ORDER BY id LIMIT %s", (before, most)
    )
    return [row[0] for row in await found.fetchall()]


async def _note(
    connection: AsyncConnection[Any],
    intent_id: str,
    amount_minor: int,
    points: int,
    reason: str,
    actor: str,
    state: str,
    now: datetime,
) -> int:
    await connection.execute(
        "UPDATE payment SET refunded_minor = refunded_minor + %s WHERE intent_id = %s", (amount_minor, intent_id)
    )
    (refund_id,) = await reserve_ids(connection, "payment_refund", 1)
    await connection.execute(
        "INSERT INTO payment_refund (id, key, intent_id, amount_minor, points, reason, actor, state, wanted_at, done_at) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (refund_id, f"refund:{intent_id}:{refund_id}", intent_id, amount_minor, points, reason, actor, state, now,
         now if state == "made" else None),
    )  # fmt: skip
    return refund_id


async def _book(
    connection: AsyncConnection[Any],
    currency: str,
    amount: int,
    event: str,
    key: str,
    number: str,
    actor: str,
    now: datetime,
) -> None:
    """One transfer between what was received and where it is; a negative amount goes back."""
    received = await system_account(connection, RECEIVED, currency)
    provider = await system_account(connection, HELD_BY_PROVIDER, currency)
    debit, credit = (received, provider) if amount > 0 else (provider, received)
    (transfer_id,) = await reserve_ids(connection, "transfer", 1)
    await post_transfers(
        connection,
        [
            TransferRow(
                id=transfer_id, debit_account_id=debit, credit_account_id=credit, amount=abs(amount), unit=currency, event=event,
                source=number, reason=event, actor=actor, key=f"{event}:{key}", at=now,
            )
        ],
    )  # fmt: skip
