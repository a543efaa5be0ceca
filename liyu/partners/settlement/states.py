"""The allowed transitions of a statement, as data: code, buttons, diagrams and tests all read this table."""

from liyu.core.i18n import N_, Message

TRANSITIONS: dict[str | None, tuple[str, ...]] = {
    None: ("draft",),
    "draft": ("draft", "sent"),
    "sent": ("draft", "confirmed", "approved"),
    "confirmed": ("approved",),
    "approved": ("paid", "closed"),
    "paid": (),
    "closed": (),
}
"""A draft that is recalculated stays a draft. The partner's confirmation is welcome, but approval does not wait for it."""

STATES = tuple(state for state in TRANSITIONS if state is not None)
FINAL = ("approved", "paid", "closed")
"""States whose figures count for the partner's payouts."""

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


def may_become(state: str | None, wanted: str) -> bool:
    """Whether the table allows the transition."""
    return wanted in TRANSITIONS[state]


def may_precede(wanted: str) -> list[str]:
    """The states from which the table allows to go to `wanted`."""
    return [state for state, following in TRANSITIONS.items() if state is not None and wanted in following]


def name_of(state: str) -> Message:
    """A state in words; one that the table does not know stands for itself."""
    return Message(STATE_NAMES.get(state, state))
