"""The allowed transitions of a membership, as data."""

from functools import partial

from liyu.core.transitions import Transitions, allows

TRANSITIONS: Transitions = {
    None: ("pre_registered", "active"),
    "pre_registered": ("active", "frozen", "closed", "merged"),
    "active": ("frozen", "closed", "merged"),
    "frozen": ("active", "closed"),
    "closed": (),
    "merged": (),
}
may_become = partial(allows, TRANSITIONS)
