"""Points rules: the list by type of event, one rule with its versions, making and ending versions, what returns take back."""

from itertools import pairwise
from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import structs
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.errors import DomainError
from liyu.core.i18n import N_
from liyu.members.points.pricing import EARNING_TYPES
from liyu.members.points.returns import RETURN_POLICIES
from liyu.members.points.rules import (
    ENDED,
    IN_FORCE,
    PLANNED,
    PurchasePolicy,
    RuleVersion,
    end_rule,
    list_rules,
    load_rule,
    set_purchase_policy,
    withdraw_planned,
)
from liyu.members.program import load_terms
from liyu.web import earning_words
from liyu.web.actor import require_permission
from liyu.web.acts import try_act
from liyu.web.audit import record_act
from liyu.web.console.common import LONGEST_REASON, AnyRequest, now_of, show
from liyu.web.forms import ChoiceField, Form, InstantField, TextField
from liyu.web.i18n import gettext, text_of
from liyu.web.pages import Page, leave_notice, redirect

STATUS_WORDS = {
    PLANNED: (N_("Planned"), "blue"),
    IN_FORCE: (N_("Valid now"), ""),
    ENDED: (N_("Ended"), "grey"),
}
EARNS, EARNS_NOTHING = "earns", "nothing"
POINTS_PART_WORDS: dict[str, tuple[str, str]] = {
    EARNS_NOTHING: (N_("Earns nothing"), N_("Points and growth value come from what is paid with money alone.")),
    EARNS: (N_("Earns like the rest"), N_("Points and growth value come from the whole amount.")),
}
POLICY_WORDS: dict[str, tuple[str, str]] = {
    "into_debt": (
        N_("Into debt"),
        N_(
            "Everything that the purchase gave is taken back. What the member no longer has is owed, and the next points pay it."
        ),
    ),
    "down_to_zero": (
        N_("Down to zero"),
        N_("Pending points first, then usable ones, as far as there are any. What is missing is forgiven."),
    ),
    "pending_only": (
        N_("Pending points only"),
        N_("Only points of that purchase that are still pending are taken back. Points that are usable stay."),
    ),
}


class PolicyForm(Form):
    policy = ChoiceField(RETURN_POLICIES, N_("What returns take back"))
    points_part = ChoiceField(tuple(POINTS_PART_WORDS), N_("The part of a purchase that is paid with points"))


class EndForm(Form):
    valid_to = InstantField(N_("Ends at"), required=False)
    reason = TextField(N_("Reason"), maximum=LONGEST_REASON)


