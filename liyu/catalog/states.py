"""The allowed transitions of an item, as data."""

from functools import partial

from liyu.core.transitions import Transitions, allows

TRANSITIONS: Transitions = {
    None: ("draft", "live"),
    "draft": ("submitted", "live", "ended"),
    "submitted": ("approved", "returned", "ended"),
    "approved": ("live", "returned", "ended"),
    "returned": ("submitted", "ended"),
    "live": ("paused", "ended"),
    "paused": ("live", "ended"),
    "ended": (),
}
"""An operator's own items, and those of an operator's file, may go live without a review; a partner's may not."""
may_become = partial(allows, TRANSITIONS)

STATES = tuple(state for state in TRANSITIONS if state is not None)
