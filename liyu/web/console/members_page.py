"""One member: points, profile, lots, vouchers, a timeline of everything; notes, freezing and unfreezing."""

from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.errors import DomainError
from liyu.core.i18n import N_
from liyu.core.ids import make_token
from liyu.members.account import load_account
from liyu.members.leads import follow
from liyu.members.points.history import list_movements
from liyu.members.points.queries import rule_names
from liyu.members.profile import MemberChanges, save_member
from liyu.members.program import load_terms
from liyu.members.queries import read_member
from liyu.members.service.adjustments import list_requests
from liyu.members.service.notes import LONGEST_NOTE, add_note, list_notes
from liyu.members.states import may_become
from liyu.redemption.persons import list_memberships
from liyu.redemption.timeline import read_timeline
from liyu.vouchers.queries import wallet_page
from liyu.web.actor import actor_of, require_permission
from liyu.web.acts import adopt_faults, try_act
from liyu.web.audit import record_act
from liyu.web.console.common import (
    LONGEST_REASON,
    AnyRequest,
    Connection,
    choice_links,
    cursor_links,
    name_people,
    now_of,
    read_choice,
    read_cursor,
    segment,
    show,
    today_of,
)
from liyu.web.console.members_timeline import KINDS, movement_row, read_place, row_of, write_place
from liyu.web.console.tags import member_tags
from liyu.web.formats import current_zone
from liyu.web.forms import ChoiceField, Form, TextField
from liyu.web.i18n import gettext
from liyu.web.pages import Page, leave_notice, redirect

VOUCHERS_SHOWN = 8
NOTES_SHOWN = 5
POINTS = "points"


class StateForm(Form):
    wanted = ChoiceField(("frozen", "active"))
    reason = TextField(N_("Reason"), maximum=LONGEST_REASON)


class NoteForm(Form):
    text = TextField(N_("Note"), maximum=LONGEST_NOTE)


def page_of(external_id: str) -> str:
    """The address of a member's page."""
    return f"/console/members/{segment(external_id)}"


@get("/members/{external_id:str}", guards=[require_permission("members.read")])
async def show_member(request: AnyRequest, session: NamedDependency[AsyncSession], external_id: FromPath[str]) -> Page:
    """One member; the address of somebody who was merged leads to the one who lives on."""
    meant, _ = await follow(await driver_connection(session), external_id)
    if meant != external_id:
        return redirect(request, page_of(meant))
    return await show_member_page(request, session, external_id)


@post("/members/{external_id:str}/state", guards=[require_permission("members.freeze")])
async def change_state(request: AnyRequest, session: NamedDependency[AsyncSession], external_id: FromPath[str]) -> Page:
    """Freeze or unfreeze, with a reason."""
    form = await StateForm.read(request)
    if not form.is_valid:
        return await show_member_page(request, session, external_id, form=form)
    connection = await driver_connection(session)
    before = await read_member(connection, external_id)
    change = save_member(
        connection,
        external_id,
        MemberChanges(state=form.wanted, reason=form.reason),
        actor=actor_of(request).reference,
        now=now_of(request),
        zone=current_zone(),
    )
    refusal = await try_act(connection, change)
    if refusal:
        return await show_member_page(request, session, external_id, refusal=refusal)
    await record_act(
        request,
        session,
        "member.state",
        f"member:{external_id}",
        before={"state": before.state},
        after={"state": form.wanted, "reason": form.reason},
    )
    notices = {"frozen": N_("The account is frozen."), "pre_registered": N_("The membership is active.")}
    leave_notice(request, notices.get(form.wanted) or notices.get(before.state) or N_("The account works again."))
    return redirect(request, page_of(external_id))


@post("/members/{external_id:str}/notes", guards=[require_permission("members.note")])
async def write_note(request: AnyRequest, session: NamedDependency[AsyncSession], external_id: FromPath[str]) -> Page:
    """Write a note down; it stays."""
    form, connection = await NoteForm.read(request), await driver_connection(session)
    if form.is_valid:
        note = add_note(connection, external_id, form.text, author=actor_of(request).reference, now=now_of(request))
        adopt_faults(form, await try_act(connection, note))
    if not form.is_valid:
        return await show_member_page(request, session, external_id, form=form)
    await record_act(request, session, "member.note", f"member:{external_id}")
    leave_notice(request, N_("The note is kept."))
    return redirect(request, page_of(external_id))


async def show_member_page(
    request: AnyRequest,
    session: AsyncSession,
    external_id: str,
    *,
    form: Form | None = None,
    refusal: DomainError | None = None,
) -> Page:
    """The page of a member, with a form that has faults or a refusal where there was one."""
    connection = await driver_connection(session)
    member = await read_member(connection, external_id)
    _, member_id = await follow(connection, external_id)
    notes = await list_notes(connection, member_id, NOTES_SHOWN)
    requests = (await list_requests(connection, state="requested", member_id=member_id)).lines
    people = [*(one.author for one in notes), *(one.requested_by for one in requests)]
    return show(
        request,
        "member",
        refusal=refusal,
        **({"status": 422} if form is not None and not form.is_valid else {}),
        member=member,
        account=await load_account(connection, member_id, today_of(request)),
        notes=notes,
        requests=requests,
        tags=await member_tags(connection, member_id),
        vouchers=await wallet_page(connection, member_id, "usable", now_of(request), limit=VOUCHERS_SHOWN),
        can_freeze=may_become(member.state, "frozen"),
        can_unfreeze=member.state == "frozen",
        can_activate=member.state == "pre_registered",
        memberships=await list_memberships(connection, member_id),
        limit=(await load_terms(connection)).adjustment_limit,
        key=form.raw["key"] if form is not None and form.raw.get("key") else make_token(),
        form=form,
        **await _history(request, connection, member_id, people),
    )


async def _history(request: AnyRequest, connection: Connection, member_id: int, people: list[str]) -> dict[str, Any]:
    """The timeline, of one kind or of all; points alone come with the balance after each movement."""
    kind = read_choice(request, "show", KINDS)
    rules = await rule_names(connection)
    choices: list[tuple[str, str, int | None]] = [(name, gettext(label), None) for name, label in KINDS.items()]
    shared = {"kind": kind, "kinds": choice_links(request, "show", choices, kind)}
    if kind == POINTS:
        history = await list_movements(connection, member_id, read_cursor(request))
        return shared | {
            "names": await name_people(connection, people),
            "rows": [movement_row(movement, rules) for movement in history.movements],
            **cursor_links(request, history.next_cursor),
        }
    timeline = await read_timeline(connection, member_id, kinds=[kind] if kind else None, after=read_place(request))
    names = await name_people(connection, [*people, *(event.actor for event in timeline.events)])
    return shared | {
        "names": names,
        "rows": [row_of(event, rules, names) for event in timeline.events],
        **cursor_links(request, write_place(timeline.next)),
    }


ROUTES = [show_member, change_state, write_note]
