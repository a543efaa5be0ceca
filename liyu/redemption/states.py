"""The allowed transitions of a redemption, as data."""

from functools import partial

from liyu.core.transitions import Transitions, allows

TRANSITIONS: Transitions = {
    None: ("held", "confirmed", "completed"),
    "held": ("confirmed", "released"),
    "confirmed": ("fulfilling", "completed", "cancelled"),
    "fulfilling": ("completed", "cancelled", "refunded"),
    "completed": ("refunded",),
    "released": (),
    "cancelled": (),
    "refunded": (),
}
may_become = partial(allows, TRANSITIONS)

GIVEN_BACK = ("released", "cancelled", "refunded")
"""States in which points and stock have been given back."""
