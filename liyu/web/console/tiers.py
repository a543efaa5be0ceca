"""Tiers: what they are and who is about to rise or fall; changing them, with a preview in numbers of members first."""

from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from msgspec import to_builtins
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.catalog.notify import announce_everything
from liyu.core.database import driver_connection
from liyu.core.errors import DomainError, InvalidInputError
from liyu.core.i18n import N_, Message
from liyu.members.tiers.edit import TierPlan, apply_plan, load_plan, preview_plan
from liyu.members.tiers.evaluate import evaluate_reached
from liyu.members.tiers.queries import OUTLOOK, count_members, list_fallers, list_risers
from liyu.web.actor import require_permission
from liyu.web.acts import try_act
from liyu.web.audit import record_act
from liyu.web.console.common import (
    AnyRequest,
    choice_links,
    now_of,
    read_choice,
    read_cursor,
    same_list,
    show,
    today_of,
)
from liyu.web.console.tier_form import (
    ICON_NAMES,
    NEW,
    SLOTS_OF_NEW,
    SLOTS_TO_SPARE,
    PlanForm,
    adopt_plan_faults,
    blank_form,
    plan_of,
    read_form,
)
from liyu.web.i18n import gettext, text_of
from liyu.web.pages import Page, leave_notice, redirect
from liyu.web.tier_words import FALLS, factor

SHORT_LIST = 8
PAGE_SIZE = 50


@get("/tiers", guards=[require_permission("members.read")])
async def show_tiers(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The tiers with their members, and those who are about to rise or to fall."""
    connection = await driver_connection(session)
    plan = await load_plan(connection)
    return show(
        request,
        "tiers",
        plan=plan,
        members=await count_members(connection),
        factor=factor,
        fall=gettext(FALLS[plan.fall]),
        risers=await list_risers(connection, size=SHORT_LIST),
        fallers=await list_fallers(connection, today_of(request), size=SHORT_LIST),
        ahead=OUTLOOK.days,
    )


@get("/tiers/rising", guards=[require_permission("members.read")])
async def show_rising(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Everybody who lacks little growth value for the next tier."""
    return await _show_movers(request, session, rising=True)


@get("/tiers/falling", guards=[require_permission("members.read")])
async def show_falling(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Everybody whose validity ends soon without the growth value to keep it."""
    return await _show_movers(request, session, rising=False)


@get("/tiers/edit", guards=[require_permission("tiers.edit")])
async def show_edit(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The tiers as they are, to be changed."""
    plan = await load_plan(await driver_connection(session))
    return _show_form(request, plan, blank_form(plan))


@post("/tiers/edit", guards=[require_permission("tiers.edit")])
async def change_tiers(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """First show what the change would mean; put in force exactly what was shown."""
    connection = await driver_connection(session)
    before = await load_plan(connection)
    form = await read_form(request, before)
    if not form.is_valid:
        return _show_form(request, before, form, status=422)
    plan = plan_of(form, before)
    try:
        outlook = await preview_plan(connection, plan)
    except InvalidInputError as faults:
        adopt_plan_faults(form, faults, before)
        return _show_form(request, before, form, status=422)
    if form.values["confirmed"] != plan.digest():
        return _show_form(request, before, form, plan=plan, outlook=outlook)
    refusal = await try_act(connection, apply_plan(connection, plan, shown=form.values["shown"]))
    if refusal:
        return _show_form(request, before, form, refusal=refusal, status=refusal.status)
    await announce_everything(connection)
    risen = await evaluate_reached(connection, today_of(request), now=now_of(request))
    await record_act(request, session, "tiers.edit", "program:1", before=to_builtins(before), after=to_builtins(plan))
    leave_notice(request, Message(N_("The tiers are in force. %(count)s members have risen."), {"count": risen}))
    return redirect(request, "/console/tiers")


async def _show_movers(request: AnyRequest, session: AsyncSession, *, rising: bool) -> Page:
    connection = await driver_connection(session)
    plan = await load_plan(connection)
    tier = read_choice(request, "tier", [one.code for one in plan.tiers])
    skip = read_cursor(request) or 0
    if rising:
        movers = await list_risers(connection, tier=tier, skip=skip, size=PAGE_SIZE + 1)
    else:
        movers = await list_fallers(connection, today_of(request), tier=tier, skip=skip, size=PAGE_SIZE + 1)
    choices = [(one.code, text_of(one, "name"), None) for one in (plan.tiers[:-1] if rising else plan.tiers[1:])]
    return show(
        request,
        "tier_movers",
        rising=rising,
        movers=movers[:PAGE_SIZE],
        ahead=OUTLOOK.days,
        tiers=choice_links(request, "tier", choices, tier),
        first_href=same_list(request) if skip else None,
        next_href=same_list(request, after=skip + PAGE_SIZE) if len(movers) > PAGE_SIZE else None,
    )


def _show_form(
    request: AnyRequest,
    before: TierPlan,
    form: PlanForm,
    *,
    plan: TierPlan | None = None,
    outlook: list[Any] | None = None,
    refusal: DomainError | None = None,
    status: int = 200,
) -> Page:
    names = {tier.code: text_of(tier, "name") for tier in before.tiers}
    return show(
        request,
        "tier_form",
        refusal=refusal,
        status=status,
        before=before,
        form=form,
        shown=before.digest(),
        confirmed=plan.digest() if plan else "",
        outlook=[(names[one.code], one) for one in outlook or []],
        changed=plan is not None and plan != before,
        slots={tier.code: len(tier.rights) + SLOTS_TO_SPARE for tier in before.tiers} | {NEW: SLOTS_OF_NEW},
        icons=[(icon, gettext(name)) for icon, name in ICON_NAMES.items()],
        falls=[(code, gettext(words)) for code, words in FALLS.items()],
    )


ROUTES = [show_tiers, show_rising, show_falling, show_edit, change_tiers]
