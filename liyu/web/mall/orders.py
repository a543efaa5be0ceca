"""A member's orders: the list, one order with what came of it, its codes, and cancelling it."""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from psycopg import AsyncConnection
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.catalog.models import POSTED_KINDS
from liyu.catalog.pools.reveal import Revealed, reveal
from liyu.core.clock import local_date
from liyu.core.database import driver_connection
from liyu.core.i18n import N_, Message
from liyu.redemption.addresses import find_delivery_address
from liyu.redemption.aftersale.offer import find_offer
from liyu.redemption.aftersale.queries import load_order_facts
from liyu.redemption.cancel import cancel_redemption, is_cancel_time_over
from liyu.redemption.fulfilment import read_fulfilment
from liyu.redemption.orders import Order, find_order, list_order_vouchers, list_orders, list_steps
from liyu.redemption.payments.queries import PaymentView, find_payment
from liyu.redemption.reasons import CANCEL_REASONS
from liyu.redemption.shipping.errors import NothingToReceiveError
from liyu.redemption.shipping.parcels import receive_parcels
from liyu.redemption.states import GIVEN_BACK, may_become
from liyu.redemption.topup.queries import find_top_up
from liyu.web import order_words
from liyu.web.actor import actor_of
from liyu.web.formats import current_zone, format_money
from liyu.web.forms import ChoiceField, Form, IntegerField
from liyu.web.i18n import gettext, translate
from liyu.web.mall.cards import cover_of
from liyu.web.mall.item import cancel_rule
from liyu.web.mall.member import AnyRequest, member_id_of, now_of
from liyu.web.mall.saga import tell_saga
from liyu.web.mall.words import DONE, IT_IS_YOURS, NEXT_STEPS
from liyu.web.pages import Page, fragment, leave_notice, page, redirect
from liyu.web.state_words import ORDER_STATES, VOUCHER_STATES
from liyu.web.visit import visit_of

FRESH = timedelta(minutes=10)
"""For how long an order is greeted as new."""


class CancelForm(Form):
    reason = ChoiceField(CANCEL_REASONS, N_("Reason"), required=False, default=CANCEL_REASONS[0])


class CursorForm(Form):
    before = IntegerField(required=False, maximum=2**62)


def read_cursor(request: AnyRequest) -> int | None:
    """The cursor of the address; one that makes no sense shows the beginning."""
    form = CursorForm.parse(request.query_params.dict())
    return form.before if form.is_valid else None


