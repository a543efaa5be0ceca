"""What kinds, states and scenes are called, for labels and messages."""

from liyu.core.i18n import N_, Message

KIND_NAMES = {
    "goods": N_("Goods"),
    "pick_up": N_("Pick-up at a store"),
    "coupon": N_("Coupon"),
    "partner_right": N_("Partner right"),
    "code": N_("Digital code"),
    "top_up": N_("Top-up"),
    "draw": N_("Lucky draw"),
    "donation": N_("Donation"),
}

STATE_NAMES = {
    "draft": N_("In preparation"),
    "submitted": N_("In review"),
    "approved": N_("Ready to go on sale"),
    "returned": N_("Sent back for changes"),
    "live": N_("On sale"),
    "paused": N_("Off sale for now"),
    "ended": N_("No longer offered"),
}

SCENE_NAMES = {
    "travel": N_("Travel"),
    "dining": N_("Dining"),
    "hotel": N_("Hotels"),
    "car": N_("Cars"),
    "health": N_("Health"),
    "coffee": N_("Coffee"),
    "shopping": N_("Shopping"),
    "entertainment": N_("Leisure"),
    "home": N_("Home life"),
    "charity": N_("Charity"),
}


def name_kind(kind: str) -> Message:
    """The kind in words."""
    return Message(KIND_NAMES[kind])


def name_state(state: str) -> Message:
    """The state in words; what the table does not know stands as it is."""
    return Message(STATE_NAMES.get(state, state))
