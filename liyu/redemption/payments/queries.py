"""The payment of an order, as its member and operators see it."""

from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.rows import dict_row


class MoneyReceived(Struct, frozen=True):
    """Money that arrived; `captures` tells whether it paid the order or goes back."""

    amount_minor: int
    captures: bool
    received_at: datetime


class MoneyBack(Struct, frozen=True):
    """Money that goes back."""

    amount_minor: int
    points: int
    reason: str
    actor: str
    state: str
    fault: str | None
    wanted_at: datetime
    done_at: datetime | None


class PaymentView(Struct, frozen=True):
    """The hold of an order with all that happened to its money."""

    amount_minor: int
    currency: str
    deadline: datetime
    outcome: str | None
    left_minor: int
    """What was paid and has not gone back."""
    received: list[MoneyReceived]
    back: list[MoneyBack]
    failed_at: list[datetime]
    """When an attempt to pay failed."""

    @property
    def points_back(self) -> int:
        """Points that went back with parts of the cash."""
        return sum(one.points for one in self.back)


_PAYMENT = """
    SELECT h.amount_minor, h.currency, h.deadline, h.outcome,
        coalesce((SELECT p.amount_minor - p.refunded_minor FROM payment p
            WHERE p.redemption_id = h.redemption_id AND p.captures), 0) AS left_minor,
        (SELECT coalesce(json_agg(json_build_object('amount_minor', p.amount_minor, 'captures', p.captures,
                'received_at', p.received_at) ORDER BY p.received_at), '[]')
            FROM payment p WHERE p.redemption_id = h.redemption_id) AS received,
        (SELECT coalesce(json_agg(json_build_object('amount_minor', f.amount_minor, 'points', f.points, 'reason', f.reason,
                'actor', f.actor, 'state', f.state, 'fault', f.fault, 'wanted_at', f.wanted_at, 'done_at', f.done_at)
                ORDER BY f.id), '[]')
            FROM payment_refund f JOIN payment p ON p.intent_id = f.intent_id WHERE p.redemption_id = h.redemption_id) AS back,
        (SELECT coalesce(json_agg(e.at ORDER BY e.at), '[]')
            FROM payment_event e JOIN redemption r ON r.number = e.number
            WHERE r.id = h.redemption_id AND e.kind = 'payment_intent.payment_failed') AS failed_at
    FROM payment_hold h WHERE h.redemption_id = %s"""


async def find_payment(connection: AsyncConnection[Any], redemption_id: int) -> PaymentView | None:
    """The payment of an order; None for orders without a cash part. Whose order it is, the caller has found out."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_PAYMENT, (redemption_id,))
        row = await cursor.fetchone()
    return None if row is None else msgspec.convert(row, PaymentView)
