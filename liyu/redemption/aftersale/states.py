"""The allowed transitions of an after-sale request, as data, and who takes which."""

TRANSITIONS: dict[str | None, tuple[str, ...]] = {
    None: ("requested",),
    "requested": ("returning", "refunded", "declined", "withdrawn"),
    "returning": ("sent_back", "withdrawn", "lapsed"),
    "sent_back": ("refunded", "exchanged", "declined"),
    "refunded": (),
    "exchanged": (),
    "declined": (),
    "withdrawn": (),
    "lapsed": (),
}

OPEN = ("requested", "returning", "sent_back")
WAITS_FOR_US = ("requested", "sent_back")
"""What an operator or the partner is to decide."""


def may_become(state: str | None, wanted: str) -> bool:
    """Whether the table allows the transition."""
    return wanted in TRANSITIONS[state]
