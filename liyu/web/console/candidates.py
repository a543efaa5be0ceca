"""Candidates 候选权益: rights that are not in the mall yet, with the votes of members and what the operators think of them."""

from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.catalog.evaluation.candidates import (
    CandidateFacts,
    add_candidate,
    edit_candidate,
    list_candidates,
    list_changes,
    load_candidate,
    move_candidate,
)
from liyu.catalog.evaluation.scores import Subject, load_scores
from liyu.catalog.evaluation.states import STATE_NAMES, TRANSITIONS
from liyu.catalog.models import SCENES
from liyu.core.database import driver_connection
from liyu.core.errors import DomainError
from liyu.core.i18n import N_
from liyu.web.actor import actor_of, require_permission
from liyu.web.acts import adopt_faults, try_act
from liyu.web.audit import record_act
from liyu.web.console import words
from liyu.web.console.common import LONGEST_REASON, AnyRequest, name_people, now_of, show
from liyu.web.console.evaluation import ScoreForm, evaluate, take_sheet
from liyu.web.forms import ChoiceField, Form, TextField
from liyu.web.i18n import gettext
from liyu.web.pages import Page, leave_notice, redirect

READ, EDIT = require_permission("items.read"), require_permission("items.edit")
TONES = {"open": "", "planned": "blue", "listed": "grey", "dropped": "red"}


class CandidateForm(Form):
    name_zh = TextField(N_("Name in Chinese"), maximum=60)
    name_en = TextField(N_("Name in English"), maximum=100)
    summary_zh = TextField(N_("In a sentence, Chinese"), required=False, maximum=200)
    summary_en = TextField(N_("In a sentence, English"), required=False, maximum=300)
    scene = ChoiceField(SCENES, N_("Scene"))
    partner = TextField(N_("Who might offer it"), required=False, maximum=100)

    @property
    def facts(self) -> CandidateFacts:
        """What was written down."""
        return CandidateFacts(self.name_zh, self.name_en, self.summary_zh, self.summary_en, self.scene, self.partner)


class StepForm(Form):
    wanted = ChoiceField(STATE_NAMES, N_("Next step"))
    sku = TextField(N_("Item number"), required=False, maximum=100)
    reason = TextField(N_("Reason"), maximum=LONGEST_REASON)


