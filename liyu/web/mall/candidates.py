"""What should come next? Members say which rights they would like: one vote for each, which can be taken back."""

from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.catalog.evaluation.candidates import Candidate, list_candidates, load_candidate, take_vote_back, vote
from liyu.catalog.evaluation.states import STATE_NAMES
from liyu.core.database import driver_connection
from liyu.core.i18n import N_
from liyu.web.actor import actor_of
from liyu.web.forms import CheckField, Form
from liyu.web.i18n import gettext
from liyu.web.mall.member import AnyRequest, member_id_of, now_of
from liyu.web.mall.words import OTHER_SCENE, SCENES
from liyu.web.pages import Page, fragment, leave_notice, page, redirect
from liyu.web.visit import visit_of

TONES = {"open": "", "planned": "blue", "listed": "grey"}


class VoteForm(Form):
    wanted = CheckField(N_("I would like it"))


@get("/candidates")
async def show_candidates(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The candidates with their votes, those wanted most first."""
    candidates = await list_candidates(await driver_connection(session), member_id=member_id_of(actor_of(request)))
    most = max((one.votes for one in candidates), default=0)
    return page(
        request,
        "mall/candidates.html",
        tab="me",
        candidates=[_row(one, most) for one in candidates],
        is_open=any(one.state == "open" for one in candidates),
    )


@post("/candidates/{candidate_id:int}")
async def cast(request: AnyRequest, session: NamedDependency[AsyncSession], candidate_id: FromPath[int]) -> Page:
    """Give one's vote, or take it back. For htmx the card alone, otherwise the list."""
    form = await VoteForm.read(request)
    connection, member_id = await driver_connection(session), member_id_of(actor_of(request))
    if form.wanted:
        await vote(connection, member_id, candidate_id, now=now_of(request))
    else:
        await take_vote_back(connection, member_id, candidate_id)
    if visit_of(request).is_fragment:
        one = await load_candidate(connection, candidate_id, member_id=member_id)
        most = max(other.votes for other in await list_candidates(connection, member_id=member_id))
        return fragment(request, "mall/_candidate.html", row=_row(one, most))
    leave_notice(request, N_("Your vote counts.") if form.wanted else N_("Your vote is taken back."))
    return redirect(request, "/candidates")


def _row(one: Candidate, most: int) -> dict[str, Any]:
    label, icon = SCENES.get(one.scene, OTHER_SCENE)
    return {
        "one": one,
        "scene": gettext(label),
        "icon": icon,
        "state": gettext(STATE_NAMES[one.state]),
        "tone": TONES[one.state],
        "most": most,
    }


ROUTES = [show_candidates, cast]
