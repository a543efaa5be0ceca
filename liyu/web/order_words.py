"""The words of orders that all audiences share: reasons, after-sale requests, top-ups. Marked here, translated where shown."""

from collections.abc import Iterable

from liyu.core.i18n import N_
from liyu.web.i18n import gettext

REASONS: dict[str, str] = {
    "changed_mind": N_("I changed my mind"),
    "wrong_choice": N_("I chose the wrong thing"),
    "takes_too_long": N_("It takes too long"),
    "wrong_address": N_("The address is wrong"),
    "damaged": N_("It came damaged"),
    "wrong_item": N_("Something else came"),
    "wrong_size": N_("The size does not fit"),
    "not_as_described": N_("It is not as described"),
    "parts_missing": N_("Something is missing"),
    "not_received": N_("It did not arrive"),
    "does_not_work": N_("It does not work"),
    "member_asked": N_("The member asked for it"),
    "out_of_stock": N_("Out of stock"),
    "address_unreachable": N_("Nobody can be reached at the address"),
    "lost_on_the_way": N_("Lost on the way"),
    "suspected_abuse": N_("Suspected abuse"),
    "sent": N_("Sent"),
    "received": N_("Received by the member"),
    "taken_as_received": N_("Taken as received: its days are over"),
    "not_picked_up": N_("Not picked up in time"),
    "not_sent_in_time": N_("Not sent in time"),
    "topped_up": N_("Credited"),
    "top_up_refused": N_("Refused by the system that credits it"),
    "top_up_failed": N_("Could not be credited"),
    "withdrawn": N_("Withdrawn by the member"),
    "sent_back": N_("Sent back by the member"),
    "not_sent_back": N_("Not sent back in time"),
}
"""Why something happened to an order, by the code that is kept; what a person wrote stands as it is."""

REQUEST_KINDS: dict[str, str] = {
    "return": N_("Return it for the points"),
    "exchange": N_("Exchange it"),
    "refund": N_("Points back without a return"),
}

REQUEST_STATES: dict[str, tuple[str, str]] = {
    "requested": (N_("Being looked at"), "gold"),
    "returning": (N_("To be sent back"), "blue"),
    "sent_back": (N_("On its way back"), "blue"),
    "refunded": (N_("Points are back"), ""),
    "exchanged": (N_("Replaced"), ""),
    "declined": (N_("Declined"), "red"),
    "withdrawn": (N_("Withdrawn"), "grey"),
    "lapsed": (N_("Lapsed"), "grey"),
}
"""Label and tone of each state of an after-sale request."""

TOP_UP_STATES: dict[str, tuple[str, str]] = {
    "waiting": (N_("Waits to be credited"), "gold"),
    "unknown": (N_("Not known whether it was credited"), "red"),
    "delivered": (N_("Credited"), ""),
    "given_up": (N_("Given up"), "grey"),
}

ATTEMPT_RESULTS: dict[str, tuple[str, str]] = {
    "delivered": (N_("Credited"), ""),
    "refused": (N_("Refused"), "grey"),
    "failed": (N_("Not reached"), "gold"),
    "pending": (N_("Being carried out"), "blue"),
    "unknown": (N_("No clear answer"), "red"),
}


def reason(code: str) -> str:
    """A reason in words."""
    return gettext(REASONS.get(code, code))


def reason_choices(codes: Iterable[str]) -> list[tuple[str, str]]:
    """Reasons to choose from."""
    return [(code, reason(code)) for code in codes]


def request_kind(kind: str) -> str:
    """What is asked for, in words."""
    return gettext(REQUEST_KINDS[kind])


def request_state(state: str) -> str:
    """A request's state in words."""
    return gettext(REQUEST_STATES[state][0])


def request_tone(state: str) -> str:
    """The tone of a request's state."""
    return REQUEST_STATES[state][1]


def top_up_state(state: str) -> str:
    """A top-up's state in words."""
    return gettext(TOP_UP_STATES[state][0])


def top_up_tone(state: str) -> str:
    """The tone of a top-up's state."""
    return TOP_UP_STATES[state][1]


def attempt_result(result: str) -> str:
    """What came of an attempt, in words."""
    return gettext(ATTEMPT_RESULTS[result][0])


def attempt_tone(result: str) -> str:
    """The tone of what came of an attempt."""
    return ATTEMPT_RESULTS[result][1]
