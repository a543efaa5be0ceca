"""The allowed transitions of a voucher, as data."""

from functools import partial

from liyu.core.transitions import Transitions, allows

TRANSITIONS: Transitions = {
    None: ("issued", "printed"),
    "printed": ("issued", "expired", "cancelled"),
    "issued": ("offered", "partly_used", "used_up", "expired", "cancelled"),
    "offered": ("issued",),
    "partly_used": ("issued", "used_up", "expired", "cancelled"),
    "used_up": ("issued", "partly_used"),
    "expired": ("issued", "partly_used", "cancelled"),
    "cancelled": (),
}
"""From `partly_used` and `used_up` back is an undo. A voucher of one use goes from `issued` to `used_up` at once. What was to be
picked up and was not is cancelled with its order after its last day. An `offered` one waits as a gift: accepted, taken back or
lapsed it is `issued` again, to whomever. A `printed` one is of a campaign and not activated yet. From `expired` back leads a
later last day, which operators give.
"""
may_become = partial(allows, TRANSITIONS)

OPEN = ("issued", "partly_used")
"""States in which a voucher can be used, as long as it has not run out."""
PRINTABLE = ("printed", *OPEN)
"""States in which a numbered voucher of a campaign is worth its paper: used now, or once it is activated."""


def state_after(uses: int, uses_allowed: int) -> str:
    """The state of a valid voucher that was used so often."""
    if uses == uses_allowed:
        return "used_up"
    return "partly_used" if uses else "issued"
