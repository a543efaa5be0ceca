"""Webhooks: verified, stored once by the provider's event id, and handled in a job that may run twice and in any order."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.database import fetch_one
from liyu.core.jobs import defer
from liyu.redemption.payments.provider import PAID, REFUNDED, Event, Paid
from liyu.redemption.payments.refunds import note_refunded
from liyu.redemption.payments.settle import take_money

NOTED = "noted"
"""The result of events that ask for nothing: failed attempts, which the member's page tells, and kinds we do not need."""


class _Stored(Struct):
    kind: str
    number: str | None
    intent_id: str | None
    amount_minor: int
    refunded_minor: int
    currency: str
    handled_at: datetime | None


async def store_event(connection: AsyncConnection[Any], event: Event, now: datetime) -> bool:
    """Keep an event and defer its job, in the caller's transaction; false when it was stored before."""
    stored = await connection.execute(
        "INSERT INTO payment_event (event_id, kind, at, number, intent_id, amount_minor, refunded_minor, currency, received_at) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (event_id) DO NOTHING",
        (event.id, event.kind, event.at, event.number, event.intent_id, event.amount_minor, event.refunded_minor,
         event.currency, now),
    )  # fmt: skip
    if not stored.rowcount:
        return False
    await defer(connection, "handle_payment_event", event_id=event.id)
    return True


async def handle_event(connection: AsyncConnection[Any], event_id: str, now: datetime, zone: ZoneInfo) -> None:
    """Do what a stored event asks for. The connection is in no transaction."""
    event = await fetch_one(
        connection,
        _Stored,
        "SELECT kind, number, intent_id, amount_minor, refunded_minor, currency, handled_at FROM payment_event "
        "WHERE event_id = %s",
        (event_id,),
    )
    if event is None or event.handled_at is not None:
        return
    result = await _handle(connection, event, now, zone)
    await connection.execute(
        "UPDATE payment_event SET handled_at = %s, result = %s WHERE event_id = %s AND handled_at IS NULL",
        (now, result, event_id),
    )


async def _handle(connection: AsyncConnection[Any], event: _Stored, now: datetime, zone: ZoneInfo) -> str:
    if event.kind == PAID and event.intent_id:
        paid = Paid(event.intent_id, event.number, event.amount_minor, event.currency)
        return await take_money(connection, paid, now, zone)
    if event.kind == REFUNDED and event.intent_id:
        return await note_refunded(connection, event.intent_id, event.refunded_minor, now, zone)
    return NOTED
