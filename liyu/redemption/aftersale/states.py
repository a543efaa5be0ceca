"""The allowed transitions of an after-sale request, as data, and who takes which."""

from functools import partial

from liyu.core.transitions import Transitions, allows

TRANSITIONS: Transitions = {
    None: ("requested",),
    "requested": ("returning", "refunded", "declined", "withdrawn"),
    "returning": ("sent_back", "withdrawn", "lapsed"),
    "sent_back": ("refunded", "exchanged", "declined"),
    "refunded": (),
    "exchanged": (),
    "declined": (),
    "withdrawn": (),
    "lapsed": (),
}
may_become = partial(allows, TRANSITIONS)

OPEN = ("requested", "returning", "sent_back")
WAITS_FOR_US = ("requested", "sent_back")
"""What an operator or the partner is to decide."""
