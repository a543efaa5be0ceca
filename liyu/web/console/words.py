"""The words of the console for states, kinds, steps and reasons. Marked here, translated when they are shown."""

from datetime import datetime

from liyu.catalog.models import ITEM_KINDS, SCENES
from liyu.catalog.names import KIND_NAMES, SCENE_NAMES
from liyu.catalog.names import STATE_NAMES as ITEM_STATE_NAMES
from liyu.core.i18n import N_
from liyu.partners.settlement.states import STATE_NAMES as STATEMENT_STATE_NAMES
from liyu.partners.settlement.terms import MODE_NAMES
from liyu.partners.states import STATE_NAMES as PARTNER_STATE_NAMES
from liyu.web.i18n import gettext
from liyu.web.order_words import REASONS as ORDER_REASONS
from liyu.web.pages import ROLE_NAMES
from liyu.web.state_words import ORDER_STATES, VOUCHER_STATES

MACHINES = {
    "program": N_("Comes with the system"),
    "system": N_("System"),
    "import": N_("File import"),
    "demo": N_("Demo program"),
    "cli": N_("Command line"),
}

MEMBER_STATES: dict[str, tuple[str, str]] = {
    "pre_registered": (N_("Pre-registered"), "blue"),
    "active": (N_("Active member"), ""),
    "frozen": (N_("Frozen"), "red"),
    "closed": (N_("Membership ended"), "grey"),
    "merged": (N_("Merged into another"), "grey"),
}

REQUEST_STATES = {
    "requested": N_("Waiting for approval"),
    "approved": N_("Approved"),
    "refused": N_("Refused"),
}
REQUEST_TONES = {"requested": "gold", "refused": "grey"}

MEMBER_FIELDS = {
    "phone": N_("Phone"),
    "email": N_("E-mail"),
    "name": N_("Full name"),
    "birthday": N_("Date of birth"),
    "city": N_("City"),
    "locale": N_("Language"),
}

ITEM_TONES = {"live": "", "paused": "gold", "ended": "grey", "returned": "red"}
PARTNER_TONES = {"active": "", "suspended": "red", "terminated": "grey"}
STATEMENT_TONES = {
    "draft": "grey",
    "sent": "gold",
    "confirmed": "blue",
    "approved": "",
    "paid": "grey",
    "closed": "grey",
}

ITEM_STEPS = {
    "live": N_("Put on sale"),
    "paused": N_("Take off sale"),
    "ended": N_("End for good"),
    "submitted": N_("Submit for review"),
    "approved": N_("Approve"),
    "returned": N_("Send back"),
}
"""What the button says that leads an item to a state."""

PARTNER_STEPS = {
    "applied": N_("Back to the application"),
    "reviewing": N_("Begin the review"),
    "approved": N_("Admit"),
    "active": N_("Take up the partnership"),
    "suspended": N_("Suspend"),
    "terminated": N_("Terminate"),
}

REASONS = {
    **ORDER_REASONS,
    "account_closed": N_("The member left and was erased"),
    "published": N_("Published"),
    "imported": N_("Imported from a file"),
    "follows": N_("Follows its item"),
    "submitted": N_("Sent for a review by the partner"),
    "live": N_("Approved and on sale."),
    "joined": N_("Joined the program"),
    "import_undone": N_("An import was undone"),
    "by_hand": N_("By hand"),
    "by_rule": N_("By its rule"),
    "merged": N_("Merged with another membership"),
    "redeemed": N_("Redeemed"),
    "announced": N_("For good"),
    "time_over": N_("The time to enter was over"),
    "drawn": N_("At the announced time"),
    "nothing_open": N_("Nothing is open any more"),
    "draw_announced": N_("Its draw was announced"),
    "draw_called_off": N_("Its draw was called off"),
    "draw_not_drawn": N_("Not drawn; the rule gives the points back"),
    "code_recalled": N_("A recalled code could not be replaced"),
    "proposed": N_("Proposed"),
    "quarterly_review": N_("Quarterly review"),
    "first_look": N_("A first look"),
    "partner_found": N_("A partner was found"),
    "changed_mind": N_("Cancelled by the member"),
    "used_up": N_("Every use is taken"),
    "paid": N_("Paid by the member"),
    "not_paid_in_time": N_("Not paid in time"),
    "cancelled": N_("Cancelled"),
    "threshold_reached": N_("Threshold reached"),
    "retained": N_("Kept for another period"),
    "downgraded": N_("Not enough growth in the period"),
    "prepared": N_("Prepared"),
    "recalculated": N_("Recalculated"),
    "approved": N_("Approved"),
    "sent to the partner": N_("Sent to the partner"),
    "confirmed by the partner": N_("Confirmed by the partner"),
    "carried over": N_("Closed; the balance is carried over"),
    "applied": N_("Applied"),
    "activated": N_("Membership activated"),
    "first_sign_in": N_("First sign-in"),
    "gift": N_("Offered as a gift"),
    "gift_accepted": N_("Gift accepted"),
    "gift_taken_back": N_("Gift taken back"),
    "gift_lapsed": N_("Not accepted in time"),
    "ran_out": N_("Its last day was over"),
    "extended": N_("Last day moved"),
    "used_offline": N_("Taken without a network while it was good"),
}
"""Reasons that programs write, in words; what a person wrote stands as it is."""


