"""The queue of approvals: new offers of partners, what they want to change with every difference, and the rule for both."""

from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.catalog.proposals import (
    ListingTerms,
    Proposal,
    approve,
    differences_of,
    list_proposals,
    load_listing_terms,
    save_listing_terms,
    send_back,
)
from liyu.catalog.queries import ItemFilter, list_items, load_item
from liyu.catalog.service import set_state
from liyu.core.database import driver_connection
from liyu.core.errors import DomainError
from liyu.core.i18n import N_
from liyu.web.actor import actor_of, require_permission
from liyu.web.acts import try_act
from liyu.web.audit import record_act
from liyu.web.console import item_words
from liyu.web.console.common import LONGEST_REASON, AnyRequest, Connection, name_people, now_of, show
from liyu.web.formats import current_zone
from liyu.web.forms import CheckField, ChoiceField, Form, IntegerField, TextField
from liyu.web.i18n import translate
from liyu.web.pages import Page, leave_notice, redirect

GUARD = require_permission("items.publish")
HERE = "/console/approvals"
DECIDED_SHOWN = 20


class VerdictForm(Form):
    """A yes, a yes that puts on sale at once, or a no with its reason."""

    verdict = ChoiceField(("approved", "live", "returned"))
    reason = TextField(N_("Reason"), required=False, maximum=LONGEST_REASON)


class RuleForm(Form):
    price_percent = IntegerField(N_("Prices may move by percent"), minimum=0, maximum=100)
    stock_may_rise = CheckField(N_("Stock may rise"))
    stock_may_fall = CheckField(N_("Stock may fall"))


@get("/approvals", guards=[GUARD])
async def show_approvals(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """What waits, the oldest last; the rule; what was decided lately."""
    return await _show(request, session)


@post("/approvals/items/{sku:str}", guards=[GUARD])
async def decide_item(request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str]) -> Page:
    """Decide on a new offer."""
    form = await VerdictForm.read(request)
    if not form.is_valid or (form.verdict == "returned" and not form.reason):
        leave_notice(request, N_("Say why, so that the partner can mend it."), "error")
        return redirect(request, HERE)
    connection = await driver_connection(session)
    item = (await load_item(connection, sku)).item
    refusal = await try_act(connection, _lead(request, connection, item.id, form))
    if refusal:
        leave_notice(request, refusal.text, "error")
        return redirect(request, HERE)
    after = {"state": form.verdict, "reason": form.reason}
    await record_act(request, session, "item.state", f"item:{sku}", before={"state": item.state}, after=after)
    leave_notice(request, item_words.verdict(form.verdict))
    return redirect(request, HERE)


@post("/approvals/{proposal_id:int}", guards=[GUARD])
async def decide_proposal(
    request: AnyRequest, session: NamedDependency[AsyncSession], proposal_id: FromPath[int]
) -> Page:
    """Decide on a change."""
    form = await VerdictForm.read(request)
    if not form.is_valid or (form.verdict == "returned" and not form.reason):
        leave_notice(request, N_("Say why, so that the partner can mend it."), "error")
        return redirect(request, HERE)
    connection, actor, now = await driver_connection(session), actor_of(request).reference, now_of(request)
    if form.verdict == "returned":
        act = send_back(connection, proposal_id, reason=form.reason, actor=actor, now=now)
    else:
        act = approve(connection, proposal_id, actor=actor, now=now, zone=current_zone())
    refusal = await try_act(connection, act)
    if refusal:
        leave_notice(request, refusal.reasons[0].message if refusal.reasons else refusal.text, "error")
        return redirect(request, HERE)
    after = {"verdict": form.verdict, "reason": form.reason}
    await record_act(request, session, "item.proposal", f"proposal:{proposal_id}", after=after)
    leave_notice(request, item_words.verdict("returned" if form.verdict == "returned" else "approved"))
    return redirect(request, HERE)


@post("/approvals/rule", guards=[GUARD])
async def change_rule(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Set what partners may change without a review."""
    form = await RuleForm.read(request)
    if not form.is_valid:
        return await _show(request, session, form=form)
    connection = await driver_connection(session)
    before = await load_listing_terms(connection)
    terms = ListingTerms(form.price_percent, form.stock_may_rise, form.stock_may_fall)
    await save_listing_terms(connection, terms, now=now_of(request))
    await record_act(request, session, "items.rule", "listing_rule", before=_facts(before), after=_facts(terms))
    leave_notice(request, N_("Saved."))
    return redirect(request, HERE)


async def _lead(request: AnyRequest, connection: Connection, item_id: int, form: VerdictForm) -> None:
    actor, now = actor_of(request).reference, now_of(request)
    steps = ["approved", "live"] if form.verdict == "live" else [form.verdict]
    for step in steps:
        await set_state(connection, item_id, step, actor=actor, reason=form.reason or step, now=now)


async def _show(request: AnyRequest, session: AsyncSession, form: RuleForm | None = None) -> Page:
    connection = await driver_connection(session)
    waiting = await list_proposals(connection, waiting=True)
    decided = [one for one in await list_proposals(connection) if one.state != "submitted"][:DECIDED_SHOWN]
    offers = (await list_items(connection, ItemFilter(state="submitted"))).lines
    terms = await load_listing_terms(connection)
    lookup = await item_words.load_lookup(connection)
    changes = {one.id: await _changes(connection, request, one, lookup) for one in waiting}
    rule = form or RuleForm.blank(
        price_percent=terms.price_percent, stock_may_rise=terms.stock_may_rise, stock_may_fall=terms.stock_may_fall
    )
    return show(
        request,
        "approvals",
        status=422 if form else 200,
        offers=offers,
        waiting=waiting,
        decided=decided,
        changes=changes,
        names=await name_people(connection, [one.made_by for one in waiting] + [one.decided_by for one in decided]),
        rule=rule,
        item_words=item_words,
    )


async def _changes(
    connection: Connection, request: AnyRequest, proposal: Proposal, lookup: item_words.Lookup
) -> dict[str, Any]:
    try:
        found = await differences_of(connection, proposal, now=now_of(request), zone=current_zone())
    except DomainError as refusal:
        fault = refusal.reasons[0].message if refusal.reasons else refusal.text
        return {"rows": [], "fault": translate(fault)}
    return {"rows": [item_words.say(one, lookup) for one in found], "fault": None}


def _facts(terms: ListingTerms) -> dict[str, object]:
    return {name: getattr(terms, name) for name in terms.__struct_fields__}


ROUTES = [show_approvals, change_rule, decide_item, decide_proposal]
