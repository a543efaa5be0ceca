"""Parcels: sending units of an order, putting a wrong number right, and what has arrived (docs/algorithms/orders.md).

The order's row is locked before its units are counted, so two people who send the same order cannot send it twice.
"""

from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.errors import UniqueViolation

from liyu.catalog.models import POSTED_KINDS
from liyu.core.database import fetch_all
from liyu.core.errors import InvalidInputError, NotFoundError
from liyu.core.i18n import N_, Message
from liyu.members.notices import NoticeRow, tell_members
from liyu.redemption.fulfil import write_step
from liyu.redemption.shipping.carriers import CARRIERS, tidy_tracking_number
from liyu.redemption.shipping.errors import (
    NothingToReceiveError,
    NotShippableError,
    ParcelKnownError,
    ParcelReceivedError,
    TooManyUnitsError,
)

SENT = "order_sent"
"""Topic of the notice; its subject is the number of the redemption."""
SHIPPABLE = ("confirmed", "fulfilling")
SYSTEM = "system"
MOST_AT_ONCE = 1_000


class Waybill(Struct, frozen=True):
    """What stands on a parcel. `quantity` None is all units that are left."""

    carrier: str
    tracking_number: str
    quantity: int | None = None


class Shippable(Struct):
    """An order under lock."""

    id: int
    number: str
    member_id: int
    state: str
    kind: str
    quantity: int
    sent: int
    """Units that were sent before."""
    name_zh: str
    name_en: str

    @property
    def left(self) -> int:
        """Units that are still to be sent."""
        return self.quantity - self.sent


# The locks come first: what they protect is read by the statement after them.
_LOCK = """
    SELECT r.id FROM redemption r JOIN item i ON i.id = r.item_id
    WHERE r.number = ANY(%(numbers)s) AND (%(partner)s::bigint IS NULL OR i.partner_id = %(partner)s)
    ORDER BY r.id FOR UPDATE OF r"""
_READ = """
    SELECT r.id, r.number, r.member_id, r.state, i.kind, r.quantity, i.name_zh, i.name_en,
        (SELECT coalesce(sum(p.quantity), 0)::bigint FROM parcel p
            WHERE p.redemption_id = r.id AND p.after_sale_id IS NULL) AS sent
    FROM redemption r JOIN item i ON i.id = r.item_id WHERE r.id = ANY(%s) ORDER BY r.id"""
_SEND = """
    INSERT INTO parcel (redemption_id, carrier, tracking_number, quantity, after_sale_id, sent_at, sent_by)
    VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING id"""
_RECEIVE = """
    UPDATE parcel SET received_at = greatest(%(now)s, sent_at), received_by = %(actor)s
    WHERE redemption_id = %(order)s AND received_at IS NULL"""
_IS_COMPLETE = """
    SELECT r.state FROM redemption r WHERE r.id = %s AND r.state = 'fulfilling'
        AND r.quantity = (SELECT sum(p.quantity) FROM parcel p WHERE p.redemption_id = r.id AND p.after_sale_id IS NULL)
        AND NOT EXISTS (SELECT FROM parcel p WHERE p.redemption_id = r.id AND p.received_at IS NULL)"""
_OVERDUE = """
    SELECT DISTINCT p.redemption_id FROM parcel p JOIN redemption r ON r.id = p.redemption_id
    WHERE p.received_at IS NULL AND p.sent_at <= %s ORDER BY p.redemption_id LIMIT %s"""


def check_waybill(waybill: Waybill) -> Waybill:
    """The waybill as carriers write it. Raises InvalidInputError that names every faulty field."""
    number, carrier = tidy_tracking_number(waybill.tracking_number), CARRIERS.get(waybill.carrier)
    faults: dict[str, Message] = {}
    if carrier is None:
        faults["carrier"] = Message(N_("Nobody knows this carrier."))
    elif not carrier.pattern.fullmatch(number):
        words = N_("This is not a tracking number of %(carrier)s; they look like %(example)s.")
        names = {"zh": carrier.name_zh, "en": carrier.name_en}
        faults["tracking_number"] = Message(words, {"carrier": names, "example": carrier.example})
    if waybill.quantity is not None and waybill.quantity < 1:
        faults["quantity"] = Message(N_("Must be at least 1."))
    if faults:
        raise InvalidInputError.of_fields(faults)
    return Waybill(waybill.carrier, number, waybill.quantity)


async def lock_orders(
    connection: AsyncConnection[Any], numbers: list[str], partner_id: int | None
) -> dict[str, Shippable]:
    """Orders by number, under lock in the order of their ids; with `partner_id`, only those of its items."""
    found = await connection.execute(_LOCK, {"numbers": numbers, "partner": partner_id})
    ids = [row[0] for row in await found.fetchall()]
    return {order.number: order for order in await fetch_all(connection, Shippable, _READ, (ids,))}


