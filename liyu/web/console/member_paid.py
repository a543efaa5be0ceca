"""One member's paid memberships: what they have, entering one that was sold, and giving one back by the stated rule."""

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.errors import DomainError
from liyu.core.i18n import N_
from liyu.members.account import load_account
from liyu.members.paid.plans import list_plans
from liyu.members.paid.queries import list_periods
from liyu.members.paid.service import LONGEST_REFERENCE, Sale, return_membership, sell_membership
from liyu.members.queries import find_member_id, read_member
from liyu.members.tiers.queries import load_progress
from liyu.web.actor import actor_of, require_permission
from liyu.web.acts import adopt_faults, try_act
from liyu.web.audit import record_act
from liyu.web.console.common import (
    LONGEST_REASON,
    AnyRequest,
    name_people,
    now_of,
    segment,
    show,
    today_of,
)
from liyu.web.formats import current_zone
from liyu.web.forms import Form, MoneyField, TextField
from liyu.web.i18n import text_of
from liyu.web.pages import Page, leave_notice, redirect

PATH = "/members/{external_id:str}/membership"


class SaleForm(Form):
    plan = TextField(N_("Membership"), maximum=40)
    reference = TextField(N_("Number of the sale"), maximum=LONGEST_REFERENCE)
    paid_minor = MoneyField(N_("Paid in money"))


class ReturnForm(Form):
    reference = TextField(maximum=200)
    reason = TextField(N_("Reason"), maximum=LONGEST_REASON)


@get(PATH, guards=[require_permission("members.read")])
async def show_member_paid(
    request: AnyRequest, session: NamedDependency[AsyncSession], external_id: FromPath[str]
) -> Page:
    """What a member has bought."""
    return await _show(request, session, external_id)


@post(PATH, guards=[require_permission("members.tier")])
async def enter_sale(request: AnyRequest, session: NamedDependency[AsyncSession], external_id: FromPath[str]) -> Page:
    """Enter a membership that was sold for money; the same number again sells nothing more."""
    form, actor, connection = await SaleForm.read(request), actor_of(request), await driver_connection(session)
    if not form.is_valid:
        return await _show(request, session, external_id, form=form)
    sale = Sale(external_id, form.plan, form.reference, form.paid_minor)
    act = sell_membership(connection, sale, actor=actor.reference, now=now_of(request), zone=current_zone())
    refusal = adopt_faults(form, await try_act(connection, act))
    if refusal or form.faults:
        return await _show(request, session, external_id, form=form, refusal=refusal)
    await record_act(request, session, "member.membership", f"member:{external_id}", after=dict(form.values))
    leave_notice(request, N_("The membership is entered. It ends by itself."))
    return redirect(request, f"/console/members/{segment(external_id)}/membership")


@post(f"{PATH}/return", guards=[require_permission("members.tier")])
async def give_back(request: AnyRequest, session: NamedDependency[AsyncSession], external_id: FromPath[str]) -> Page:
    """Give one back, with a reason; it ends at once."""
    form, actor, connection = await ReturnForm.read(request), actor_of(request), await driver_connection(session)
    if not form.is_valid:
        return await _show(request, session, external_id, form=form)
    act = return_membership(
        connection,
        form.reference,
        member_id=await find_member_id(connection, external_id),
        reason=form.reason,
        actor=actor.reference,
        now=now_of(request),
        zone=current_zone(),
    )
    refusal = adopt_faults(form, await try_act(connection, act))
    if refusal or form.faults:
        return await _show(request, session, external_id, form=form if form.faults else None, refusal=refusal)
    await record_act(request, session, "member.membership_return", f"member:{external_id}", after=dict(form.values))
    leave_notice(request, N_("The membership has ended. What is due in money stands with it."))
    return redirect(request, f"/console/members/{segment(external_id)}/membership")


async def _show(
    request: AnyRequest,
    session: AsyncSession,
    external_id: str,
    *,
    form: Form | None = None,
    refusal: DomainError | None = None,
) -> Page:
    connection, today = await driver_connection(session), today_of(request)
    member = await read_member(connection, external_id)
    member_id = await find_member_id(connection, external_id)
    periods = await list_periods(connection, member_id)
    return show(
        request,
        "member_paid",
        refusal=refusal,
        **({"status": 422} if form is not None and not refusal else {}),
        member=member,
        account=await load_account(connection, member_id, today),
        progress=await load_progress(connection, member_id),
        periods=periods,
        names=await name_people(connection, [actor for one in periods for actor in (one.actor, one.returned_by)]),
        today=today,
        plans=[(plan.code, text_of(plan, "name")) for plan in await list_plans(connection, offered_only=True)],
        form=form,
        is_open=member.state == "active",
    )


ROUTES = [show_member_paid, enter_sale, give_back]
