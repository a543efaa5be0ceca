"""The allowed transitions of an item, as data: code, buttons, diagrams and tests all read this table."""

TRANSITIONS: dict[str | None, tuple[str, ...]] = {
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

STATES = tuple(state for state in TRANSITIONS if state is not None)


def may_become(state: str | None, wanted: str) -> bool:
    """Whether the table allows the transition."""
    return wanted in TRANSITIONS[state]
