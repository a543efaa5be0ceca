"""A part of the cash of a redemption goes back, and its share of the points with it."""

from typing import Any

from litestar import post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.errors import DomainError
from liyu.core.i18n import N_, Message
from liyu.redemption.payments.refunds import refund_part
from liyu.web.actor import actor_of, require_permission
from liyu.web.acts import attempt
from liyu.web.audit import record_act
from liyu.web.console.common import LONGEST_REASON, AnyRequest, now_of, segment
from liyu.web.console.redemptions import show_one
from liyu.web.formats import current_zone, format_money
from liyu.web.forms import Form, MoneyField, TextField
from liyu.web.pages import Page, leave_notice, redirect
from liyu.web.visit import visit_of


class RefundForm(Form):
    amount = MoneyField(N_("Amount"))
    why_refunded = TextField(N_("Why it goes back"), maximum=LONGEST_REASON)


@post("/redemptions/{number:str}/refund", guards=[require_permission("redemptions.cancel")])
async def refund(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """Give a part of the cash back; the redemption stays as it is."""
    form, actor = await RefundForm.read(request), actor_of(request)
    if not form.is_valid:
        return await show_one(request, session, number, form=form)
    connection = await driver_connection(session)
    services = visit_of(request).services
    cash = format_money(form.amount, services.program.current(services.sessions).currency)
    act = refund_part(
        connection,
        number,
        form.amount,
        reason=form.why_refunded,
        actor=actor.reference,
        now=now_of(request),
        zone=current_zone(),
    )
    points = await attempt(connection, act)
    if isinstance(points, DomainError):
        return await show_one(request, session, number, refusal=points)
    done: dict[str, Any] = {"amount_minor": form.amount, "points": points, "reason": form.why_refunded}
    await record_act(request, session, "redemption.refund", f"redemption:{number}", after=done)
    words = N_("%(cash)s is on its way back, %(points)s points went with it.")
    leave_notice(request, Message(words, {"cash": cash, "points": points}))
    return redirect(request, f"/console/redemptions/{segment(number)}")
