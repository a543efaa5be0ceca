"""Making rules and new versions of them, with a preview of what an event would give and why before anything is saved."""

from collections.abc import Iterable
from typing import Any

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.errors import DomainError
from liyu.core.i18n import N_, Message
from liyu.core.money import BASIS_POINTS
from liyu.members.points.pricing import BIRTHDAY_SPANS, CONDITIONS, EARNING_TYPES, Rule
from liyu.members.points.rules import (
    LARGEST_FIGURE,
    LONGEST_CODE,
    LONGEST_PENDING_DAYS,
    RuleDraft,
    RuleVersion,
    add_rule,
    add_version,
    load_rule,
)
from liyu.web import earning_words
from liyu.web.actor import require_permission
from liyu.web.acts import adopt_faults, try_act
from liyu.web.audit import record_act
from liyu.web.console.common import AnyRequest, Connection, now_of, show
from liyu.web.console.rule_preview import TrialForm, find_tiers, try_out
from liyu.web.forms import (
    CheckField,
    ChoiceField,
    FieldError,
    InstantField,
    IntegerField,
    MoneyField,
    ParsedField,
    TextField,
)
from liyu.web.i18n import gettext
from liyu.web.pages import Page, leave_notice, redirect

LARGEST_FACTOR = 100
LONGEST_NAME = 100
DRAFT_ID = 0
OWN_ADDRESSES = ("new", "preview", "returns")


class FactorField(ParsedField[int]):
    """A factor as people write it (`1.5`), in basis points."""

    def parse(self, text: str) -> int:
        whole, _, decimals = text.partition(".")
        digits = whole + decimals
        if not digits.isascii() or not digits.isdigit() or not whole or len(decimals) > 4:
            raise FieldError(N_("Enter a factor, such as 1.5."))
        factor = int(whole) * BASIS_POINTS + int(decimals.ljust(4, "0"))
        if not BASIS_POINTS <= factor <= LARGEST_FACTOR * BASIS_POINTS:
            raise FieldError(N_("Enter a factor from 1 to %(most)s."), most=LARGEST_FACTOR)
        return factor


class RuleForm(TrialForm):
    name_zh = TextField(N_("Name in Chinese"), maximum=LONGEST_NAME)
    name_en = TextField(N_("Name in English"), maximum=LONGEST_NAME)
    points = IntegerField(N_("Points"), maximum=LARGEST_FIGURE)
    growth = IntegerField(N_("Growth value"), required=False, maximum=LARGEST_FIGURE, default=0)
    per_minor = MoneyField(N_("For each amount of"), required=False)
    tier_multiplied = CheckField(N_("More in higher tiers"))
    condition = ChoiceField(CONDITIONS, N_("When"))
    every_days = IntegerField(N_("Days in a row"), required=False, minimum=2, maximum=366)
    birthday_basis_points = FactorField(N_("Birthday multiplier"), required=False, default=BASIS_POINTS)
    birthday_span = ChoiceField(BIRTHDAY_SPANS, N_("It multiplies"), required=False)
    daily_cap = IntegerField(N_("Cap a day"), required=False, maximum=LARGEST_FIGURE)
    yearly_cap = IntegerField(N_("Cap a year"), required=False, maximum=LARGEST_FIGURE)
    lifetime_cap = IntegerField(N_("Cap for the membership"), required=False, maximum=LARGEST_FIGURE)
    pending_days = IntegerField(N_("Days until usable"), required=False, maximum=LONGEST_PENDING_DAYS, default=0)
    valid_from = InstantField(N_("Valid from"), required=False)
    act = ChoiceField(("preview", "save"), required=False, default="save")

    def check(self) -> Iterable[tuple[str, Message]]:
        if self.per_minor == 0:
            yield "per_minor", Message(N_("Enter an amount, such as 128.50."))


class NewRuleForm(RuleForm):
    code = TextField(N_("Key"), maximum=LONGEST_CODE)
    event_type = ChoiceField(EARNING_TYPES, N_("Event"))

    def check(self) -> Iterable[tuple[str, Message]]:
        yield from super().check()
        if self.code in OWN_ADDRESSES:
            yield "code", Message(N_("This word is taken by a page; choose another code."))


