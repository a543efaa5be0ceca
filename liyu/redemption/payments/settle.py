"""What becomes of an order with a cash part: money captures it, or its deadline releases it (docs/algorithms/payments.md).

All ways that money is heard of (webhook, the member's return, the deadline, the sweep) end in `take_money`.
"""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.bulk import encode_rows, insert_of
from liyu.core.clock import local_date, start_of_day
from liyu.core.ledger.posting import reserve_ids
from liyu.redemption.cancel import release_redemption
from liyu.redemption.decide import first_state, gives_vouchers
from liyu.redemption.payments.cash import list_wanted, receive, refund, want_back
from liyu.redemption.payments.errors import ProviderRefusedError, ProviderUnreachableError
from liyu.redemption.payments.holds import (
    CAPTURED,
    Hold,
    decide_hold,
    find_hold,
    list_due,
    list_unclosed,
    lock_hold,
    note_closed,
)
from liyu.redemption.payments.provider import Paid, Provider
from liyu.redemption.topup import orders as top_ups

ACTOR = "stripe"
MOST_AT_ONCE = 500
PATIENCE = timedelta(minutes=10)
"""After so long without its refund a payment is taken up by the sweep: the refund's own job has given up."""

log = structlog.get_logger()


class _VoucherRow(Struct):
    id: int
    redemption_id: int
    member_id: int
    item_id: int
    partner_id: int | None
    agreement_line_id: int | None
    state: str
    uses: int
    uses_allowed: int
    issued_at: datetime
    expires_at: datetime


class Settled(Struct):
    """What one run of the deadline job did."""

    released: int = 0
    closed: int = 0
    refunded: int = 0


async def take_money(connection: AsyncConnection[Any], paid: Paid, now: datetime, zone: ZoneInfo) -> str:
    """Book money that arrived, in a transaction of its own: it captures the order, or is given back. Safe to repeat.

    Returns what came of it: `captured`, `known` (booked before), `foreign` (no order of ours), or why it goes back: `late` for a
    released order, `double` for one that is paid already, `wrong_amount`.
    """
    async with connection.transaction():
        hold = await lock_hold(connection, number=paid.number, intent_id=paid.intent_id)
        if hold is None:
            return "foreign"
        fault = _why_not(hold, paid)
        if not await receive(connection, hold.id, hold.number, paid, captures=fault is None, now=now):
            return "known"
        if fault is None:
            await _capture(connection, hold, now, zone)
            return CAPTURED
        await want_back(connection, paid.intent_id, paid.amount_minor, reason=fault, actor=ACTOR, now=now)
    log.warning("payment_goes_back", redemption=hold.number, reason=fault)
    return fault


async def check_payment(
    connection: AsyncConnection[Any], provider: Provider, number: str, now: datetime, zone: ZoneInfo
) -> None:
    """Ask the provider about one order: for money that no webhook told of, or, once it is decided, to take no more."""
    hold = await find_hold(connection, number)
    if hold is None or hold.closed_at is not None:
        return
    if hold.outcome is None:
        for paid in await provider.look(hold.intent_id, hold.checkout_id):
            await take_money(connection, paid, now, zone)
    else:
        await _close(connection, provider, hold, now, zone)


async def settle_due(
    connection: AsyncConnection[Any], provider: Provider | None, now: datetime, zone: ZoneInfo
) -> Settled:
    """Release what is past its deadline, once the provider was asked whether it was paid after all; close what is decided.

    A provider that does not answer delays no release: money that comes then goes back. The connection is in no transaction.
    """
    done = Settled()
    for hold in await list_due(connection, now, MOST_AT_ONCE):
        if hold.intent_id or hold.checkout_id:
            provider = await _try_to_close(connection, provider, hold, now, zone, done)
        async with connection.transaction():
            done.released += await release_redemption(
                connection, hold.number, reason="not_paid_in_time", actor="system", now=now, zone=zone
            )
    for hold in await list_unclosed(connection, MOST_AT_ONCE) if provider else ():
        provider = await _try_to_close(connection, provider, hold, now, zone, done)
    for refund_id in await list_wanted(connection, now - PATIENCE, MOST_AT_ONCE) if provider else ():
        assert provider is not None
        await refund(connection, provider, refund_id, now)
        done.refunded += 1
    return done


async def _try_to_close(
    connection: AsyncConnection[Any],
    provider: Provider | None,
    hold: Hold,
    now: datetime,
    zone: ZoneInfo,
    done: Settled,
) -> Provider | None:
    """Close one; the provider for the next one, None once it does not answer, so that nobody waits for it again and again."""
    if provider is None:
        return None
    try:
        done.closed += await _close(connection, provider, hold, now, zone)
    except ProviderUnreachableError:
        log.warning("payment_provider_unreachable", redemption=hold.number)
        return None
    except ProviderRefusedError as refusal:
        log.warning("payment_not_closed", redemption=hold.number, fault=refusal.values.get("fault"))
    return provider


async def _close(
    connection: AsyncConnection[Any], provider: Provider, hold: Hold, now: datetime, zone: ZoneInfo
) -> bool:
    found = await provider.close(hold.intent_id, hold.checkout_id)
    for paid in found.paid:
        await take_money(connection, paid, now, zone)
    if found.is_closed:
        await note_closed(connection, hold, now)
    return found.is_closed


def _why_not(hold: Hold, paid: Paid) -> str | None:
    """Why money does not capture the order; None when it does."""
    if hold.outcome is not None:
        return "double" if hold.outcome == CAPTURED else "late"
    return None if (paid.amount_minor, paid.currency) == (hold.amount_minor, hold.currency) else "wrong_amount"


async def _capture(connection: AsyncConnection[Any], hold: Hold, now: datetime, zone: ZoneInfo) -> None:
    """The order is paid: its vouchers are issued. The caller holds the redemption's lock."""
    if not await decide_hold(connection, hold.id, CAPTURED, now):
        raise AssertionError(f"{hold.number} was decided under our lock")
    states = ["confirmed"] if first_state(hold.kind) == "confirmed" else ["confirmed", first_state(hold.kind)]
    await connection.execute("UPDATE redemption SET state = %s WHERE id = %s", (states[-1], hold.id))
    for before, after in zip(["held", *states], states, strict=False):
        await connection.execute(
            "INSERT INTO redemption_transition (redemption_id, from_state, to_state, reason, actor, at) "
            "VALUES (%s, %s, %s, %s, %s, %s)",
            (hold.id, before, after, "paid", ACTOR, now),
        )
    if gives_vouchers(hold.kind):
        await _issue_vouchers(connection, hold, now, zone)
    elif hold.kind == top_ups.KIND:
        await top_ups.order_top_ups(connection, [hold.id], now)


async def _issue_vouchers(connection: AsyncConnection[Any], hold: Hold, now: datetime, zone: ZoneInfo) -> None:
    """On the terms of the order, good from the day of the payment."""
    expires_at = start_of_day(local_date(now, zone) + timedelta(days=hold.voucher_days + 1), zone)
    rows = [
        _VoucherRow(
            voucher_id, hold.id, hold.member_id, hold.item_id, hold.partner_id, hold.agreement_line_id, "issued", 0, hold.uses,
            now, expires_at,
        )
        for voucher_id in await reserve_ids(connection, "voucher", hold.quantity)
    ]  # fmt: skip
    await connection.execute(insert_of("voucher", _VoucherRow), (encode_rows(rows),))
