"""Paid membership: the offers, and writing them."""

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import to_builtins
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.i18n import N_
from liyu.members.account import list_tiers
from liyu.members.paid.plans import (
    LONGEST_NAME,
    MOST_MONTHS,
    MOST_RETURN_DAYS,
    Plan,
    PlanDraft,
    change_plan,
    find_plan,
    list_plans,
    make_plan,
)
from liyu.web.actor import require_permission
from liyu.web.acts import carry_out
from liyu.web.audit import record_act
from liyu.web.console.common import AnyRequest, Connection, show, today_of
from liyu.web.forms import CheckField, Form, IntegerField, MoneyField, TextField
from liyu.web.i18n import text_of
from liyu.web.pages import Page, leave_notice, redirect

PATH = "/memberships"
HOME = f"/console{PATH}"
EDIT = require_permission("tiers.edit")


class PlanForm(Form):
    name_zh = TextField(N_("Name in Chinese"), maximum=LONGEST_NAME)
    name_en = TextField(N_("Name in English"), maximum=LONGEST_NAME)
    months = IntegerField(N_("Months"), minimum=1, maximum=MOST_MONTHS)
    points = IntegerField(N_("Price in points"), required=False)
    price_minor = MoneyField(N_("Price in money"), required=False)
    return_days = IntegerField(N_("Days to think again"), maximum=MOST_RETURN_DAYS)
    offered = CheckField(N_("On offer"))


class NewPlanForm(PlanForm):
    code = TextField(N_("Key"), maximum=40)
    tier = TextField(N_("Tier"), maximum=64)


@get(PATH, guards=[require_permission("members.read")])
async def show_plans(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """All offers, with how many members have each."""
    connection = await driver_connection(session)
    return show(request, "paid_plans", plans=await list_plans(connection, day=today_of(request)))


@get(f"{PATH}/new", guards=[EDIT])
async def show_new_plan(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """An empty form."""
    form = NewPlanForm.blank(months="1", return_days="7", offered="yes")
    return await _show_form(request, await driver_connection(session), form, None)


@post(f"{PATH}/new", guards=[EDIT])
async def create_plan(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Offer something new."""
    form, connection = await NewPlanForm.read(request), await driver_connection(session)
    if form.is_valid:
        draft = PlanDraft(**form.values)
        await carry_out(connection, form, make_plan(connection, draft))
    if not form.is_valid:
        return await _show_form(request, connection, form, None, status=422)
    await record_act(request, session, "paid_plan.add", f"paid_plan:{form.code}", after=to_builtins(draft))
    leave_notice(request, N_("Saved."))
    return redirect(request, HOME)


@get(f"{PATH}/{{code:str}}", guards=[EDIT])
async def show_plan(request: AnyRequest, session: NamedDependency[AsyncSession], code: FromPath[str]) -> Page:
    """The form with one offer."""
    connection = await driver_connection(session)
    plan = await find_plan(connection, code)
    said = {name: getattr(plan, name) for name in PlanForm.fields}
    said["price_minor"] = f"{plan.price_minor / 100:.2f}" if plan.price_minor else None
    return await _show_form(request, connection, PlanForm.blank(**said), plan)


@post(f"{PATH}/{{code:str}}", guards=[EDIT])
async def save_plan(request: AnyRequest, session: NamedDependency[AsyncSession], code: FromPath[str]) -> Page:
    """Change an offer for those who buy from now on."""
    form, connection = await PlanForm.read(request), await driver_connection(session)
    before = await find_plan(connection, code)
    if form.is_valid:
        draft = PlanDraft(code=code, tier=before.tier, **form.values)
        await carry_out(connection, form, change_plan(connection, draft))
    if not form.is_valid:
        return await _show_form(request, connection, form, before, status=422)
    old = {name: getattr(before, name) for name in PlanDraft.__struct_fields__}
    await record_act(
        request, session, "paid_plan.edit", f"paid_plan:{code}", before=old, after=to_builtins(draft)
    )  # fmt: skip
    leave_notice(request, N_("Saved. What was sold before keeps its terms."))
    return redirect(request, HOME)


async def _show_form(
    request: AnyRequest, connection: Connection, form: Form, plan: Plan | None, status: int = 200
) -> Page:
    tiers = [(tier.code, text_of(tier, "name")) for tier in (await list_tiers(connection))[1:]]
    return show(request, "paid_plan", status=status, form=form, plan=plan, tiers=tiers)


ROUTES = [show_plans, show_new_plan, create_plan, show_plan, save_plan]
