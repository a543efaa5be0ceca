"""Partners: the list, and one with its company, gates, contract, money and people, and the changes of its state."""

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.errors import DomainError
from liyu.core.i18n import N_
from liyu.partners.find import find_partner_id
from liyu.partners.queries import count_partners, list_partners, partner_page, staff_of
from liyu.partners.register import change_partner_state
from liyu.partners.states import TRANSITIONS
from liyu.web.actor import actor_of, require_permission
from liyu.web.acts import try_act
from liyu.web.audit import record_act
from liyu.web.console import words
from liyu.web.console.common import (
    LONGEST_REASON,
    AnyRequest,
    choice_links,
    cursor_links,
    name_people,
    now_of,
    read_choice,
    read_text,
    segment,
    show,
)
from liyu.web.console.settlements import month_label
from liyu.web.formats import current_zone
from liyu.web.forms import ChoiceField, Form, TextField
from liyu.web.pages import Page, leave_notice, redirect

PAGE_SIZE = 50
STATES = tuple(state for state in TRANSITIONS if state is not None)


class StateForm(Form):
    wanted = ChoiceField(STATES)
    reason = TextField(N_("Reason"), maximum=LONGEST_REASON)


@get("/partners", guards=[require_permission("partners.read")])
async def show_partners(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The list with its filters."""
    connection = await driver_connection(session)
    state, text = read_choice(request, "state", STATES), read_text(request, "q")
    lines = await list_partners(
        connection, state=state, search=text, after=read_text(request, "after"), limit=PAGE_SIZE + 1
    )
    counts = await count_partners(connection)
    states = [(name, words.partner_state(name), counts[name]) for name in STATES if name in counts]
    return show(
        request,
        "partners",
        lines=lines[:PAGE_SIZE],
        text=text,
        state=state,
        states=choice_links(request, "state", states, state),
        **cursor_links(request, lines[PAGE_SIZE - 1].code if len(lines) > PAGE_SIZE else None),
    )


@get("/partners/{code:str}", guards=[require_permission("partners.read")])
async def show_partner(request: AnyRequest, session: NamedDependency[AsyncSession], code: FromPath[str]) -> Page:
    """One partner."""
    return await _show(request, session, code)


@post("/partners/{code:str}/state", guards=[require_permission("partners.edit")])
async def change_state(request: AnyRequest, session: NamedDependency[AsyncSession], code: FromPath[str]) -> Page:
    """Lead a partner to another state, with a reason; admission needs every hard gate."""
    form = await StateForm.read(request)
    if not form.is_valid:
        return await _show(request, session, code, form=form)
    connection = await driver_connection(session)
    partner_id = await find_partner_id(session, code)
    now, zone = now_of(request), current_zone()
    before = (await partner_page(partner_id, connection, now=now, zone=zone)).company.state
    actor = actor_of(request).reference
    change = change_partner_state(
        connection, partner_id, form.wanted, reason=form.reason, actor=actor, now=now, zone=zone
    )
    refusal = await try_act(connection, change)
    if refusal:
        return await _show(request, session, code, refusal=refusal)
    await record_act(
        request,
        session,
        "partner.state",
        f"partner:{code}",
        before={"state": before},
        after={"state": form.wanted, "reason": form.reason},
    )
    leave_notice(request, words.partner_state(form.wanted))
    return redirect(request, f"/console/partners/{segment(code)}")


async def _show(
    request: AnyRequest,
    session: AsyncSession,
    code: str,
    *,
    form: Form | None = None,
    refusal: DomainError | None = None,
) -> Page:
    connection = await driver_connection(session)
    partner_id = await find_partner_id(session, code)
    found = await partner_page(partner_id, connection, now=now_of(request), zone=current_zone(), drafts=True)
    return show(
        request,
        "partner",
        refusal=refusal,
        **({"status": 422} if form is not None else {}),
        found=found,
        company=found.company,
        staff=await staff_of(partner_id, connection),
        names=await name_people(connection, [one.actor for one in found.changes]),
        steps=TRANSITIONS[found.company.state],
        month_label=month_label,
        form=form,
    )


ROUTES = [show_partners, show_partner, change_state]
