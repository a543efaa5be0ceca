"""The form of all tiers: as many fields as there are tiers and rights, and a plan out of what was typed."""

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

from litestar import Request

from liyu.core.errors import InvalidInputError
from liyu.core.i18n import N_, Message
from liyu.core.money import BASIS_POINTS
from liyu.members.tiers.edit import LONGEST_NAME, LONGEST_VALIDITY, TierPlan, TierTerms
from liyu.members.tiers.rights import LONGEST_TITLE, RIGHT_ICONS, TierRight
from liyu.members.tiers.rules import FALL_POLICIES
from liyu.web.forms import ChoiceField, Field, FieldError, Form, IntegerField, ParsedField, TextField
from liyu.web.tier_words import factor

NEW = "new"
SLOTS_TO_SPARE = 2
"""Empty lines for further rights of each tier."""
SLOTS_OF_NEW = 3


ICON_NAMES: dict[str, str] = {
    "sparkles": N_("Sparkles"),
    "coins": N_("Coins"),
    "gift": N_("Gift"),
    "ticket": N_("Ticket"),
    "cake": N_("Cake"),
    "crown": N_("Crown"),
    "medal": N_("Medal"),
    "bell": N_("Bell"),
    "clock": N_("Clock"),
    "truck": N_("Delivery van"),
    "coffee": N_("Coffee cup"),
    "utensils": N_("Cutlery"),
    "bed": N_("Bed"),
    "plane": N_("Plane"),
    "car": N_("Car"),
    "film": N_("Film"),
    "heart-pulse": N_("Heart"),
    "shopping-bag": N_("Shopping bag"),
    "message-circle": N_("Speech bubble"),
    "shield-check": N_("Shield"),
}
"""How the icons of `RIGHT_ICONS` are called."""


class FactorField(ParsedField[int]):
    """`1.2` as basis points."""

    def parse(self, text: str) -> int:
        try:
            basis_points = Decimal(text).scaleb(4)
        except InvalidOperation:
            raise FieldError(N_("Enter a factor, such as 1.2.")) from None
        if (
            not basis_points.is_finite()
            or basis_points != basis_points.to_integral_value()
            or abs(basis_points) > 10**9
        ):
            raise FieldError(N_("Enter a factor, such as 1.2."))
        return int(basis_points)


class PlanForm(Form):
    """What all plans share; the fields of the tiers are added by `_form_class`."""

    fall = ChoiceField(FALL_POLICIES, N_("Who has not kept their tier falls"))
    grace_days = IntegerField(N_("Days of grace"))
    shown = TextField(maximum=64)
    confirmed = TextField(required=False, maximum=64)

    def check(self) -> Iterable[tuple[str, Message]]:
        begun = [name for name in ("name_zh", "name_en", "threshold") if self.values[f"{NEW}-{name}"]]
        if begun and not self.values[f"{NEW}-code"]:
            yield f"{NEW}-code", Message(N_("This field is needed."))


def blank_form(plan: TierPlan) -> PlanForm:
    """The form with the plan filled in."""
    initial: dict[str, Any] = {"fall": plan.fall, "grace_days": str(plan.grace_days)}
    initial |= {f"{NEW}-multiplier": "1", f"{NEW}-validity_months": str(LONGEST_VALIDITY)}
    for tier in plan.tiers:
        initial |= {
            f"{tier.code}-name_zh": tier.name_zh,
            f"{tier.code}-name_en": tier.name_en,
            f"{tier.code}-threshold": str(tier.threshold),
            f"{tier.code}-validity_months": str(tier.validity_months),
            f"{tier.code}-multiplier": factor(tier.multiplier_basis_points),
        }
        for slot, right in enumerate(tier.rights):
            place = f"{tier.code}-right-{slot}"
            initial |= {f"{place}-icon": right.icon, f"{place}-zh": right.title_zh, f"{place}-en": right.title_en}
    return _form_class(plan).blank(**initial)


async def read_form(request: Request[Any, Any, Any], plan: TierPlan) -> PlanForm:
    """The form that came with a request."""
    return await _form_class(plan).read(request)


def plan_of(form: PlanForm, before: TierPlan) -> TierPlan:
    """The plan that a valid form asks for; a new tier takes its place by its threshold."""
    tiers = [_tier(form, tier.code, tier.code, len(tier.rights) + SLOTS_TO_SPARE) for tier in before.tiers]
    code = form.values[f"{NEW}-code"]
    if code:
        new = _tier(form, NEW, code, SLOTS_OF_NEW)
        place = sum(1 for tier in tiers if tier.threshold < new.threshold)
        tiers.insert(place, new)
    return TierPlan(tiers, form.fall, form.grace_days)


def adopt_plan_faults(form: PlanForm, refusal: InvalidInputError, before: TierPlan) -> None:
    """Show what the domain found at the fields where it was typed."""
    codes = {tier.code for tier in before.tiers}
    for reason in refusal.reasons:
        place = str(reason.details.get("field", ""))
        prefix, _, name = place.rpartition("-")
        if name == "code" or (prefix and prefix not in codes):
            prefix = NEW
        field = f"{prefix}-right-0-zh" if name == "rights" else f"{prefix}-{name}" if prefix else name
        form.refuse(reason.message, field if field in form.fields else "")


def _tier(form: PlanForm, prefix: str, code: str, slots: int) -> TierTerms:
    values = form.values
    rights = [
        TierRight(values[f"{prefix}-right-{slot}-icon"], title, values[f"{prefix}-right-{slot}-en"])
        for slot in range(slots)
        if (title := values[f"{prefix}-right-{slot}-zh"]) or values[f"{prefix}-right-{slot}-en"]
    ]
    return TierTerms(
        code,
        values[f"{prefix}-name_zh"],
        values[f"{prefix}-name_en"],
        values[f"{prefix}-threshold"],
        values[f"{prefix}-validity_months"],
        values[f"{prefix}-multiplier"],
        rights,
    )


def _form_class(plan: TierPlan) -> type[PlanForm]:
    fields: dict[str, Field[Any]] = {f"{NEW}-code": TextField(N_("Tier code"), required=False, maximum=32)}
    for tier in plan.tiers:
        fields |= _fields_of(tier.code, len(tier.rights) + SLOTS_TO_SPARE, required=True)
    fields |= _fields_of(NEW, SLOTS_OF_NEW, required=False)
    return type("TiersForm", (PlanForm,), fields)


def _fields_of(prefix: str, slots: int, *, required: bool) -> dict[str, Field[Any]]:
    fields: dict[str, Field[Any]] = {
        f"{prefix}-name_zh": TextField(N_("Name in Chinese"), required=required, maximum=LONGEST_NAME),
        f"{prefix}-name_en": TextField(N_("Name in English"), required=required, maximum=LONGEST_NAME),
        f"{prefix}-threshold": IntegerField(N_("Growth value from"), required=required, default=0),
        f"{prefix}-validity_months": IntegerField(N_("Valid for months"), required=required, default=0),
        f"{prefix}-multiplier": FactorField(N_("Factor on purchases"), required=required, default=BASIS_POINTS),
    }
    for slot in range(slots):
        place = f"{prefix}-right-{slot}"
        fields |= {
            f"{place}-icon": ChoiceField(RIGHT_ICONS, N_("Icon"), required=False, default=RIGHT_ICONS[0]),
            f"{place}-zh": TextField(N_("Right in Chinese"), required=False, maximum=LONGEST_TITLE),
            f"{place}-en": TextField(N_("Right in English"), required=False, maximum=LONGEST_TITLE),
        }
    return fields