@get("/orders")
async def show_orders(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """One's own orders, the newest first."""
    before = read_cursor(request)
    connection = await driver_connection(session)
    orders, cursor = await list_orders(connection, member_id_of(actor_of(request)), before)
    return page(
        request,
        "mall/orders.html",
        tab="me",
        orders=[order_row(order) for order in orders],
        next_href=f"/orders?before={cursor}" if cursor else None,
        continued=before is not None,
    )


@get("/redemptions/{number:str}")
async def show_order(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """One order; right after redeeming it is the page that says so."""
    return await _show_order(request, session, number)


@post("/redemptions/{number:str}/codes")
async def reveal_codes(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """Show the codes of an order, once somebody asks for them."""
    connection = await driver_connection(session)
    member_id = member_id_of(actor_of(request))
    order = await find_order(connection, member_id, number)
    secret_key = visit_of(request).services.settings.secret_key
    revealed = await reveal(connection, member_id, order.id, secret_key=secret_key, now=now_of(request))
    if visit_of(request).is_fragment:
        return fragment(request, "mall/_codes.html", order=order, revealed=revealed)
    return await _show_order(request, session, number, revealed)


@get("/redemptions/{number:str}/cancel")
async def ask_to_cancel(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """Ask once more, for browsers in which no dialog did."""
    connection = await driver_connection(session)
    order = await find_order(connection, member_id_of(actor_of(request)), number)
    if not await _can_cancel(connection, order, now_of(request)):
        return redirect(request, f"/redemptions/{number}")
    payment = await find_payment(connection, order.id)
    rule = _rule(request, order, payment)
    reasons = order_words.reason_choices(CANCEL_REASONS)
    context: dict[str, Any] = {"order": order, "cover": cover_of(order), "rule": rule, "reasons": reasons}
    if visit_of(request).is_fragment:
        return fragment(request, "mall/_cancel.html", **context)
    return page(request, "mall/cancel.html", tab="me", **context)


@post("/redemptions/{number:str}/received")
async def note_received(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """The member has the parcels that were on their way."""
    actor, connection = actor_of(request), await driver_connection(session)
    order = await find_order(connection, member_id_of(actor), number)
    # Saying it twice is no fault: the page shows that they arrived.
    with suppress(NothingToReceiveError):
        await receive_parcels(connection, order.id, actor=actor.reference, now=now_of(request))
        leave_notice(request, N_("Thank you. Enjoy it!"))
    return redirect(request, f"/redemptions/{number}")


@post("/redemptions/{number:str}/cancel")
async def cancel(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """Give an unused redemption back; the points return to their lots."""
    form = await CancelForm.read(request)
    actor, connection = actor_of(request), await driver_connection(session)
    order = await find_order(connection, member_id_of(actor), number)
    payment = await find_payment(connection, order.id)
    points = await cancel_redemption(
        connection,
        number,
        member_id=member_id_of(actor),
        reason=form.reason if form.is_valid else CANCEL_REASONS[0],
        actor=actor.reference,
        now=now_of(request),
        zone=current_zone(),
    )
    if payment is not None and payment.left_minor:
        cash = format_money(payment.left_minor, payment.currency)
        words = N_("Cancelled. %(points)s points are back, %(cash)s is on its way to you.")
        leave_notice(request, Message(words, {"points": points, "cash": cash}))
    elif points:
        leave_notice(request, Message(N_("Cancelled. %(points)s points are back."), {"points": points}))
    else:
        leave_notice(request, N_("The order is cancelled."))
    return redirect(request, f"/redemptions/{number}")


async def _show_order(
    request: AnyRequest, session: AsyncSession, number: str, revealed: Revealed | None = None
) -> Page:
    connection = await driver_connection(session)
    order = await find_order(connection, member_id_of(actor_of(request)), number)
    now = now_of(request)
    payment = await find_payment(connection, order.id)
    after = await read_fulfilment(connection, order)
    is_yours = order.state not in (*GIVEN_BACK, "held")
    return page(
        request,
        "mall/order.html",
        tab="me",
        order=order,
        row=order_row(order),
        payment=payment,
        waits=order.state == "held" and payment is not None and now < payment.deadline,
        is_new=is_yours and now - order.created_at < FRESH,
        done=gettext(DONE.get(order.kind, IT_IS_YOURS)),
        next_step=gettext(NEXT_STEPS[order.kind]),
        vouchers=[
            {
                "voucher": one,
                "label": gettext(N_("Given away") if one.is_given_away else VOUCHER_STATES[one.state][0]),
                "tone": "grey" if one.is_given_away else VOUCHER_STATES[one.state][1],
                "last_day": local_date(one.expires_at - timedelta(microseconds=1), current_zone()),
            }
            for one in await list_order_vouchers(connection, order)
        ],
        steps=tell_saga(await list_steps(connection, order), payment, order, after),
        address=await find_delivery_address(connection, order.id) if order.kind in POSTED_KINDS else None,
        after=after,
        on_its_way=any(one.received_at is None for one in after.parcels),
        units_left=order.quantity - sum(one.quantity for one in after.parcels if not one.is_replacement),
        offer=find_offer(await load_order_facts(connection, order.id), now),
        order_words=order_words,
        revealed=revealed,
        has_codes=order.kind == "code" and is_yours,
        can_cancel=await _can_cancel(connection, order, now),
        rule=_rule(request, order, payment),
    )


async def find_cancel_rule(request: AnyRequest, connection: AsyncConnection[Any], number: str) -> str | None:
    """What becomes of points and cash when one's order is cancelled now; None where it cannot be."""
    order = await find_order(connection, member_id_of(actor_of(request)), number)
    if not await _can_cancel(connection, order, now_of(request)):
        return None
    return _rule(request, order, await find_payment(connection, order.id))


def _rule(request: AnyRequest, order: Order, payment: PaymentView | None) -> str:
    """What becomes of points and cash when the order is cancelled now."""
    if order.state == "held":
        return gettext(N_("Nothing has been charged; the points go back into their lots"))
    if not order.points and payment is None:
        return gettext(N_("It cost nothing, so nothing goes back"))
    rule = cancel_rule(request, order.kind, order.cancel_hours)
    if payment is None or not payment.left_minor:
        return rule
    cash = format_money(payment.left_minor, payment.currency)
    return f"{rule}{gettext(N_('; '))}" + translate(
        Message(N_("%(cash)s goes back the way it was paid"), {"cash": cash})
    )


async def _can_cancel(connection: AsyncConnection[Any], order: Order, now: datetime) -> bool:
    """Whether cancelling makes sense: nothing was used, and the state allows it."""
    if not may_become(order.state, "cancelled"):
        return may_become(order.state, "released")
    if order.state == "fulfilling" or is_cancel_time_over(order.created_at, order.cancel_hours, now):
        return False
    top_up = await find_top_up(connection, order.id)
    if top_up is not None and top_up.state != "waiting":
        return False
    vouchers = await list_order_vouchers(connection, order)
    return all(one.state == "issued" and not one.is_given_away and now < one.expires_at for one in vouchers)


def order_row(order: Order) -> dict[str, Any]:
    """An order as lists show it."""
    label, tone = ORDER_STATES[order.state]
    return {"order": order, "cover": cover_of(order), "label": gettext(label), "tone": tone}


ROUTES = [show_orders, show_order, reveal_codes, ask_to_cancel, cancel, note_received]
