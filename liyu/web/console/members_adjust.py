"""Adjusting points: at once up to the limit of one person, above it with a second one; the queue of what waits."""

from collections.abc import Iterable

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.errors import DomainError
from liyu.core.i18n import N_, Message
from liyu.members.points.adjust import LARGEST_ADJUSTMENT
from liyu.members.queries import read_member
from liyu.members.service.adjustments import (
    DONE,
    REPEATED,
    adjust_or_ask,
    approve,
    list_requests,
    refuse,
)
from liyu.members.service.models import REQUEST_STATES
from liyu.web.actor import actor_of, require_permission
from liyu.web.acts import adopt_faults, attempt
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
    read_cursor,
    show,
)
from liyu.web.console.members_page import page_of, show_member_page
from liyu.web.formats import current_zone
from liyu.web.forms import ChoiceField, Form, IntegerField, TextField
from liyu.web.pages import Page, leave_notice, redirect

QUEUE = "/console/adjustments"


class AdjustForm(Form):
    points = IntegerField(N_("Points"), minimum=-LARGEST_ADJUSTMENT, maximum=LARGEST_ADJUSTMENT)
    why = TextField(N_("Reason"), maximum=LONGEST_REASON)
    key = TextField(maximum=100)

    def check(self) -> Iterable[tuple[str, Message]]:
        if self.points == 0:
            yield "points", Message(N_("Enter how many points to give, or to take with a minus in front."))


class DecisionForm(Form):
    wanted = ChoiceField(("approved", "refused"))
    decision = TextField(N_("Remark"), required=False, maximum=LONGEST_REASON)

    def check(self) -> Iterable[tuple[str, Message]]:
        if self.wanted == "refused" and not self.decision:
            yield "decision", Message(N_("Say why it is refused."))


@post("/members/{external_id:str}/adjust", guards=[require_permission("members.adjust")])
async def adjust(request: AnyRequest, session: NamedDependency[AsyncSession], external_id: FromPath[str]) -> Page:
    """Give or take points with a reason, or ask for it. The key that the form carries makes a second click count once."""
    form, actor = await AdjustForm.read(request), actor_of(request)
    if not form.is_valid:
        return await show_member_page(request, session, external_id, form=form)
    connection = await driver_connection(session)
    before = await read_member(connection, external_id)
    act = adjust_or_ask(
        connection,
        external_id,
        form.points,
        reason=form.why,
        key=f"{actor.reference}:{form.key}",
        actor=actor.reference,
        now=now_of(request),
        zone=current_zone(),
    )
    adjusted = await attempt(connection, act)
    if isinstance(adjusted, DomainError):
        refusal = adopt_faults(form, adjusted)
        return await show_member_page(request, session, external_id, form=None if refusal else form, refusal=refusal)
    outcome = adjusted.outcome
    if outcome == REPEATED:
        leave_notice(request, N_("This adjustment was made already; nothing was done twice."))
        return redirect(request, page_of(external_id))
    after = await read_member(connection, external_id)
    await record_act(
        request,
        session,
        "member.adjust" if outcome == DONE else "member.adjust_request",
        f"member:{external_id}",
        before={"balance": before.balance, "debt": before.debt},
        after={"balance": after.balance, "debt": after.debt, "points": form.points, "reason": form.why},
    )
    if outcome == DONE:
        leave_notice(request, Message(N_("Done. The balance is %(points)s points now."), {"points": after.balance}))
    else:
        leave_notice(request, N_("More than one person may move in a day: it waits for somebody else's approval."))
    return redirect(request, page_of(external_id))


@get("/adjustments", guards=[require_permission("members.read")])
async def show_queue(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """What waits for a second person, and what became of the rest."""
    return await _show_queue(request, session)


@post("/adjustments/{request_id:int}/decide", guards=[require_permission("members.approve")])
async def decide(request: AnyRequest, session: NamedDependency[AsyncSession], request_id: FromPath[int]) -> Page:
    """Approve, which moves the points, or refuse with a reason."""
    form, actor = await DecisionForm.read(request), actor_of(request).reference
    if not form.is_valid:
        return await _show_queue(request, session, form=form, faulty=request_id)
    connection, now = await driver_connection(session), now_of(request)
    if form.wanted == "approved":
        act = approve(connection, request_id, actor=actor, decision=form.decision, now=now, zone=current_zone())
    else:
        act = refuse(connection, request_id, actor=actor, decision=form.decision, now=now)
    whose = await attempt(connection, act)
    if isinstance(whose, DomainError):
        return await _show_queue(request, session, refusal=whose)
    await record_act(
        request,
        session,
        "member.adjust_approve" if form.wanted == "approved" else "member.adjust_refuse",
        f"member:{whose}",
        after={"request": request_id, "decision": form.decision},
    )
    leave_notice(request, N_("The points are moved.") if form.wanted == "approved" else N_("Refused. Nothing moved."))
    return redirect(request, QUEUE)


async def _show_queue(
    request: AnyRequest,
    session: AsyncSession,
    *,
    form: Form | None = None,
    faulty: int | None = None,
    refusal: DomainError | None = None,
) -> Page:
    connection = await driver_connection(session)
    state = read_choice(request, "state", REQUEST_STATES) or "requested"
    found = await list_requests(connection, state=state, after=read_cursor(request))
    choices: list[tuple[str, str, int | None]] = [(name, words.request_state(name), None) for name in REQUEST_STATES]
    people = [person for one in found.lines for person in (one.requested_by, one.decided_by)]
    return show(
        request,
        "adjustments",
        refusal=refusal,
        **({"status": 422} if form is not None else {}),
        lines=found.lines,
        names=await name_people(connection, people),
        me=actor_of(request).reference,
        state=state,
        states=choice_links(request, "state", choices, state)[1:],
        form=form,
        faulty=faulty,
        **cursor_links(request, found.next),
    )


ROUTES = [adjust, show_queue, decide]
