"""The allowed transitions of an import, as data."""

TRANSITIONS: dict[str | None, tuple[str, ...]] = {
    None: ("uploaded",),
    "uploaded": ("reading", "discarded"),
    "reading": ("ready", "refused"),
    "refused": (),
    "ready": ("reading", "applying", "discarded"),
    "discarded": (),
    "applying": ("applied",),
    "applied": ("undoing", "archived"),
    "undoing": ("undone",),
    "undone": ("archived",),
    "archived": (),
}
"""`refused`: the file cannot be read at all; a faulty row refuses nothing but itself. A dry run may be done again.
`archived`: the rows are gone after some time, so nothing can be undone any more."""

AT_WORK = ("uploaded", "reading", "applying", "undoing")
"""The worker has something to do."""


def may_become(state: str | None, wanted: str) -> bool:
    """Whether the table allows the transition."""
    return wanted in TRANSITIONS[state]
