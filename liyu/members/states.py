"""The allowed transitions of a membership, as data: code, buttons, diagrams and tests all read this table."""

TRANSITIONS: dict[str | None, tuple[str, ...]] = {
    None: ("pre_registered", "active"),
    "pre_registered": ("active", "frozen", "closed", "merged"),
    "active": ("frozen", "closed", "merged"),
    "frozen": ("active", "closed"),
    "closed": (),
    "merged": (),
}


def may_become(state: str | None, wanted: str) -> bool:
    """Whether the table allows the transition."""
    return wanted in TRANSITIONS[state]
