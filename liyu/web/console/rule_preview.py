"""What an event would give, and why: for a member, or for somebody of a tier and a birthday; with a rule that is not saved yet."""

from datetime import datetime
from typing import Any

from litestar import get
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.clock import local_date
from liyu.core.database import driver_connection
from liyu.core.i18n import N_
from liyu.members.account import TierStanding, list_tiers
from liyu.members.errors import UnknownMemberError
from liyu.members.points.preview import Uses, load_rules_of, occasion_of_member, preview_event
from liyu.members.points.pricing import AMOUNT_TYPES, CHECK_IN, EARNING_TYPES, Occasion, Rule
from liyu.members.points.queries import RuleName, rule_names
from liyu.members.program import ProgramTerms, load_terms
from liyu.web import earning_words
from liyu.web.actor import require_permission
from liyu.web.console.common import AnyRequest, Connection, now_of, show
from liyu.web.formats import current_zone
from liyu.web.forms import CheckField, ChoiceField, DateField, Form, InstantField, IntegerField, MoneyField, TextField
from liyu.web.i18n import text_of
from liyu.web.pages import Page

LONGEST_ID = 200


class TrialForm(Form):
    """Who does it, for how much, when."""

    trial_amount = MoneyField(N_("Amount"), required=False, default=0)
    trial_at = InstantField(N_("Time"), required=False)
    trial_member = TextField(N_("Member"), required=False, maximum=LONGEST_ID)
    trial_tier = TextField(N_("Tier"), required=False, maximum=64)
    trial_birthday = DateField(N_("Born on"), required=False)
    trial_streak = IntegerField(N_("Days in a row"), required=False, minimum=1, maximum=10_000, default=1)
    trial_first = CheckField(N_("The first of its kind"))


class PreviewForm(TrialForm):
    event_type = ChoiceField(EARNING_TYPES, N_("Event"), required=False, default="purchase")


@get("/rules/preview", guards=[require_permission("rules.read")])
async def show_preview(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Ask for an event and show what it would give."""
    connection = await driver_connection(session)
    query = request.query_params.dict()
    asked = "event_type" in query
    form = PreviewForm.parse(query) if asked else PreviewForm.blank(event_type="purchase", trial_amount="320.00")
    preview = await try_out(request, connection, form, form.event_type) if asked and form.is_valid else None
    return show(
        request,
        "rule_preview",
        status=200 if form.is_valid else 422,
        form=form,
        types=[(name, earning_words.event_type(name)) for name in EARNING_TYPES],
        tiers=[(tier.code, name) for tier, name in await find_tiers(connection)],
        preview=preview,
    )


async def find_tiers(connection: Connection) -> list[tuple[TierStanding, str]]:
    """The tiers with their names."""
    return [(tier, text_of(tier, "name")) for tier in await list_tiers(connection)]


async def try_out(
    request: AnyRequest,
    connection: Connection,
    form: TrialForm,
    event_type: str,
    *,
    draft: Rule | None = None,
    draft_names: dict[str, tuple[str, str]] | None = None,
) -> dict[str, Any] | None:
    """What the event of a form would give with the rules in force, and with a draft in the place of its rule.

    None when the member is not known; the form then says so.
    """
    terms = await load_terms(connection)
    rules = await load_rules_of(connection, event_type)
    at = form.trial_at or max(now_of(request), draft.valid_from if draft else now_of(request))
    if draft is not None:
        rules = [rule for rule in rules if rule.code != draft.code or rule.valid_from > draft.valid_from] + [draft]
    occasion = await _occasion_of(connection, form, event_type, at, rules)
    if occasion is None:
        form.refuse(UnknownMemberError.message, "trial_member")
        return None
    names = await rule_names(connection)
    names |= {code: RuleName(code, *both) for code, both in (draft_names or {}).items()}
    return _in_words(rules, terms, *occasion, names)


async def _occasion_of(
    connection: Connection, form: TrialForm, event_type: str, at: datetime, rules: list[Rule]
) -> tuple[Occasion, Uses] | None:
    zone = current_zone()
    amount = form.trial_amount if event_type in AMOUNT_TYPES else None
    if form.trial_member:
        try:
            return await occasion_of_member(connection, form.trial_member, event_type, amount, at, zone, rules)
        except UnknownMemberError:
            return None
    tiers = await list_tiers(connection)
    tier = next((one for one in tiers if one.code == form.trial_tier), tiers[0])
    occasion = Occasion(
        event_type,
        amount,
        at,
        local_date(at, zone),
        tier_basis_points=tier.multiplier_basis_points,
        birthday=form.trial_birthday,
        is_first=form.trial_first,
        streak=(form.trial_streak or 1) if event_type == CHECK_IN else 0,
    )
    return occasion, {}


def _in_words(
    rules: list[Rule], terms: ProgramTerms, occasion: Occasion, uses: Uses, names: dict[str, RuleName]
) -> dict[str, Any]:
    found = preview_event(rules, terms, occasion, uses)
    rows = [
        {
            "name": text_of(names[one.rule.code], "name") if one.rule.code in names else one.rule.code,
            "code": one.rule.code,
            "version": one.rule.version,
            "why": [earning_words.what_it_gives(one.rule, terms.currency), *earning_words.reasons_of(one.line)]
            if one.line
            else None,
            "missing": None if one.line else "; ".join(earning_words.when_it_gives(one.rule)),
            "points": one.line.points if one.line else 0,
            "growth": one.line.growth if one.line else 0,
        }
        for one in found.verdicts
    ]
    return {
        "type_name": earning_words.event_type(occasion.type),
        "amount_minor": occasion.amount_minor,
        "currency": terms.currency,
        "day": occasion.day,
        "points": found.points,
        "growth": found.growth,
        "rows": rows,
        "held": found.usable_from > occasion.day,
        "usable_from": found.usable_from,
        "expires_on": found.expires_on,
    }


ROUTES = [show_preview]
