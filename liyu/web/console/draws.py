"""Draws: planning one, announcing it with its commitment, watching it, and why each member got something or did not."""

from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.errors import DomainError
from liyu.core.i18n import N_
from liyu.members.queries import find_member_id
from liyu.redemption.draws.errors import DrawStateError
from liyu.redemption.draws.prepare import announce_draw, call_off, change_plan, discard_draft, plan_draw
from liyu.redemption.draws.queries import (
    PlaceView,
    count_so_far,
    list_all,
    list_place_steps,
    list_places,
    list_steps,
    load_own_part,
)
from liyu.redemption.draws.records import Draw, find_draw, list_prizes
from liyu.web.actor import actor_of, require_permission
from liyu.web.acts import adopt_faults, attempt, try_act
from liyu.web.audit import record_act
from liyu.web.console import words
from liyu.web.console.common import (
    AnyRequest,
    Connection,
    ReasonForm,
    name_people,
    now_of,
    read_text,
    show,
)
from liyu.web.console.draw_form import DrawForm, form_of, list_choices, list_tiers
from liyu.web.draw_words import PLACE_REASONS, claim_rule, phase_label, phase_of, place_label, points_rule
from liyu.web.i18n import ENGLISH, current_locale, gettext, text_of
from liyu.web.pages import Page, leave_notice, redirect
from liyu.web.visit import visit_of

READ, EDIT, PUBLISH = (require_permission(name) for name in ("items.read", "items.edit", "items.publish"))


