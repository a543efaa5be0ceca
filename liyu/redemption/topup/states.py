"""The states of a top-up, as data. `unknown` is left by an answer or by an operator who has asked the other side."""

from liyu.core.transitions import Transitions

TRANSITIONS: Transitions = {
    None: ("waiting",),
    "waiting": ("unknown", "delivered", "given_up"),
    "unknown": ("waiting", "delivered", "given_up"),
    "delivered": (),
    "given_up": (),
}
