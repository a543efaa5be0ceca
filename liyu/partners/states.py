"""The allowed transitions of a partner, as data: code, buttons, diagrams and tests all read this table."""

from liyu.core.i18n import N_, Message

TRANSITIONS: dict[str | None, tuple[str, ...]] = {
    None: ("applied", "active"),
    "applied": ("reviewing", "terminated"),
    "reviewing": ("approved", "applied", "terminated"),
    "approved": ("active", "terminated"),
    "active": ("suspended", "terminated"),
    "suspended": ("active", "terminated"),
    "terminated": (),
}
"""A partner that is imported has its contract already and begins as active; all others apply."""


STATE_NAMES: dict[str, str] = {
    "applied": N_("Applied"),
    "reviewing": N_("Under review"),
    "approved": N_("Admitted"),
    "active": N_("In partnership"),
    "suspended": N_("Suspended"),
    "terminated": N_("Terminated"),
}


def may_become(state: str | None, wanted: str) -> bool:
    """Whether the table allows the transition."""
    return wanted in TRANSITIONS[state]


def may_precede(wanted: str) -> list[str]:
    """The states from which the table allows to go to `wanted`."""
    return [state for state, following in TRANSITIONS.items() if state is not None and wanted in following]


def name_of(state: str) -> Message:
    """A state in words; one that the table does not know stands for itself."""
    return Message(STATE_NAMES.get(state, state))
