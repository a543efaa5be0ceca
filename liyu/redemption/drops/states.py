"""The allowed transitions of a drop, and of a place on its waiting list, as data."""

TRANSITIONS: dict[str | None, tuple[str, ...]] = {
    None: ("planned",),
    "planned": ("announced", "called_off"),
    "announced": ("ended", "called_off"),
    "ended": (),
    "called_off": (),
}

OPEN = ("planned", "announced")
"""States in which a drop has its item to itself."""


def may_become(state: str | None, wanted: str) -> bool:
    """Whether the table allows the transition."""
    return wanted in TRANSITIONS[state]
