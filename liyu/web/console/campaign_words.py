"""The words of campaigns: kinds, states, steps, why members are left out."""

from typing import Any

from liyu.core.i18n import N_
from liyu.redemption.campaigns.records import Campaign
from liyu.web.i18n import gettext, text_of

KINDS: dict[str, str] = {
    "once": N_("Once, to people chosen now"),
    "birthday": N_("On the birthday"),
    "birthday_month": N_("In the month of the birthday"),
    "anniversary": N_("On the anniversary of joining"),
}
_SHORT_KINDS: dict[str, str] = {
    "once": N_("Once"),
    "birthday": N_("On birthdays"),
    "birthday_month": N_("Month of birth"),
    "anniversary": N_("Anniversary"),
}
_STATES: dict[str, tuple[str, str]] = {
    "draft": (N_("Draft"), "grey"),
    "asked": (N_("Waits for a second person"), "gold"),
    "issuing": (N_("Being given"), "blue"),
    "stopped": (N_("Stopped"), "red"),
    "finished": (N_("Done"), "green"),
    "refused": (N_("Given up"), "grey"),
}
_GIFT_STATES: dict[str, tuple[str, str]] = {
    "waiting": (N_("Waiting for theirs"), "blue"),
    "given": (N_("Given out"), "green"),
    "left_out": (N_("Left out"), "gold"),
}
_STEPS: dict[str, str] = {
    "drafted": N_("Drafted"),
    "asked": N_("Asked for a second person"),
    "started": N_("Started"),
    "approved": N_("Approved"),
    "discarded": N_("Given up"),
    "stopped": N_("Stopped"),
    "resumed": N_("Went on"),
    "again": N_("Those left out are tried again"),
    "all_decided": N_("Everybody is decided on"),
    "over": N_("Its days are over"),
}
_REASONS: dict[str, str] = {
    "member_frozen": N_("Account frozen"),
    "member_not_active": N_("Not activated yet"),
    "member_closed": N_("Membership ended"),
    "limit_reached": N_("Has had as many as a member may"),
    "daily_limit_reached": N_("Has had as many today as a member may"),
    "person_limit_reached": N_("Has had as many as a person may, over all memberships"),
    "holds_one": N_("Holds one that can be used"),
    "given_already": N_("Got it in this campaign already"),
    "no_address": N_("Has no address to send it to"),
    "not_sent_there": N_("Not sent to that province"),
    "sold_out": N_("Stock was used up"),
    "not_enough_left": N_("Stock was used up"),
    "not_on_sale": N_("The item was not live"),
    "campaign_over": N_("The campaign was ended before their turn"),
}
_CHOSEN: dict[str, str] = {
    "segment": N_("Segment"),
    "tag": N_("Tag"),
    "tier": N_("Tier"),
    "list": N_("List"),
    "everybody": N_("All members"),
}


def kind(one: Campaign) -> str:
    """When it is given, in a word or two."""
    return gettext(_SHORT_KINDS[one.kind])


def state(one: Campaign) -> tuple[str, str]:
    """The state with its tone; a yearly one that is at work runs, unless it was ended before."""
    if one.is_open and one.state == "issuing":
        return gettext(N_("Runs")), "green"
    label, tone = _STATES[one.state]
    return gettext(label), tone


def gift_state(name: str) -> tuple[str, str]:
    """What became of a member, with its tone."""
    label, tone = _GIFT_STATES[name]
    return gettext(label), tone


def gift_states() -> list[tuple[str, str]]:
    """What can become of a member."""
    return [(name, gettext(label)) for name, (label, _) in _GIFT_STATES.items()]


def step(reason: str) -> str:
    """A step, or the words of whoever refused."""
    return gettext(_STEPS.get(reason, reason))


def reason(name: str) -> str:
    """Why a member is left out."""
    return gettext(_REASONS.get(name, name))


def chosen(one: Campaign) -> str:
    """How the people were chosen."""
    how = gettext(_CHOSEN[one.audience.how])
    name = text_of(one, "audience") if one.audience_zh else one.audience.name
    return f"{how} · {name}" if name else how


def as_context() -> dict[str, Any]:
    """What templates call."""
    return {
        "kind": kind, "state": state, "gift_state": gift_state, "step": step, "reason": reason, "chosen": chosen,
    }  # fmt: skip
