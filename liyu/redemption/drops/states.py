"""The allowed transitions of a drop, and of a place on its waiting list, as data."""

from functools import partial

from liyu.core.transitions import Transitions, allows

TRANSITIONS: Transitions = {
    None: ("planned",),
    "planned": ("announced", "called_off"),
    "announced": ("ended", "called_off"),
    "ended": (),
    "called_off": (),
}
may_become = partial(allows, TRANSITIONS)

OPEN = ("planned", "announced")
"""States in which a drop has its item to itself."""
