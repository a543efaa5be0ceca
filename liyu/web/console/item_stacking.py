"""What coupons of an item go together with: the rule, in the console."""

from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import to_builtins
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.catalog.coupons import (
    COMBINES,
    LAST_TURN,
    LONGEST_GROUP,
    MOST_PER_BILL,
    PARTNERS_IN_A_BILL,
    THRESHOLDS,
    CouponRuleTerms,
    list_groups,
    load_coupon_rule,
    save_coupon_rule,
)
from liyu.catalog.queries import load_item
from liyu.core.database import driver_connection
from liyu.core.errors import DomainError, NotFoundError
from liyu.core.i18n import N_
from liyu.web.actor import actor_of, require_permission
from liyu.web.acts import adopt_faults, try_act
from liyu.web.audit import record_act
from liyu.web.console.common import AnyRequest, Connection, now_of, segment, show
from liyu.web.forms import ChoiceField, ChoicesField, Form, IntegerField, TextField
from liyu.web.i18n import gettext
from liyu.web.pages import Page, leave_notice, redirect

_COMBINES: dict[str, tuple[str, str]] = {
    "nothing": (N_("With nothing else"), N_("Other coupons stay in the wallet.")),
    "listed": (N_("With some"), N_("With coupons of the kinds that are ticked below.")),
    "everything": (N_("With everything"), N_("If the other coupon allows it, too.")),
}
_PARTNERS: dict[str, str] = {
    "ordinary": N_("Ordinary coupons"),
    "marketing": N_("Marketing coupons"),
    "care": N_("Care coupons"),
    "discount": N_("Discounts"),
    "cash": N_("Cash coupons"),
    "gift": N_("Gift coupons"),
}
_THRESHOLDS: dict[str, str] = {
    "rest": N_("with what is left when it is its turn"),
    "bill": N_("with the whole bill"),
}


class StackingForm(Form):
    combines = ChoiceField(COMBINES, label=N_("Goes together"))
    combines_with = ChoicesField(PARTNERS_IN_A_BILL, N_("Together with"))
    most_per_bill = IntegerField(N_("On one bill at most"), minimum=1, maximum=MOST_PER_BILL)
    exclusive_group = TextField(N_("Exclusive group"), required=False, maximum=LONGEST_GROUP)
    turn = IntegerField(N_("Turn"), minimum=1, maximum=LAST_TURN)
    threshold_of = ChoiceField(THRESHOLDS, label=N_("Threshold compared"))


@get("/items/{sku:str}/stacking", guards=[require_permission("items.read")])
async def show_stacking(request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str]) -> Page:
    """The rule of a coupon."""
    connection = await driver_connection(session)
    terms = await load_coupon_rule(connection, sku)
    return await _show(request, connection, sku, StackingForm.blank(**to_builtins(terms)))


@post("/items/{sku:str}/stacking", guards=[require_permission("items.edit")])
async def save_stacking(request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str]) -> Page:
    """Say what it goes together with; it holds at once, for coupons that are out, too."""
    form, connection = await StackingForm.read(request), await driver_connection(session)
    if not form.is_valid:
        return await _show(request, connection, sku, form, status=422)
    before = to_builtins(await load_coupon_rule(connection, sku))
    terms = CouponRuleTerms(
        form.combines,
        form.combines_with,
        form.most_per_bill,
        form.exclusive_group or None,
        form.turn,
        form.threshold_of,
    )
    act = save_coupon_rule(connection, sku, terms, actor=actor_of(request).reference, now=now_of(request))
    refusal = adopt_faults(form, await try_act(connection, act))
    if refusal is not None:
        return await _show(request, connection, sku, form, refusal=refusal)
    if form.faults:
        return await _show(request, connection, sku, form, status=422)
    await record_act(request, session, "item.stacking", f"item:{sku}", before=before, after=to_builtins(terms))
    leave_notice(request, N_("Saved."))
    return redirect(request, f"/console/items/{segment(sku)}")


async def _show(
    request: AnyRequest,
    connection: Connection,
    sku: str,
    form: StackingForm,
    *,
    refusal: DomainError | None = None,
    status: int | None = None,
) -> Page:
    item = (await load_item(connection, sku)).item
    if item.coupon_form is None:
        raise NotFoundError
    context: dict[str, Any] = {"status": status} if status else {}
    return show(
        request,
        "item_stacking",
        refusal=refusal,
        item=item,
        form=form,
        combines=[(name, gettext(label), gettext(hint)) for name, (label, hint) in _COMBINES.items()],
        partners=[(name, gettext(label)) for name, label in _PARTNERS.items()],
        thresholds=[(name, gettext(label)) for name, label in _THRESHOLDS.items()],
        groups=await list_groups(connection),
        most=MOST_PER_BILL,
        last_turn=LAST_TURN,
        **context,
    )


ROUTES = [show_stacking, save_stacking]