@get("/draws", guards=[READ])
async def show_draws(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Every draw, the newest first."""
    draws = await list_all(await driver_connection(session))
    return show(request, "draws", rows=[_row(request, draw) for draw in draws])


@get("/draws/new", guards=[EDIT])
async def new_draw(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The empty form."""
    connection = await driver_connection(session)
    form = form_of(None, [], [])
    form.raw["sku"] = read_text(request, "item")
    return await _show_form(request, connection, form, None)


@post("/draws/new", guards=[EDIT])
async def create(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Plan a draw; nobody sees it yet."""
    connection, form = await driver_connection(session), await DrawForm.read(request)
    if not form.is_valid:
        return await _show_form(request, connection, form, None)
    draft, actor = form.draft(await _tier_ids(connection)), actor_of(request).reference
    number = await attempt(connection, plan_draw(connection, draft, actor=actor, now=now_of(request)))
    if isinstance(number, DomainError):
        return await _show_form(request, connection, form, None, refusal=_to_form(form, number))
    await record_act(request, session, "draw.plan", f"draw:{number}", after={"item": form.sku})
    leave_notice(request, N_("Saved. Nobody sees it until it is announced."))
    return redirect(request, f"/console/draws/{number}")


@get("/draws/{number:str}/edit", guards=[EDIT])
async def edit_draw(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """The form of a draft; of what is announced, its page."""
    connection = await driver_connection(session)
    draw = await find_draw(connection, number)
    if draw.state != "draft":
        return redirect(request, f"/console/draws/{number}")
    form = form_of(draw, await list_prizes(connection, draw.id), await list_tiers(connection))
    return await _show_form(request, connection, form, draw)


@post("/draws/{number:str}/edit", guards=[EDIT])
async def change(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """Change a draft."""
    connection, form = await driver_connection(session), await DrawForm.read(request)
    draw = await find_draw(connection, number)
    refusal = None
    if form.is_valid:
        draft = form.draft(await _tier_ids(connection))
        refusal = _to_form(form, await try_act(connection, change_plan(connection, number, draft)))
    if not form.is_valid or refusal:
        return await _show_form(request, connection, form, draw, refusal=refusal)
    await record_act(request, session, "draw.change", f"draw:{number}", after={"item": form.sku})
    leave_notice(request, N_("Saved."))
    return redirect(request, f"/console/draws/{number}")


@get("/draws/{number:str}", guards=[READ])
async def show_draw(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """One draw: where it is, what was published, the result, and why for one member."""
    return await _show(request, session, number)


@post("/draws/{number:str}/announce", guards=[PUBLISH])
async def announce(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """Publish the rule and the commitment. From now on nothing of it can be changed."""
    connection = await driver_connection(session)
    act = announce_draw(
        connection,
        number,
        secret_key=visit_of(request).services.settings.secret_key,
        actor=actor_of(request).reference,
        now=now_of(request),
    )
    refusal = await try_act(connection, act)
    if refusal:
        return await _show(request, session, number, refusal=refusal)
    draw = await find_draw(connection, number)
    await record_act(request, session, "draw.announce", f"draw:{number}", after={"commitment": draw.commitment})
    leave_notice(request, N_("Announced. The commitment is public."))
    return redirect(request, f"/console/draws/{number}")


@post("/draws/{number:str}/discard", guards=[EDIT])
async def discard(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """Delete a draft."""
    connection = await driver_connection(session)
    refusal = await try_act(connection, discard_draft(connection, number))
    if refusal:
        return await _show(request, session, number, refusal=refusal)
    await record_act(request, session, "draw.discard", f"draw:{number}")
    leave_notice(request, N_("The draft is deleted."))
    return redirect(request, "/console/draws")


@post("/draws/{number:str}/call-off", guards=[PUBLISH])
async def stop(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """Call a draw off while its list is not frozen; all points go back."""
    connection, form = await driver_connection(session), await ReasonForm.read(request)
    if not form.is_valid:
        return await _show(request, session, number, form=form)
    act = call_off(connection, number, reason=form.reason, actor=actor_of(request).reference, now=now_of(request))
    refusal = await try_act(connection, act)
    if refusal:
        return await _show(request, session, number, refusal=refusal)
    await record_act(request, session, "draw.call_off", f"draw:{number}", after={"reason": form.reason})
    leave_notice(request, N_("Called off. All points go back within a few minutes."))
    return redirect(request, f"/console/draws/{number}")


async def _show(
    request: AnyRequest,
    session: AsyncSession,
    number: str,
    *,
    refusal: DomainError | None = None,
    form: ReasonForm | None = None,
) -> Page:
    connection = await driver_connection(session)
    draw = await find_draw(connection, number)
    steps = await list_steps(connection, draw.id)
    names = await name_people(connection, [draw.created_by, *(step.actor for step in steps)])
    return show(
        request,
        "draw",
        refusal=refusal,
        **({"status": 422} if form is not None else {}),
        **_row(request, draw),
        here=f"/console/draws/{number}",
        prizes=await list_prizes(connection, draw.id),
        so_far=await count_so_far(connection, draw),
        points_rule=points_rule(draw),
        claim_rule=claim_rule(draw),
        tiers=_tickets(draw, await list_tiers(connection)),
        entries=[
            *(
                {
                    "text": phase_text(step.to_state),
                    "when": step.at,
                    "by": names.of(step.actor),
                    "note": words.reason(step.reason),
                }
                for step in steps
            ),
            {"text": gettext(N_("Draft made")), "when": draw.created_at, "by": names.of(draw.created_by)},
        ],
        places=[_place(one) for one in await list_places(connection, draw.id)],
        asked=read_text(request, "member", 200),
        why=await _explain(request, connection, draw),
        form=form or ReasonForm.blank(),
    )


async def _explain(request: AnyRequest, connection: Connection, draw: Draw) -> dict[str, Any] | None:
    """Why one member got something or did not: their entries, and what happened to their place; None where nobody is asked for."""
    member = read_text(request, "member", 200)
    if not member or draw.state == "draft":
        return None
    try:
        member_id = await find_member_id(connection, member)
    except DomainError:
        return {"unknown": True}
    own = await load_own_part(connection, draw, member_id, secret_key=visit_of(request).services.settings.secret_key)
    steps = await list_place_steps(connection, draw.id, own.place.place) if own.place else []
    return {
        "unknown": False,
        "member": member,
        "own": own,
        "state": place_label(own.place.state) if own.place else None,
        "steps": [
            {"text": place_label(step.to_state)[0], "when": step.at, "note": gettext(PLACE_REASONS[step.reason])}
            for step in steps
        ],
    }


def _place(one: PlaceView) -> dict[str, Any]:
    label, tone = place_label(one.state)
    return {"one": one, "label": label, "tone": tone, "prize": text_of(one, "prize") if one.prize_zh else "—"}


def phase_text(state: str) -> str:
    """What a change of state is called in the history."""
    return gettext(_STEPS[state])


_STEPS = {
    "announced": N_("Announced with its commitment"),
    "frozen": N_("List frozen, its hash published"),
    "decided": N_("Seed revealed, winners drawn"),
    "finished": N_("Every prize is decided"),
    "called_off": N_("Called off"),
}


def _row(request: AnyRequest, draw: Draw) -> dict[str, Any]:
    label, tone = phase_label(draw, now_of(request))
    return {"draw": draw, "label": label, "tone": tone, "phase": phase_of(draw, now_of(request))}


def _tickets(draw: Draw, tiers: list[tuple[int, str, str, str]]) -> list[tuple[str, int]]:
    by_id = {one.tier_id: one.tickets for one in draw.tier_tickets or []}
    return [(_name(zh, en), by_id.get(tier_id, 1)) for tier_id, _, zh, en in tiers] if by_id else []


async def _show_form(
    request: AnyRequest,
    connection: Connection,
    form: DrawForm,
    draw: Draw | None,
    *,
    refusal: DomainError | None = None,
) -> Page:
    choices = await list_choices(connection, draw.sku if draw else None)
    return show(
        request,
        "draw_form",
        refusal=refusal,
        **({} if refusal else {"status": 200 if form.is_valid else 422}),
        form=form,
        draw=draw,
        tiers=[(code, _name(zh, en)) for _, code, zh, en in await list_tiers(connection)],
        **{name: [(sku, f"{_name(zh, en)} · {sku}") for sku, zh, en in found] for name, found in choices.items()},
    )


def _name(zh: str, en: str) -> str:
    return en if current_locale() == ENGLISH and en else zh


def _to_form(form: DrawForm, refusal: DomainError | None) -> DomainError | None:
    """Faults of fields go to the form; those of the prizes stand at the first one."""
    for reason in refusal.reasons if refusal and not isinstance(refusal, DrawStateError) else ():
        if reason.details.get("field") == "prizes":
            reason.details["field"] = "prize_1"
    return adopt_faults(form, refusal)


async def _tier_ids(connection: Connection) -> dict[str, int]:
    return {code: tier_id for tier_id, code, _, _ in await list_tiers(connection)}


ROUTES = [show_draws, new_draw, create, edit_draw, change, show_draw, announce, discard, stop]
