"""Coupons on one bill in words: what one takes off, why it cannot stand beside another. For the mall, the console and tills."""

from msgspec import Struct

from liyu.core.i18n import N_, Message
from liyu.vouchers.stacking import Coupon, Objection
from liyu.web.formats import format_money
from liyu.web.i18n import text_of, translate
from liyu.web.item_terms import describe_coupon

_OBJECTIONS: dict[str, str] = {
    "below_threshold": N_("Needs a bill of %(amount)s."),
    "too_little_left": N_("Needs %(amount)s still to pay when it is its turn: the others leave less."),
    "other_partner": N_("Is for another seller than “%(other)s”."),
    "same_group": N_("Excludes “%(other)s”: one of the two on a bill."),
    "not_together": N_("Cannot be combined with “%(other)s”."),
    "too_many_of_item": N_("At most %(most)s of these on one bill."),
    "too_many": N_("At most %(most)s coupons on one bill."),
    "spoils_another": N_("With it, too little is left for what “%(other)s” needs."),
    "saves_nothing_more": N_("Takes off nothing more than the others do already."),
}


def name_of(coupon: Coupon) -> str:
    """The coupon's name in the language of the page."""
    return text_of(coupon, "name")


def objection_message(found: Objection, currency: str) -> Message:
    """Why a coupon cannot be on the bill."""
    values = {
        "other": name_of(found.other) if found.other else "", "most": found.figure,
        "amount": format_money(found.figure, currency),
    }  # fmt: skip
    return Message(_OBJECTIONS[found.reason], values)


def say_objection(found: Objection, currency: str) -> str:
    """Why a coupon cannot be on the bill, in the language of the page."""
    return translate(objection_message(found, currency))


def say_benefit(coupon: Coupon, currency: str) -> str:
    """What a coupon takes off, and from which bill on."""
    return describe_coupon(_Terms(coupon.form, coupon.benefit, coupon.threshold_minor), currency)


class _Terms(Struct):
    """A coupon's terms as items have them."""

    coupon_form: str | None
    coupon_benefit: int | None
    coupon_threshold_minor: int | None
