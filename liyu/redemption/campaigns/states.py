"""The states of a campaign, as data. `asked` waits for a second person; a yearly one stays `issuing` until its last day is over."""

from liyu.core.transitions import Transitions

TRANSITIONS: Transitions = {
    None: ("draft",),
    "draft": ("asked", "issuing", "refused"),
    "asked": ("issuing", "refused"),
    "issuing": ("stopped", "finished"),
    "stopped": ("issuing", "finished"),
    "finished": ("issuing",),
    "refused": (),
}
