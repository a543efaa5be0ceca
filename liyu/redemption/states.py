"""The allowed transitions of a redemption, as data: code, buttons, diagrams and tests all read this table."""

TRANSITIONS: dict[str | None, tuple[str, ...]] = {
    None: ("held", "confirmed", "completed"),
    "held": ("confirmed", "released"),
    "confirmed": ("fulfilling", "completed", "cancelled"),
    "fulfilling": ("completed", "cancelled", "refunded"),
    "completed": ("refunded",),
    "released": (),
    "cancelled": (),
    "refunded": (),
}

GIVEN_BACK = ("released", "cancelled", "refunded")
"""States in which points and stock have been given back."""


def may_become(state: str | None, wanted: str) -> bool:
    """Whether the table allows the transition."""
    return wanted in TRANSITIONS[state]
