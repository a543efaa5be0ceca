"""The allowed transitions of a candidate, as data."""

from liyu.core.i18n import N_
from liyu.core.transitions import Transitions

TRANSITIONS: Transitions = {
    None: ("open",),
    "open": ("planned", "listed", "dropped"),
    "planned": ("open", "listed", "dropped"),
    "listed": (),
    "dropped": ("open",),
}
STATE_NAMES = {
    "open": N_("Open for votes"),
    "planned": N_("Being prepared"),
    "listed": N_("In the mall"),
    "dropped": N_("Not pursued"),
}
SHOWN = ("open", "planned", "listed")
"""What members see of the candidates."""