async def send_parcel(
    connection: AsyncConnection[Any],
    number: str,
    waybill: Waybill,
    *,
    partner_id: int | None,
    actor: str,
    now: datetime,
) -> int:
    """Send units of an order, in the caller's transaction, and tell its member; returns how many.

    With `partner_id`, only orders of that partner's items. Raises NotFoundError, InvalidInputError, NotShippableError,
    TooManyUnitsError or ParcelKnownError.
    """
    waybill = check_waybill(waybill)
    order = (await lock_orders(connection, [number], partner_id)).get(number)
    if order is None:
        raise NotFoundError
    return await send_locked(connection, order, waybill, actor=actor, now=now)


async def send_locked(
    connection: AsyncConnection[Any], order: Shippable, waybill: Waybill, *, actor: str, now: datetime
) -> int:
    """Send units of an order whose lock the caller holds, with a waybill that was checked; raises as `send_parcel`."""
    if order.kind not in POSTED_KINDS or order.state not in SHIPPABLE or not order.left:
        raise NotShippableError
    quantity = waybill.quantity or order.left
    if quantity > order.left:
        raise TooManyUnitsError(left=order.left)
    await note_parcel(connection, order.id, waybill, quantity, after_sale_id=None, actor=actor, now=now)
    if order.state == "confirmed":
        await write_step(connection, order.id, order.state, "fulfilling", "sent", actor, now)
    await tell_sent(connection, order, now)
    order.state, order.sent = "fulfilling", order.sent + quantity
    return quantity


async def note_parcel(
    connection: AsyncConnection[Any],
    redemption_id: int,
    waybill: Waybill,
    quantity: int,
    *,
    after_sale_id: int | None,
    actor: str,
    now: datetime,
) -> int:
    """Note a parcel; its id. Raises ParcelKnownError."""
    values = (redemption_id, waybill.carrier, waybill.tracking_number, quantity, after_sale_id, now, actor)
    try:
        async with connection.transaction():
            row = await (await connection.execute(_SEND, values)).fetchone()
    except UniqueViolation:
        raise ParcelKnownError from None
    assert row is not None
    return int(row[0])


async def correct_parcel(
    connection: AsyncConnection[Any], number: str, parcel_id: int, waybill: Waybill, *, partner_id: int | None
) -> None:
    """Put a wrong carrier or tracking number right. Raises NotFoundError, InvalidInputError, ParcelKnownError or
    ParcelReceivedError.
    """
    waybill = check_waybill(waybill)
    order = (await lock_orders(connection, [number], partner_id)).get(number)
    if order is None:
        raise NotFoundError
    try:
        async with connection.transaction():
            changed = await connection.execute(
                "UPDATE parcel SET carrier = %s, tracking_number = %s "
                "WHERE id = %s AND redemption_id = %s AND received_at IS NULL",
                (waybill.carrier, waybill.tracking_number, parcel_id, order.id),
            )
    except UniqueViolation:
        raise ParcelKnownError from None
    if not changed.rowcount:
        raise ParcelReceivedError


async def receive_parcels(connection: AsyncConnection[Any], redemption_id: int, *, actor: str, now: datetime) -> None:
    """All parcels of an order that are on their way have arrived; with the last of its units the order is completed.

    In the caller's transaction. Raises NothingToReceiveError.
    """
    await connection.execute("SELECT id FROM redemption WHERE id = %s FOR UPDATE", (redemption_id,))
    received = await connection.execute(_RECEIVE, {"order": redemption_id, "actor": actor, "now": now})
    if not received.rowcount:
        raise NothingToReceiveError
    complete = await (await connection.execute(_IS_COMPLETE, (redemption_id,))).fetchone()
    if complete is not None:
        reason = "received" if actor != SYSTEM else "taken_as_received"
        await write_step(connection, redemption_id, complete[0], "completed", reason, actor, now)


async def receive_overdue(connection: AsyncConnection[Any], days: int, *, now: datetime) -> int:
    """Parcels that were sent `days` ago count as received, each order in a transaction of its own; how many orders."""
    found = await connection.execute(_OVERDUE, (now - timedelta(days=days), MOST_AT_ONCE))
    done = 0
    for (redemption_id,) in await found.fetchall():
        try:
            async with connection.transaction():
                await receive_parcels(connection, redemption_id, actor=SYSTEM, now=now)
            done += 1
        except NothingToReceiveError:
            continue
    return done


async def tell_sent(connection: AsyncConnection[Any], order: Shippable, now: datetime) -> None:
    """Tell the member that something is on its way."""
    names = {"item": {"zh": order.name_zh, "en": order.name_en}}
    await tell_members(connection, [NoticeRow(order.member_id, SENT, order.number, names, now)])
