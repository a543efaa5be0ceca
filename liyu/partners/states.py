"""The allowed transitions of a partner, as data."""

from functools import partial

from liyu.core.i18n import N_, Message
from liyu.core.transitions import Transitions, states_before

TRANSITIONS: Transitions = {
    None: ("applied", "active"),
    "applied": ("reviewing", "terminated"),
    "reviewing": ("approved", "applied", "terminated"),
    "approved": ("active", "terminated"),
    "active": ("suspended", "terminated"),
    "suspended": ("active", "terminated"),
    "terminated": (),
}
"""A partner that is imported has its contract already and begins as active; all others apply."""
may_precede = partial(states_before, TRANSITIONS)


STATE_NAMES: dict[str, str] = {
    "applied": N_("Applied"),
    "reviewing": N_("Under review"),
    "approved": N_("Admitted"),
    "active": N_("In partnership"),
    "suspended": N_("Suspended"),
    "terminated": N_("Terminated"),
}


def name_of(state: str) -> Message:
    """A state in words; one that the table does not know stands for itself."""
    return Message(STATE_NAMES.get(state, state))