@get("/rules/new", guards=[require_permission("rules.edit")])
async def show_new(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """An empty form."""
    form = NewRuleForm.blank(
        event_type="purchase", condition="always", birthday_basis_points="1", trial_amount="320.00"
    )
    return await _show_form(request, await driver_connection(session), form)


@post("/rules/new", guards=[require_permission("rules.edit")])
async def create_rule(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Make a rule, or show what an event would give with it."""
    form = await NewRuleForm.read(request)
    connection = await driver_connection(session)
    if not form.is_valid:
        return await _show_form(request, connection, form, status=422)
    if form.act == "preview":
        return await _preview(request, connection, form, form.code, form.event_type)
    draft = _draft_of(form, form.event_type)
    refusal = await try_act(
        connection, add_rule(connection, form.code, draft, valid_from=form.valid_from, now=now_of(request))
    )
    if refusal:
        return await _show_form(request, connection, form, refusal=adopt_faults(form, refusal), status=refusal.status)
    await record_act(request, session, "rule.create", f"rule:{form.code}", after=_facts(form, draft))
    leave_notice(request, N_("The rule is there."))
    return redirect(request, f"/console/rules/{form.code}")


@get("/rules/{code:str}/edit", guards=[require_permission("rules.edit")])
async def show_edit(request: AnyRequest, session: NamedDependency[AsyncSession], code: FromPath[str]) -> Page:
    """The form with what the latest version says."""
    connection = await driver_connection(session)
    latest = (await load_rule(connection, code))[0]
    return await _show_form(request, connection, RuleForm.blank(**_texts(latest)), rule=latest)


@post("/rules/{code:str}/edit", guards=[require_permission("rules.edit")])
async def change_rule(request: AnyRequest, session: NamedDependency[AsyncSession], code: FromPath[str]) -> Page:
    """Make a new version, or show what an event would give with it. What was priced before keeps its price."""
    form = await RuleForm.read(request)
    connection = await driver_connection(session)
    latest = (await load_rule(connection, code))[0]
    if not form.is_valid:
        return await _show_form(request, connection, form, rule=latest, status=422)
    if form.act == "preview":
        return await _preview(request, connection, form, code, latest.event_type, rule=latest)
    draft = _draft_of(form, latest.event_type)
    refusal = await try_act(
        connection, add_version(connection, code, draft, valid_from=form.valid_from, now=now_of(request))
    )
    if refusal:
        left = adopt_faults(form, refusal)
        return await _show_form(request, connection, form, rule=latest, refusal=left, status=refusal.status)
    before = msgspec.to_builtins(latest)
    await record_act(request, session, "rule.edit", f"rule:{code}", before=before, after=_facts(form, draft))
    leave_notice(request, N_("The new version is there. What was given before keeps its price."))
    return redirect(request, f"/console/rules/{code}")


async def _preview(
    request: AnyRequest,
    connection: Connection,
    form: RuleForm,
    code: str,
    event_type: str,
    *,
    rule: RuleVersion | None = None,
) -> Page:
    begins = form.valid_from or now_of(request)
    terms = msgspec.structs.asdict(_draft_of(form, event_type))
    facts = {name: terms[name] for name in Rule.__struct_fields__ if name in terms}
    version = rule.version + 1 if rule else 1
    draft = Rule(id=DRAFT_ID, code=code, version=version, valid_from=begins, valid_to=None, **facts)
    names = {code: (form.name_zh, form.name_en)}
    shown = await try_out(request, connection, form, event_type, draft=draft, draft_names=names)
    return await _show_form(request, connection, form, rule=rule, preview=shown, status=200 if form.is_valid else 422)


async def _show_form(
    request: AnyRequest,
    connection: Connection,
    form: RuleForm,
    *,
    rule: RuleVersion | None = None,
    preview: dict[str, Any] | None = None,
    refusal: DomainError | None = None,
    status: int = 200,
) -> Page:
    return show(
        request,
        "rule_form",
        status=status,
        refusal=refusal,
        form=form,
        rule=rule,
        type_name=earning_words.event_type(rule.event_type) if rule else None,
        types=[(name, earning_words.event_type(name)) for name in EARNING_TYPES],
        conditions=[(name, earning_words.condition(name)) for name in CONDITIONS],
        spans=[("day", gettext(N_("on the birthday"))), ("month", gettext(N_("all through its month")))],
        tiers=[(tier.code, name) for tier, name in await find_tiers(connection)],
        preview=preview,
    )


def _draft_of(form: RuleForm, event_type: str) -> RuleDraft:
    plain = [name for name in RuleDraft.__struct_fields__ if name != "event_type"]
    values = {name: getattr(form, name) for name in plain}
    return RuleDraft(event_type=event_type, **values | {"birthday_span": form.birthday_span or None})


def _facts(form: RuleForm, draft: RuleDraft) -> dict[str, Any]:
    """What the audit log keeps of a version."""
    facts: dict[str, Any] = msgspec.to_builtins(draft)
    return facts | {"valid_from": form.valid_from.isoformat() if form.valid_from else None}


def _texts(rule: RuleVersion) -> dict[str, str]:
    """A version as the form shows it; the new one is valid from a time that is yet to be said."""
    facts = msgspec.structs.asdict(rule)
    texts = {name: "" if facts.get(name) is None else str(facts.get(name)) for name in RuleForm.fields}
    return texts | {
        "per_minor": f"{rule.per_minor / 100:.2f}" if rule.per_minor else "",
        "tier_multiplied": "yes" if rule.tier_multiplied else "",
        "birthday_basis_points": f"{rule.birthday_basis_points / BASIS_POINTS:g}",
        "valid_from": "",
        "trial_amount": "320.00",
        "act": "",
    }


ROUTES = [show_new, create_rule, show_edit, change_rule]