VOUCHER_CHANGES = {
    "frozen": N_("Frozen"),
    "unfrozen": N_("Unfrozen"),
    "extended": N_("Last day moved"),
    "claimed": N_("Put into a wallet"),
}


def order_state(state: str) -> str:
    """A redemption's state in words."""
    return gettext(ORDER_STATES[state][0])


def order_tone(state: str) -> str:
    """The tone of a redemption's state."""
    return ORDER_STATES[state][1]


def voucher_state(state: str) -> str:
    """A voucher's state in words."""
    return gettext(VOUCHER_STATES[state][0])


def voucher_tone(state: str) -> str:
    """The tone of a voucher's state."""
    return VOUCHER_STATES[state][1]


def voucher_pill(state: str, frozen_at: datetime | None) -> tuple[str, str]:
    """A voucher's state as its pill says it, with the tone: what is frozen and could be used otherwise is frozen above all."""
    if frozen_at is not None and state not in ("cancelled", "used_up"):
        words = VOUCHER_CHANGES["frozen"]
        return gettext(words), "red"
    return voucher_state(state), voucher_tone(state)


def member_state(state: str) -> str:
    """A member's state in words."""
    return gettext(MEMBER_STATES[state][0])


def member_tone(state: str) -> str:
    """The tone of a member's state."""
    return MEMBER_STATES[state][1]


def request_state(state: str) -> str:
    """The state of an adjustment for two people in words."""
    return gettext(REQUEST_STATES[state])


def request_tone(state: str) -> str:
    """The tone of such a state."""
    return REQUEST_TONES.get(state, "")


def member_field(name: str) -> str:
    """A field of a member's profile in words."""
    return gettext(MEMBER_FIELDS[name])


def item_state(state: str) -> str:
    """An item's state in words."""
    return gettext(ITEM_STATE_NAMES.get(state, state))


def item_tone(state: str) -> str:
    """The tone of an item's state."""
    return ITEM_TONES.get(state, "blue")


def partner_state(state: str) -> str:
    """A partner's state in words."""
    return gettext(PARTNER_STATE_NAMES.get(state, state))


def partner_tone(state: str) -> str:
    """The tone of a partner's state."""
    return PARTNER_TONES.get(state, "gold")


def statement_state(state: str) -> str:
    """A statement's state in words."""
    return gettext(STATEMENT_STATE_NAMES.get(state, state))


def statement_tone(state: str) -> str:
    """The tone of a statement's state."""
    return STATEMENT_TONES.get(state, "grey")


def kind(name: str) -> str:
    """A kind of item in words."""
    return gettext(KIND_NAMES.get(name, name))


def scene(name: str) -> str:
    """A scene in words."""
    return gettext(SCENE_NAMES.get(name, name))


def mode(name: str) -> str:
    """A cooperation mode in words."""
    return gettext(MODE_NAMES.get(name, name))


def reason(text: str) -> str:
    """Why something happened: a program's reason in words, a person's as it was written."""
    return gettext(REASONS.get(text, text)) if text else ""


def role(name: str) -> str:
    """A role in words."""
    return gettext(ROLE_NAMES.get(name, name))


def item_step(state: str) -> str:
    """What the button says that leads an item to this state."""
    return gettext(ITEM_STEPS.get(state, state))


def partner_step(state: str) -> str:
    """What the button says that leads a partner to this state."""
    return gettext(PARTNER_STEPS.get(state, state))


def kind_choices() -> list[tuple[str, str]]:
    """The kinds of items, for a select."""
    return [(name, kind(name)) for name in ITEM_KINDS]


def scene_choices() -> list[tuple[str, str]]:
    """The scenes, for a select."""
    return [(name, scene(name)) for name in SCENES]


def masked_phone(phone: str | None) -> str:
    """A phone number as lists show it: 138****8000."""
    if not phone:
        return "—"
    digits = phone.removeprefix("+86")
    return f"{digits[:3]}****{digits[-4:]}" if len(digits) > 7 else "****"
