"""Who bears the loss of a conflict, as data: the rule of the agreement decides at once, an operator may decide otherwise."""

TRANSITIONS: dict[str | None, tuple[str, ...]] = {
    None: ("partner", "operator"),
    "partner": ("operator",),
    "operator": ("partner",),
}
"""With the operator the partner's account gets what the use would have brought; back to the partner that is reversed."""


def may_become(bearer: str | None, wanted: str) -> bool:
    """Whether the loss may go from one to the other."""
    return wanted in TRANSITIONS[bearer]
