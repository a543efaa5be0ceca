"""After-sale requests: opened by a member, decided by an operator or by the partner whose goods they are.

Every act locks the order in the desk's order (account, stock, redemption) and reads the request under it, so that no request is
decided twice and no unit goes back twice (docs/algorithms/orders.md).
"""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.errors import UniqueViolation

from liyu.core.clock import local_date
from liyu.core.errors import InvalidInputError
from liyu.core.i18n import N_, Message
from liyu.core.ids import make_number
from liyu.members.notices import NoticeRow, tell_members
from liyu.redemption.aftersale.errors import NotOfferedError, RequestMovedError, RequestOpenError
from liyu.redemption.aftersale.offer import find_offer, share
from liyu.redemption.aftersale.photos import KeptPhoto, add_photos
from liyu.redemption.aftersale.queries import OPERATOR, Asker, Request, load_order_facts, load_request
from liyu.redemption.aftersale.states import may_become
from liyu.redemption.cancel import (
    Cancellable,
    give_back,
    lock_redemption,
    points_of_units_given_back,
    return_points,
)
from liyu.redemption.orderdesk.rules import OrderRules, load_rules
from liyu.redemption.payments.cash import find_received
from liyu.redemption.payments.refunds import refund_part
from liyu.redemption.reasons import AFTER_SALE_REASONS
from liyu.redemption.shipping.parcels import Waybill, check_waybill, note_parcel

CHANGED = "after_sale_changed"
"""Topic of the notice; its subject is the number of the request."""
LONGEST_WORDS = 1_000
SYSTEM = "system"
MOST_AT_ONCE = 500


class Wish(Struct, frozen=True):
    """What a member asks for."""

    kind: str
    reason: str
    words: str
    quantity: int


async def open_request(
    connection: AsyncConnection[Any],
    member_id: int,
    redemption_number: str,
    wish: Wish,
    photos: list[KeptPhoto],
    *,
    actor: str,
    now: datetime,
    zone: ZoneInfo,
) -> str:
    """Ask for something, in the caller's transaction; the number of the request.

    Raises NotFoundError, InvalidInputError that names every faulty field, NotOfferedError or RequestOpenError.
    """
    order = await lock_redemption(connection, redemption_number, member_id, zone)
    facts = await load_order_facts(connection, order.id)
    if facts.has_open:
        raise RequestOpenError
    offer = find_offer(facts, now)
    if wish.kind not in offer.kinds:
        raise NotOfferedError
    faults: dict[str, Message] = {}
    if wish.reason not in AFTER_SALE_REASONS[wish.kind]:
        faults["reason"] = Message(N_("Choose a reason."))
    if not 1 <= wish.quantity <= offer.units:
        faults["quantity"] = Message(
            N_("Enter a number from %(minimum)s to %(maximum)s."), {"minimum": 1, "maximum": offer.units}
        )
    if len(wish.words) > LONGEST_WORDS:
        faults["words"] = Message(N_("Use at most %(maximum)s characters."), {"maximum": LONGEST_WORDS})
    if faults:
        raise InvalidInputError.of_fields(faults)
    rules, number = await load_rules(connection), make_number("A")
    try:
        async with connection.transaction():
            found = await connection.execute(
                "INSERT INTO after_sale (number, redemption_id, kind, reason, words, quantity, state, due_at, points, cash_minor, "
                "opened_at) VALUES (%s, %s, %s, %s, %s, %s, 'requested', %s, 0, 0, %s) RETURNING id",
                (number, order.id, wish.kind, wish.reason, wish.words, wish.quantity,
                 now + timedelta(hours=rules.decide_hours), now),
            )  # fmt: skip
    except UniqueViolation:
        raise RequestOpenError from None
    row = await found.fetchone()
    assert row is not None
    await _note(connection, row[0], None, "requested", wish.reason, actor, now)
    await add_photos(connection, row[0], photos)
    return number


async def approve(
    connection: AsyncConnection[Any],
    asker: Asker,
    number: str,
    *,
    words: str,
    actor: str,
    now: datetime,
    zone: ZoneInfo,
) -> Request:
    """Say yes, in the caller's transaction: to a refund, which happens at once; to a return or exchange, which the member then
    sends; to what was sent back, which is refunded. Returns the request as it is then.

    Raises NotFoundError, RequestMovedError, or NotCancellableError when the order was given back meanwhile.
    """
    request, order = await _lock(connection, asker, number, zone)
    if request.state == "requested" and request.kind != "refund":
        rules = await load_rules(connection)
        await _move(
            connection, request, "returning", words, actor, now, due_at=now + timedelta(days=rules.send_back_days)
        )
    elif request.kind == "exchange" or request.state not in ("requested", "sent_back"):
        raise RequestMovedError
    else:
        await _refund(connection, request, order, words, actor, now, zone)
    return await load_request(connection, asker, number)


async def decline(
    connection: AsyncConnection[Any],
    asker: Asker,
    number: str,
    *,
    words: str,
    actor: str,
    now: datetime,
    zone: ZoneInfo,
) -> None:
    """Say no, with words to the member. Raises NotFoundError, InvalidInputError or RequestMovedError."""
    if not words.strip():
        raise InvalidInputError.of_fields({"words": Message(N_("Tell the member why."))})
    request, _ = await _lock(connection, asker, number, zone)
    await _move(connection, request, "declined", words, actor, now)


async def withdraw(
    connection: AsyncConnection[Any], member_id: int, number: str, *, actor: str, now: datetime, zone: ZoneInfo
) -> None:
    """The member thinks again. Raises NotFoundError or RequestMovedError."""
    request, _ = await _lock(connection, Asker(member_id=member_id), number, zone)
    await _move(connection, request, "withdrawn", "withdrawn", actor, now, tell=False)