@get("/rules", guards=[require_permission("rules.read")])
async def show_rules(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """All rules by type of event, and what returns take back."""
    return await _show_list(request, session)


@post("/rules/returns", guards=[require_permission("rules.edit")])
async def change_return_policy(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Set what returns take back from now on, and whether what is paid with points earns."""
    form = await PolicyForm.read(request)
    if not form.is_valid:
        return await _show_list(request, session, form=form)
    policy = PurchasePolicy(form.policy, form.points_part == EARNS)
    before = await set_purchase_policy(await driver_connection(session), policy)
    if before != policy:
        await record_act(
            request, session, "rules.returns", "program:1", before=structs.asdict(before), after=structs.asdict(policy)
        )
    leave_notice(request, N_("Saved. Purchases and returns that come from now on follow it."))
    return redirect(request, "/console/rules")


@get("/rules/{code:str}", guards=[require_permission("rules.read")])
async def show_rule(request: AnyRequest, session: NamedDependency[AsyncSession], code: FromPath[str]) -> Page:
    """One rule with all its versions."""
    return await _show_rule(request, session, code)


@post("/rules/{code:str}/end", guards=[require_permission("rules.edit")])
async def end(request: AnyRequest, session: NamedDependency[AsyncSession], code: FromPath[str]) -> Page:
    """Let a rule end, at once or at a time that is said."""
    form = await EndForm.read(request)
    if not form.is_valid:
        return await _show_rule(request, session, code, form=form)
    connection = await driver_connection(session)
    refusal = await try_act(connection, end_rule(connection, code, form.valid_to, now=now_of(request)))
    if refusal:
        return await _show_rule(request, session, code, refusal=refusal)
    after = {"valid_to": (form.valid_to or now_of(request)).isoformat(), "reason": form.reason}
    await record_act(request, session, "rule.end", f"rule:{code}", after=after)
    leave_notice(request, N_("The rule ends. What was given keeps its price."))
    return redirect(request, f"/console/rules/{code}")


@post("/rules/{code:str}/withdraw", guards=[require_permission("rules.edit")])
async def withdraw(request: AnyRequest, session: NamedDependency[AsyncSession], code: FromPath[str]) -> Page:
    """Take a planned version back before it begins."""
    connection = await driver_connection(session)
    refusal = await try_act(connection, withdraw_planned(connection, code, now=now_of(request)))
    if refusal:
        return await _show_rule(request, session, code, refusal=refusal)
    await record_act(request, session, "rule.withdraw", f"rule:{code}")
    leave_notice(request, N_("The planned version is withdrawn."))
    return redirect(request, f"/console/rules/{code}")


async def _show_list(request: AnyRequest, session: AsyncSession, form: PolicyForm | None = None) -> Page:
    connection = await driver_connection(session)
    currency = (terms := await load_terms(connection)).currency
    rules = [rule_row(rule, currency, request) for rule in _current_of_each(await list_rules(connection), request)]
    rows = sorted(rules, key=lambda row: EARNING_TYPES.index(row["type"]))
    for before, row in pairwise(rows):
        row["repeated"] = before["type"] == row["type"]
    points_part = EARNS if terms.points_part_earns else EARNS_NOTHING
    return show(
        request,
        "rules",
        rows=rows,
        policies=[(name, gettext(POLICY_WORDS[name][0]), gettext(POLICY_WORDS[name][1])) for name in POLICY_WORDS],
        policy=terms.return_policy,
        policy_name=gettext(POLICY_WORDS[terms.return_policy][0]),
        policy_note=gettext(POLICY_WORDS[terms.return_policy][1]),
        points_parts=[(name, gettext(words), gettext(note)) for name, (words, note) in POINTS_PART_WORDS.items()],
        points_part=points_part,
        points_part_name=gettext(POINTS_PART_WORDS[points_part][0]),
        form=form,
        status=422 if form is not None else 200,
    )


async def _show_rule(
    request: AnyRequest,
    session: AsyncSession,
    code: str,
    *,
    form: Form | None = None,
    refusal: DomainError | None = None,
) -> Page:
    connection = await driver_connection(session)
    versions = await load_rule(connection, code)
    currency = (await load_terms(connection)).currency
    living = {one.status(now_of(request)): one for one in versions}
    return show(
        request,
        "rule",
        refusal=refusal,
        **({"status": 422} if form is not None else {}),
        code=code,
        rows=[rule_row(version, currency, request) for version in versions],
        can_change=PLANNED not in living,
        can_end=PLANNED not in living and IN_FORCE in living,
        can_withdraw=PLANNED in living,
        form=form,
    )


def _current_of_each(versions: list[RuleVersion], request: AnyRequest) -> list[RuleVersion]:
    """Of each rule the version in force, else the planned one, else the last; the planned one beside one in force as well."""
    by_code: dict[str, list[RuleVersion]] = {}
    for version in versions:
        by_code.setdefault(version.code, []).append(version)
    now = now_of(request)
    chosen = []
    for found in by_code.values():
        living = [one for one in found if one.status(now) != ENDED]
        chosen += living or found[:1]
    return chosen


def rule_row(rule: RuleVersion, currency: str, request: AnyRequest) -> dict[str, Any]:
    """A version of a rule in words."""
    status = rule.status(now_of(request))
    return {
        "code": rule.code,
        "version": rule.version,
        "type": rule.event_type,
        "repeated": False,
        "type_name": earning_words.event_type(rule.event_type),
        "name": text_of(rule, "name"),
        "gives": earning_words.what_it_gives(rule, currency),
        "when": earning_words.when_it_gives(rule),
        "limits": earning_words.limits_of(rule),
        # A default rule holds since before everything.
        "valid_from": rule.valid_from if rule.valid_from.year > 1970 else None,
        "valid_to": rule.valid_to,
        "withdrawn": rule.valid_to == rule.valid_from,
        "status": gettext(STATUS_WORDS[status][0]),
        "tone": STATUS_WORDS[status][1],
    }


ROUTES = [show_rules, change_return_policy, show_rule, end, withdraw]
