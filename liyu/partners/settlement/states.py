"""The allowed transitions of a statement, as data."""

from functools import partial

from liyu.core.i18n import N_, Message
from liyu.core.transitions import Transitions, allows, states_before

TRANSITIONS: Transitions = {
    None: ("draft",),
    "draft": ("draft", "sent"),
    "sent": ("draft", "confirmed", "approved"),
    "confirmed": ("approved",),
    "approved": ("paid", "closed"),
    "paid": (),
    "closed": (),
}
"""A draft that is recalculated stays a draft. The partner's confirmation is welcome, but approval does not wait for it."""
may_become = partial(allows, TRANSITIONS)
may_precede = partial(states_before, TRANSITIONS)

STATES = tuple(state for state in TRANSITIONS if state is not None)

CARRIED_OVER = "carried over"
"""The reason of closing a statement that leaves nothing to pay."""


STATE_NAMES: dict[str, str] = {
    "draft": N_("Draft"),
    "sent": N_("Sent"),
    "confirmed": N_("Confirmed"),
    "approved": N_("Approved"),
    "paid": N_("Paid"),
    "closed": N_("Closed"),
}


def name_of(state: str) -> Message:
    """A state in words; one that the table does not know stands for itself."""
    return Message(STATE_NAMES.get(state, state))
