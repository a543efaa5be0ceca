"""The allowed transitions of an import, as data."""

from functools import partial

from liyu.core.transitions import Transitions, allows

TRANSITIONS: Transitions = {
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
may_become = partial(allows, TRANSITIONS)

AT_WORK = ("uploaded", "reading", "applying", "undoing")
"""The worker has something to do."""
