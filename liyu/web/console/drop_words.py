"""The words of drops for operators."""

from liyu.core.i18n import N_

STATES: dict[str, tuple[str, str]] = {
    "planned": (N_("Planned"), "gold"),
    "announced": (N_("Announced"), ""),
    "ended": (N_("Ended"), "grey"),
    "called_off": (N_("Called off"), "red"),
}

CONFLICTS: dict[str, str] = {
    "rush_together": N_("Opens within ten minutes of another drop: both rushes come at once."),
    "item_not_live": N_("Its item is not live: nothing could be redeemed."),
    "not_announced": N_("Opens within a day, or should have opened, and is not announced."),
}

PLACES: dict[str, tuple[str, str]] = {"waiting": (N_("Waiting"), "gold"), "offered": (N_("Kept"), "")}

GRANTED = N_("Redeemed: order %(number)s")
REFUSED = N_("Refused; nothing was changed")

OUTCOMES: dict[str, str] = {
    "too_many_requests": N_("Too many taps of one account"),
    "too_many_from_address": N_("Too many taps from one address"),
    "attention_missing": N_("The question was not answered"),
    "attention_wrong": N_("The question was answered wrongly"),
    "sold_out": N_("Everything was taken"),
    "not_enough_points": N_("Not enough points"),
    "limit_reached": N_("Limit reached"),
    "tier_too_low": N_("Tier too low"),
    "not_eligible": N_("Not for this member"),
    "not_on_sale": N_("Not on sale at that moment"),
    "member_frozen": N_("Account frozen"),
    "member_not_active": N_("Membership not active"),
    "member_closed": N_("Membership closed"),
    "offer_over": N_("No longer kept"),
    "offer_units": N_("Not all that was kept"),
    "not_sent_there": N_("Not sent to that province"),
    "payment_unavailable": N_("No payment possible"),
    "idempotency_conflict": N_("The same key with another request"),
    "unknown_item": N_("Unknown item"),
    "busy": N_("Too busy; nothing was changed"),
}
"""What came of an attempt, by its stable code (`liyu.redemption.errors.CODES`)."""
