"""Paying the cash part of an order: the page that says what and until when, the way to the wallet, and the way back."""

from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.i18n import N_
from liyu.core.jobs import defer
from liyu.redemption.orders import Order, find_order
from liyu.redemption.payments.begin import begin_payment
from liyu.redemption.payments.errors import PaymentUnavailableError, ProviderRefusedError, ProviderUnreachableError
from liyu.redemption.payments.provider import WAYS
from liyu.redemption.payments.queries import PaymentView, find_payment
from liyu.web.actor import actor_of
from liyu.web.forms import ChoiceField, Form, IntegerField
from liyu.web.i18n import gettext, translate
from liyu.web.limits import count_hit
from liyu.web.mall.cards import cover_of
from liyu.web.mall.member import AnyRequest, member_id_of, now_of
from liyu.web.pages import Page, page, redirect
from liyu.web.visit import visit_of

WAY_WORDS: dict[str, str] = {"alipay": N_("Alipay"), "wechat_pay": N_("WeChat Pay"), "card": N_("Bank card")}
LOOKS = 10
"""So often the page looks for the payment by itself; after that its reader does."""
LOOK_SECONDS = 3
ASK_EVERY = 3
"""Every so many looks the provider is asked too: its word may have been lost."""


class PayForm(Form):
    way = ChoiceField(WAYS, N_("Way to pay"))


class LookForm(Form):
    look = IntegerField(required=False, default=0, maximum=LOOKS)


@get("/redemptions/{number:str}/pay")
async def show_payment(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """What is to be paid, until when, and how."""
    order, payment = await _find(request, session, number)
    if not _waits(request, payment):
        return redirect(request, f"/redemptions/{order.number}")
    return _show(request, order, payment)


@post("/redemptions/{number:str}/pay")
async def pay(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """Lead on to where it is paid. A page between: the browser lets no form lead to another site."""
    form, actor, services = await PayForm.read(request), actor_of(request), visit_of(request).services
    order, payment = await _find(request, session, number)
    if not form.is_valid:
        return _show(request, order, payment, status=422, fault=gettext(N_("Choose a way to pay.")))
    if services.payments is None:
        return _show(request, order, payment, status=409, fault=translate(PaymentUnavailableError().text))
    await count_hit(services, "redeem", actor.reference)
    # The provider is asked outside of any transaction; this one must not stay open meanwhile.
    await session.rollback()
    try:
        address = await begin_payment(
            services.sessions,
            services.payments,
            order.number,
            form.way,
            member_id=member_id_of(actor),
            site=services.settings.base_url,
            now=now_of(request),
        )
    except (ProviderRefusedError, ProviderUnreachableError) as fault:
        return _show(request, order, payment, status=fault.status, fault=translate(fault.text))
    return page(
        request, "mall/pay_onward.html", tab="me", order=order, address=address, way=gettext(WAY_WORDS[form.way])
    )


@get("/redemptions/{number:str}/paid")
async def return_from_payment(
    request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]
) -> Page:
    """Back from the wallet: wait for its word, which usually is there before the member."""
    order, payment = await _find(request, session, number)
    if payment is None or payment.outcome is not None:
        return redirect(request, f"/redemptions/{order.number}")
    form = LookForm.parse(request.query_params.dict())
    look = form.look or 0 if form.is_valid else LOOKS
    if look % ASK_EVERY == 0:
        await defer(await driver_connection(session), "check_payment", number=order.number)
    again = f"{LOOK_SECONDS};url=/redemptions/{order.number}/paid?look={look + 1}"
    return page(
        request,
        "mall/pay_waiting.html",
        headers=[(b"refresh", again.encode())] if look < LOOKS else (),
        tab="me",
        order=order,
        payment=payment,
    )


async def _find(request: AnyRequest, session: AsyncSession, number: str) -> tuple[Order, PaymentView | None]:
    connection = await driver_connection(session)
    order = await find_order(connection, member_id_of(actor_of(request)), number)
    return order, await find_payment(connection, order.id)


def _waits(request: AnyRequest, payment: PaymentView | None) -> bool:
    return payment is not None and payment.outcome is None and now_of(request) < payment.deadline


def _show(
    request: AnyRequest, order: Order, payment: PaymentView | None, *, status: int = 200, fault: str = ""
) -> Page:
    if payment is None or not _waits(request, payment):
        return redirect(request, f"/redemptions/{order.number}")
    context: dict[str, Any] = {
        "order": order,
        "cover": cover_of(order),
        "payment": payment,
        "ways": [(name, gettext(WAY_WORDS[name])) for name in WAYS],
        "fault": fault,
        "is_open": visit_of(request).services.payments is not None,
    }
    return page(request, "mall/pay.html", status=status, tab="me", **context)


ROUTES = [show_payment, pay, return_from_payment]
