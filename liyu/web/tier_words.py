"""Tiers in words, alike for members and operators: why a tier changed, with the figures it rests on."""

from liyu.core.i18n import N_, Message
from liyu.core.money import BASIS_POINTS
from liyu.members.tiers.queries import TierEntry
from liyu.members.tiers.rules import MATCHING, ONE_STEP
from liyu.web.i18n import CHINESE, current_locale, gettext, text_of, translate

REASONS: dict[str, str] = {
    "joined": N_("Joined the program"),
    "threshold_reached": N_("Threshold reached"),
    "retained": N_("Kept for another period"),
    "downgraded": N_("Not enough growth in the period"),
    "set_by_hand": N_("Set by customer service"),
    "hand_ended": N_("The time set by customer service is over"),
    "merged": N_("Two memberships became one"),
    "imported": N_("Taken over from before"),
    "paid": N_("Paid membership bought"),
    "paid_ended": N_("The paid membership is over"),
    "paid_returned": N_("The paid membership was given back"),
}

_WHY: dict[str, str] = {
    "threshold_reached": N_("%(growth)s growth value; %(needed)s were needed."),
    "retained": N_("%(period_growth)s growth value in the period; %(needed)s were needed to keep it."),
    "downgraded": N_("%(period_growth)s growth value in the period; %(needed)s were needed to keep it."),
    "hand_ended": N_("From then on growth value decides again: %(growth)s so far."),
    "paid_ended": N_("Nothing renews by itself. Growth value decides: %(growth)s so far."),
    "merged": N_("The higher of the two tiers stays, with the growth value of both."),
}

FALLS: dict[str, str] = {
    ONE_STEP: N_("One tier down"),
    MATCHING: N_("To the tier that the period's growth value reaches"),
}
"""Where those fall who have not kept their tier."""


def name_change(entry: TierEntry) -> str:
    """`Silver → Gold`, or the one name where the tier stayed."""
    if entry.from_zh is None or entry.direction == 0:
        return text_of(entry, "to")
    names = {"before": text_of(entry, "from"), "after": text_of(entry, "to")}
    return translate(Message(N_("%(before)s → %(after)s"), names))


def explain_change(entry: TierEntry) -> str:
    """Why, with the figures, and through when it holds; what a person wrote stands as it is."""
    reason = gettext(REASONS.get(entry.reason, entry.reason))
    figures = {"growth": entry.growth, "period_growth": entry.period_growth, "needed": entry.needed or 0}
    parts = [translate(Message(N_("%(reason)s."), {"reason": reason}))]
    if entry.reason in _WHY:
        parts.append(translate(Message(_WHY[entry.reason], figures)))
    if entry.note:
        parts.append(translate(Message(N_("“%(words)s”"), {"words": entry.note})))
    if entry.until is not None:
        parts.append(translate(Message(N_("Valid through %(day)s."), {"day": entry.until})))
    return join_sentences(parts)


def join_sentences(sentences: list[str]) -> str:
    """Sentences one after the other; Chinese ones need no space between them."""
    return ("" if current_locale() == CHINESE else " ").join(sentences)


def tone_of(entry: TierEntry) -> str:
    """How the timeline colours a change."""
    return "gold" if entry.direction < 0 else ""


def factor(multiplier_basis_points: int) -> str:
    """`1.2` for 12,000 basis points."""
    return f"{multiplier_basis_points / BASIS_POINTS:g}"
