"""The order desk: orders as a file, the rules of orders, and top-ups that people decide."""

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import to_builtins
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.exports import FORMATS, ORDERS, order_export
from liyu.core.i18n import N_
from liyu.redemption.orderdesk.rules import OrderRules, load_rules, save_rules
from liyu.redemption.queries import count_redemptions, read_redemption
from liyu.redemption.topup.deliver import settle_top_up
from liyu.web.actor import actor_of, require_permission
from liyu.web.acts import try_act
from liyu.web.audit import record_act
from liyu.web.console.common import LONGEST_REASON, AnyRequest, now_of, segment, show
from liyu.web.console.redemptions import read_filter, show_one
from liyu.web.formats import current_zone
from liyu.web.forms import ChoiceField, Form, IntegerField, TextField
from liyu.web.i18n import current_locale
from liyu.web.pages import Page, leave_notice, redirect

LIST = "/console/redemptions"
RULES = require_permission("orders.rules")
EXPORT = require_permission("redemptions.export")


class FormatForm(Form):
    format = ChoiceField(FORMATS)


class TopUpForm(Form):
    delivered = ChoiceField(("yes", "no"), N_("Was it credited?"))
    why = TextField(N_("How you know"), maximum=LONGEST_REASON)


class RulesForm(Form):
    received_after_days = IntegerField(N_("A parcel counts as received after days"), minimum=1, maximum=90)
    return_days = IntegerField(N_("Goods may be given back for days"), minimum=0, maximum=365)
    decide_hours = IntegerField(N_("Requests are decided within hours"), minimum=1, maximum=720)
    send_back_days = IntegerField(N_("Members send goods back within days"), minimum=1, maximum=90)
    cancel_unsent_days = IntegerField(
        N_("Unsent orders are cancelled after days"), required=False, minimum=1, maximum=365
    )


@post("/redemptions/export", guards=[EXPORT])
async def export(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Order the orders that the filter of the address leaves as a file."""
    form, wanted, connection = await FormatForm.read(request), read_filter(request), await driver_connection(session)
    total = await count_redemptions(connection, wanted)
    export_id = await order_export(
        connection, ORDERS, to_builtins(wanted), form.format if form.is_valid else FORMATS[0], total=total,
        locale=current_locale(), actor=actor_of(request).reference, now=now_of(request),
    )  # fmt: skip
    await record_act(request, session, "redemptions.export", f"export:{export_id}", after={"orders": total})
    return redirect(request, f"/console/exports/{export_id}")


@post("/redemptions/{number:str}/top-up", guards=[require_permission("redemptions.fulfil")])
async def decide_top_up(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """Say whether a top-up was credited: it completes the order, or its points go back."""
    form = await TopUpForm.read(request)
    if not form.is_valid:
        return await show_one(request, session, number, form=form)
    connection, delivered = await driver_connection(session), form.delivered == "yes"
    order = await read_redemption(connection, number)
    refusal = await try_act(
        connection,
        settle_top_up(
            connection, number, order.id, delivered=delivered, actor=actor_of(request).reference, reason=form.why,
            now=now_of(request), zone=current_zone(),
        ),
    )  # fmt: skip
    if refusal:
        return await show_one(request, session, number, refusal=refusal)
    after = {"delivered": delivered, "reason": form.why}
    await record_act(request, session, "redemption.top_up", f"redemption:{number}", after=after)
    leave_notice(request, N_("Decided."))
    return redirect(request, f"{LIST}/{segment(number)}")


@get("/order-rules", guards=[RULES])
async def show_rules(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The rules in force."""
    rules = await load_rules(await driver_connection(session))
    values = {name: "" if (value := getattr(rules, name)) is None else str(value) for name in RulesForm.fields}
    return show(request, "order_rules", form=RulesForm.blank(**values))


@post("/order-rules", guards=[RULES])
async def change_rules(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Change the rules from now on."""
    form = await RulesForm.read(request)
    if not form.is_valid:
        return show(request, "order_rules", status=422, form=form)
    connection = await driver_connection(session)
    before = await load_rules(connection)
    rules = OrderRules(**form.values)
    await save_rules(connection, rules, now_of(request))
    await record_act(
        request, session, "orders.rules", "program:1",
        before={name: getattr(before, name) for name in form.values}, after=dict(form.values),
    )  # fmt: skip
    leave_notice(request, N_("The rules hold from now on. Deadlines that were told stay."))
    return redirect(request, "/console/order-rules")


ROUTES = [
    export, decide_top_up, show_rules, change_rules,
]  # fmt: skip
