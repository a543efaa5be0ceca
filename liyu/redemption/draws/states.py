"""The allowed transitions of a draw, as data; how a place in the drawn order moves stands beside it."""

from liyu.core.transitions import Transitions

TRANSITIONS: Transitions = {
    None: ("draft",),
    "draft": ("announced",),
    "announced": ("frozen", "called_off"),
    "frozen": ("decided",),
    "decided": ("finished",),
    "finished": (),
    "called_off": (),
}
"""Once its list is frozen, a draw runs its course: nobody can call it off who might know what the seed will say."""

RUNNING = ("announced", "frozen", "decided")
"""States in which the units of the prizes that are not handed out are set aside."""
WITH_LIST = ("frozen", "decided", "finished")
WITH_SEED = ("decided", "finished")

PLACE_TRANSITIONS: Transitions = {
    None: ("won", "offered", "waiting", "passed_over"),
    "offered": ("won", "lapsed"),
    "waiting": ("offered", "passed_over", "missed"),
    "won": (),
    "lapsed": (),
    "passed_over": (),
    "missed": (),
}
