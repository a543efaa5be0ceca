"""Why a card was blocked, alike for members and operators."""

from liyu.core.i18n import N_

LOSSES: dict[str, str] = {
    "lost": N_("I lost it"),
    "stolen": N_("It was stolen"),
    "seen": N_("Somebody else knows the number"),
}
"""What members can say; the code is kept as the reason."""
