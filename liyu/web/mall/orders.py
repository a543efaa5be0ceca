"""A member's orders: the list, one order with what came of it, its codes, and cancelling it."""

from datetime import datetime, timedelta
from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from psycopg import AsyncConnection
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.catalog.pools.reveal import Revealed, reveal
from liyu.core.clock import local_date
from liyu.core.database import driver_connection
from liyu.core.i18n import N_, Message
from liyu.redemption.cancel import cancel_redemption
from liyu.redemption.orders import Order, OrderStep, find_order, list_order_vouchers, list_orders, list_steps
from liyu.redemption.states import GIVEN_BACK, may_become
from liyu.web.actor import actor_of
from liyu.web.formats import current_zone
from liyu.web.forms import Form, IntegerField
from liyu.web.i18n import gettext, translate
from liyu.web.mall.cards import cover_of
from liyu.web.mall.item import cancel_rule
from liyu.web.mall.member import AnyRequest, member_id_of, now_of
from liyu.web.mall.words import NEXT_STEPS, ORDER_STEPS
from liyu.web.pages import Page, fragment, leave_notice, page, redirect
from liyu.web.state_words import ORDER_STATES, VOUCHER_STATES
from liyu.web.visit import visit_of

FRESH = timedelta(minutes=10)
"""For how long an order is greeted as new."""


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
    context: dict[str, Any] = {"order": order, "cover": cover_of(order), "rule": cancel_rule(request, order.kind)}
    if visit_of(request).is_fragment:
        return fragment(request, "mall/_cancel.html", **context)
    return page(request, "mall/cancel.html", tab="me", **context)


@post("/redemptions/{number:str}/cancel")
async def cancel(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """Give an unused redemption back; the points return to their lots."""
    actor = actor_of(request)
    points = await cancel_redemption(
        await driver_connection(session),
        number,
        member_id=member_id_of(actor),
        reason="changed_mind",
        actor=actor.reference,
        now=now_of(request),
        zone=current_zone(),
    )
    if points:
        leave_notice(request, Message(N_("Cancelled. %(points)s points are back."), {"points": points}))
    return redirect(request, f"/redemptions/{number}")


async def _show_order(
    request: AnyRequest, session: AsyncSession, number: str, revealed: Revealed | None = None
) -> Page:
    connection = await driver_connection(session)
    order = await find_order(connection, member_id_of(actor_of(request)), number)
    now = now_of(request)
    is_given_back = order.state in GIVEN_BACK
    return page(
        request,
        "mall/order.html",
        tab="me",
        order=order,
        row=order_row(order),
        is_new=not is_given_back and now - order.created_at < FRESH,
        next_step=gettext(NEXT_STEPS[order.kind]),
        vouchers=[
            {
                "voucher": one,
                "label": gettext(VOUCHER_STATES[one.state][0]),
                "tone": VOUCHER_STATES[one.state][1],
                "last_day": local_date(one.expires_at - timedelta(microseconds=1), current_zone()),
            }
            for one in await list_order_vouchers(connection, order)
        ],
        steps=[_step_of(step) for step in await list_steps(connection, order)],
        revealed=revealed,
        has_codes=order.kind == "code" and not is_given_back,
        can_cancel=await _can_cancel(connection, order, now),
        rule=cancel_rule(request, order.kind),
    )


async def _can_cancel(connection: AsyncConnection[Any], order: Order, now: datetime) -> bool:
    """Whether cancelling makes sense: nothing was used, and the state allows it."""
    if not may_become(order.state, "cancelled"):
        return False
    vouchers = await list_order_vouchers(connection, order)
    return all(one.state == "issued" and now < one.expires_at for one in vouchers)


def order_row(order: Order) -> dict[str, Any]:
    """An order as lists show it."""
    label, tone = ORDER_STATES[order.state]
    return {"order": order, "cover": cover_of(order), "label": gettext(label), "tone": tone}


def _step_of(step: OrderStep) -> dict[str, Any]:
    text = N_("All used; completed") if step.reason == "used_up" else ORDER_STEPS[step.to_state]
    return {"text": translate(text), "when": step.at, "state": "waiting" if step.to_state in GIVEN_BACK else ""}


ROUTES = [show_orders, show_order, reveal_codes, ask_to_cancel, cancel]
