"""The words of draws for members and operators. Marked here, translated where they are shown."""

from datetime import datetime

from liyu.core.i18n import N_, Message
from liyu.redemption.draws.claims import ROUNDS
from liyu.redemption.draws.records import Draw
from liyu.web.i18n import gettext, translate

DRAW_STATES: dict[str, tuple[str, str]] = {
    "draft": (N_("Draft"), "grey"),
    "coming": (N_("Announced"), "blue"),
    "open": (N_("Open for entries"), ""),
    "closing": (N_("Entries are over"), "gold"),
    "frozen": (N_("List published"), "gold"),
    "decided": (N_("Drawn"), ""),
    "finished": (N_("Drawn"), "grey"),
    "called_off": (N_("Called off"), "red"),
}
"""Label and tone of where a draw is."""

PLACE_STATES: dict[str, tuple[str, str]] = {
    "won": (N_("Won"), ""),
    "offered": (N_("Kept for the winner"), "gold"),
    "waiting": (N_("On the waiting list"), "blue"),
    "lapsed": (N_("Not claimed in time"), "grey"),
    "passed_over": (N_("Passed over"), "grey"),
    "missed": (N_("Not drawn"), "grey"),
}
"""Label and tone of a place in the drawn order."""

PLACE_REASONS: dict[str, str] = {
    "drawn": N_("The drawn order reached this place"),
    "not_active": N_("The membership was not active at that moment"),
    "claimed": N_("The winner said yes"),
    "not_claimed": N_("The time to claim was over"),
    "handed_on": N_("A unit that nobody claimed came down the order"),
    "draw_over": N_("All prizes had gone to places before"),
}


def phase_of(draw: Draw, now: datetime) -> str:
    """Where a draw is: its state, and while it is announced, whether one can enter."""
    if draw.state != "announced":
        return draw.state
    if draw.is_coming(now):
        return "coming"
    return "open" if draw.is_open(now) else "closing"


def phase_label(draw: Draw, now: datetime) -> tuple[str, str]:
    """Label and tone of where a draw is, in the language of the page."""
    label, tone = DRAW_STATES[phase_of(draw, now)]
    return gettext(label), tone


def place_label(state: str) -> tuple[str, str]:
    """Label and tone of a place, in the language of the page."""
    label, tone = PLACE_STATES[state]
    return gettext(label), tone


def points_rule(draw: Draw) -> str:
    """What becomes of the points of entries that win nothing."""
    if not draw.points:
        return gettext(N_("Entering costs nothing."))
    if draw.losing_points == "kept":
        return gettext(N_("The points of an entry are not given back."))
    return gettext(N_("Whoever is not drawn gets all points back, into their own lots."))


def claim_rule(draw: Draw) -> str:
    """How a prize gets to its winner."""
    if draw.claim_hours is None:
        return gettext(N_("Prizes are in the winners’ orders at once."))
    text = N_(
        "Winners claim within %(hours)s hours; else the next in the drawn order is asked, up to %(rounds)s times in all."
    )
    return translate(Message(text, {"hours": draw.claim_hours, "rounds": ROUNDS}))
