"""What is said of vouchers that tills took without a network and the books refuse."""

from liyu.core.i18n import N_
from liyu.web.i18n import gettext
from liyu.web.refusal_words import REFUSALS

CONFLICTS: dict[str, str] = REFUSALS | {
    "no_lease": N_("Device had no permission"),
    "clock": N_("Clock of the device was off"),
    "lease_over": N_("Permission had run out"),
    "revoked": N_("Device was revoked"),
    "over_quota": N_("More than the device may take"),
    "over_cap": N_("More value than the device may take"),
    "changed_hands": N_("Given to another member"),
}

RULES: dict[str, str] = {
    "bounds": N_("The bounds of the device were overstepped, or the paper was not genuine"),
    "told": N_("The device had been told before it took the voucher"),
    "own_use": N_("The same person had verified it at the store before"),
    "no_agreement": N_("The item has no agreement"),
    "agreement": N_("As agreed"),
    "cap_reached": N_("The agreed sum of this month is used up"),
}
"""Reasons of decisions that the agreement made; people write theirs."""


def name_conflict(code: str) -> str:
    """Why a use could not be verified, at arm's length."""
    return gettext(CONFLICTS[code]) if code in CONFLICTS else code


def rule_or_reason(reason: str | None) -> str:
    """The reason of a decision in words."""
    return gettext(RULES[reason]) if reason in RULES else reason or ""