@get("/candidates", guards=[READ])
async def show_candidates(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """All candidates by state and votes."""
    connection = await driver_connection(session)
    candidates = await list_candidates(connection)
    scores = await load_scores(connection, "candidate_id", [one.id for one in candidates])
    most = max((one.votes for one in candidates), default=0)
    return show(
        request,
        "candidates",
        rows=[{"one": one, "scores": scores.get(one.id), **_state(one.state)} for one in candidates],
        most=most,
    )


@get("/candidates/new", guards=[EDIT])
async def new_candidate(request: AnyRequest) -> Page:
    """The empty form."""
    return _show_form(request, CandidateForm.blank())


@post("/candidates/new", guards=[EDIT])
async def add(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Propose a right; members can vote for it at once."""
    form = await CandidateForm.read(request)
    if not form.is_valid:
        return _show_form(request, form)
    connection, actor = await driver_connection(session), actor_of(request).reference
    candidate_id = await add_candidate(connection, form.facts, actor=actor, now=now_of(request))
    await record_act(request, session, "candidate.add", f"candidate:{candidate_id}", after={"name": form.name_zh})
    leave_notice(request, N_("Members can vote for it now."))
    return redirect(request, f"/console/candidates/{candidate_id}")


@get("/candidates/{candidate_id:int}", guards=[READ])
async def show_candidate(
    request: AnyRequest, session: NamedDependency[AsyncSession], candidate_id: FromPath[int]
) -> Page:
    """One candidate: votes, radar, sheet, history."""
    return await _show(request, session, candidate_id)


@post("/candidates/{candidate_id:int}", guards=[EDIT])
async def edit(request: AnyRequest, session: NamedDependency[AsyncSession], candidate_id: FromPath[int]) -> Page:
    """Say it better; the votes stay."""
    form = await CandidateForm.read(request)
    if not form.is_valid:
        return await _show(request, session, candidate_id, edit_form=form)
    await edit_candidate(await driver_connection(session), candidate_id, form.facts, now=now_of(request))
    await record_act(request, session, "candidate.edit", f"candidate:{candidate_id}", after={"name": form.name_zh})
    leave_notice(request, N_("Saved."))
    return redirect(request, f"/console/candidates/{candidate_id}")


@post("/candidates/{candidate_id:int}/score", guards=[EDIT])
async def score(request: AnyRequest, session: NamedDependency[AsyncSession], candidate_id: FromPath[int]) -> Page:
    """Write a score sheet for a candidate."""
    form = await ScoreForm.read(request)
    if not form.is_valid:
        return await _show(request, session, candidate_id, form=form)
    await load_candidate(await driver_connection(session), candidate_id)
    await take_sheet(request, session, Subject(candidate_id=candidate_id), f"candidate:{candidate_id}", form)
    return redirect(request, f"/console/candidates/{candidate_id}")


@post("/candidates/{candidate_id:int}/state", guards=[EDIT])
async def move(request: AnyRequest, session: NamedDependency[AsyncSession], candidate_id: FromPath[int]) -> Page:
    """Lead a candidate on: prepared, in the mall, not pursued, or open again."""
    form = await StepForm.read(request)
    if not form.is_valid:
        return await _show(request, session, candidate_id, step_form=form)
    connection = await driver_connection(session)
    before = (await load_candidate(connection, candidate_id)).state
    change = move_candidate(
        connection,
        candidate_id,
        form.wanted,
        sku=form.sku,
        reason=form.reason,
        actor=actor_of(request).reference,
        now=now_of(request),
    )
    refusal = await try_act(connection, change)
    if refusal:
        left = adopt_faults(form, refusal)
        return await _show(request, session, candidate_id, step_form=form, refusal=left)
    after = {"state": form.wanted, "reason": form.reason, "sku": form.sku}
    await record_act(
        request, session, "candidate.state", f"candidate:{candidate_id}", before={"state": before}, after=after
    )
    leave_notice(request, STATE_NAMES[form.wanted])
    return redirect(request, f"/console/candidates/{candidate_id}")


def _show_form(request: AnyRequest, form: CandidateForm) -> Page:
    status = 200 if form.is_valid else 422
    return show(request, "candidate_form", status=status, form=form, scenes=_scenes(), action="/console/candidates/new")


async def _show(
    request: AnyRequest,
    session: AsyncSession,
    candidate_id: int,
    *,
    form: ScoreForm | None = None,
    edit_form: CandidateForm | None = None,
    step_form: StepForm | None = None,
    refusal: DomainError | None = None,
) -> Page:
    connection = await driver_connection(session)
    one = await load_candidate(connection, candidate_id)
    changes = await list_changes(connection, candidate_id)
    names = await name_people(connection, [change.actor for change in changes])
    facts = {name: getattr(one, name) for name in CandidateForm.fields}
    is_faulty = any(given is not None for given in (form, edit_form, step_form))
    context: dict[str, Any] = await evaluate(connection, Subject(candidate_id=candidate_id), form or ScoreForm.blank())
    return show(
        request,
        "candidate",
        refusal=refusal,
        **({"status": 422} if is_faulty and refusal is None else {}),
        one=one,
        here=f"/console/candidates/{candidate_id}",
        **_state(one.state),
        changes=[
            {
                "text": gettext(STATE_NAMES[change.to_state]),
                "when": change.at,
                "by": names.of(change.actor),
                "note": words.reason(change.reason),
                "state": "red" if change.to_state == "dropped" else "",
            }
            for change in changes
        ],
        steps=[(wanted, gettext(STATE_NAMES[wanted])) for wanted in TRANSITIONS[one.state]],
        edit_form=edit_form or CandidateForm.blank(**facts),
        step_form=step_form or StepForm.blank(),
        scenes=_scenes(),
        **context,
    )


def _state(state: str) -> dict[str, str]:
    return {"label": gettext(STATE_NAMES[state]), "tone": TONES[state]}


def _scenes() -> list[tuple[str, str]]:
    return [(one, words.scene(one)) for one in SCENES]


ROUTES = [show_candidates, new_candidate, add, show_candidate, edit, score, move]