async def send_back(
    connection: AsyncConnection[Any],
    member_id: int,
    number: str,
    waybill: Waybill,
    *,
    actor: str,
    now: datetime,
    zone: ZoneInfo,
) -> None:
    """The member has sent it back. Raises NotFoundError, InvalidInputError or RequestMovedError."""
    waybill = check_waybill(waybill)
    request, _ = await _lock(connection, Asker(member_id=member_id), number, zone)
    rules = await load_rules(connection)
    await _move(connection, request, "sent_back", "sent_back", actor, now, due_at=_inspected_by(rules, now), tell=False)
    await connection.execute(
        "UPDATE after_sale SET carrier = %s, tracking_number = %s WHERE id = %s",
        (waybill.carrier, waybill.tracking_number, request.id),
    )


async def exchange(
    connection: AsyncConnection[Any],
    asker: Asker,
    number: str,
    waybill: Waybill,
    *,
    words: str,
    actor: str,
    now: datetime,
    zone: ZoneInfo,
) -> None:
    """What came back is replaced: the other parcel is on its way. Raises NotFoundError, InvalidInputError, RequestMovedError or
    ParcelKnownError.
    """
    waybill = check_waybill(waybill)
    request, order = await _lock(connection, asker, number, zone)
    if request.kind != "exchange":
        raise RequestMovedError
    await _move(connection, request, "exchanged", words, actor, now)
    await note_parcel(connection, order.id, waybill, request.quantity, after_sale_id=request.id, actor=actor, now=now)


async def lapse_due(connection: AsyncConnection[Any], *, now: datetime) -> int:
    """Let requests lapse whose goods were not sent back in time, each in a transaction of its own; how many."""
    found = await connection.execute(
        "SELECT number, redemption_id FROM after_sale WHERE state = 'returning' AND due_at <= %s ORDER BY id LIMIT %s",
        (now, MOST_AT_ONCE),
    )
    done = 0
    for number, redemption_id in await found.fetchall():
        async with connection.transaction():
            await connection.execute("SELECT id FROM redemption WHERE id = %s FOR UPDATE", (redemption_id,))
            request = await load_request(connection, OPERATOR, number)
            if request.state == "returning":
                await _move(connection, request, "lapsed", "not_sent_back", SYSTEM, now)
                done += 1
    return done


def _inspected_by(rules: OrderRules, now: datetime) -> datetime:
    """What comes back is under way for as long as a parcel may be, and is then looked at within the hours of a decision."""
    return now + timedelta(days=rules.received_after_days, hours=rules.decide_hours)


async def _refund(
    connection: AsyncConnection[Any],
    request: Request,
    order: Cancellable,
    words: str,
    actor: str,
    now: datetime,
    zone: ZoneInfo,
) -> None:
    """Give points and cash of the units back: the same share of both; with the last unit the whole order is refunded."""
    facts = await load_order_facts(connection, order.id)
    received = await find_received(connection, order.id)
    left = received.left_minor if received else 0
    after = facts.given_back + request.quantity
    if after == order.quantity:
        cash = left
        points = await give_back(connection, order, "refunded", reason=request.reason, actor=actor, now=now, zone=zone)
    elif received is not None:
        part = share(received.amount_minor, after, order.quantity) - share(
            received.amount_minor, facts.given_back, order.quantity
        )
        cash, points = min(part, left), 0
        if cash:
            points = await refund_part(
                connection, order.number, cash, reason=request.reason, actor=actor, now=now, zone=zone
            )
    else:
        cash, already = 0, await points_of_units_given_back(connection, order.id)
        points = await return_points(
            connection, order, actor, now, local_date(now, zone), already=already,
            wanted=share(order.points, after, order.quantity) - already, refund_id=request.number,
        )  # fmt: skip
    await _move(connection, request, "refunded", words, actor, now, points=points, cash_minor=cash)


async def _lock(
    connection: AsyncConnection[Any], asker: Asker, number: str, zone: ZoneInfo
) -> tuple[Request, Cancellable]:
    seen = await load_request(connection, asker, number)
    order = await lock_redemption(connection, seen.redemption_number, asker.member_id, zone)
    return await load_request(connection, asker, number), order


async def _move(
    connection: AsyncConnection[Any],
    request: Request,
    wanted: str,
    words: str,
    actor: str,
    now: datetime,
    *,
    due_at: datetime | None = None,
    points: int = 0,
    cash_minor: int = 0,
    tell: bool = True,
) -> None:
    """Change a request's state under the order's lock, and tell the member. Raises RequestMovedError."""
    if not may_become(request.state, wanted):
        raise RequestMovedError
    closed_at = None if due_at is not None else now
    await connection.execute(
        "UPDATE after_sale SET state = %s, due_at = %s, closed_at = %s, points = %s, cash_minor = %s WHERE id = %s",
        (wanted, due_at, closed_at, points, cash_minor, request.id),
    )
    await _note(connection, request.id, request.state, wanted, words, actor, now)
    if tell:
        names = {"item": {"zh": request.name_zh, "en": request.name_en}}
        await tell_members(connection, [NoticeRow(request.member_id, CHANGED, request.number, names, now)])


async def _note(
    connection: AsyncConnection[Any],
    request_id: int,
    before: str | None,
    after: str,
    reason: str,
    actor: str,
    now: datetime,
) -> None:
    await connection.execute(
        "INSERT INTO after_sale_transition (after_sale_id, from_state, to_state, reason, actor, at) "
        "VALUES (%s, %s, %s, %s, %s, %s)",
        (request_id, before, after, reason, actor, now),
    )
