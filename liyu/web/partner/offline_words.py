"""What tills without a network say: why a device takes no voucher, what became of one it took, and who bears a loss."""

from liyu.core.i18n import N_
from liyu.web.conflict_words import CONFLICTS
from liyu.web.i18n import gettext

_ALONE: dict[str, tuple[str, str]] = {
    "no_lease": (
        N_("Not set up for this"),
        N_(
            "This device may take no vouchers without a network. While there is one, ask your manager to add it under Devices."
        ),
    ),
    "stopped": (
        N_("Takes nothing more"),
        N_("This device was revoked, or its store is closed. What it took before is still sent."),
    ),
    "storage": (
        N_("Cannot be kept here"),
        N_(
            "This browser keeps nothing: the device has no room left, or this is a private window. So it takes no vouchers "
            "without a network."
        ),
    ),
    "clock": (
        N_("Clock was turned back"),
        N_("The clock of this device was changed. It takes no vouchers until it has been online again."),
    ),
    "lease_over": (
        N_("Too long without a network"),
        N_("This device has been offline for too long to take vouchers. It has to be online once."),
    ),
    "needs_network": (
        N_("Needs the network"),
        N_(
            "Only the QR code on paper can be checked without a network. The code in the member’s wallet and typed codes "
            "cannot: ask for the printed voucher, or wait for the network."
        ),
    ),
    "item_needs_network": (
        N_("Needs the network"),
        N_(
            "How often this item is used in a day is limited, or its holder is asked for their word: this device can do neither "
            "alone. Wait for the network."
        ),
    ),
    "not_yet_valid": (N_("Too early"), N_("Vouchers of this item are not used yet.")),
    "unknown_voucher": (
        N_("Not known to be genuine"),
        N_("Nothing shows this device that the program made this QR code. Do not take it without a network."),
    ),
    "wrong_partner": (
        N_("Not one of yours"),
        N_("This voucher is for another partner, or for an item that this device does not know yet."),
    ),
    "wrong_store": (N_("Wrong store"), N_("This voucher is not taken at this store.")),
    "expired": (N_("Past its last day"), N_("The last day printed on this voucher is over.")),
    "taken_here": (
        N_("Taken on this device"),
        N_("This device took the voucher already. If it is good for several uses, the next one needs the network."),
    ),
    "gone": (
        N_("No longer good"),
        N_("When this device was last online, the voucher was used up, cancelled, frozen or given away."),
    ),
    "over_quota": (
        N_("Enough taken offline"),
        N_("This device has taken as many vouchers as it may without a network. It has to be online once."),
    ),
    "over_cap": (
        N_("Too much value offline"),
        N_(
            "With this voucher the device would take more value than it may without a network. It has to be online once."
        ),
    ),
}
"""A refusal of the device itself: at arm's length, and in a sentence."""

BEARERS: dict[str, str] = {"partner": N_("Your loss"), "operator": N_("The program pays")}


def alone_words() -> dict[str, dict[str, str]]:
    """The refusals of a device, for its script."""
    return {code: {"title": gettext(title), "text": gettext(text)} for code, (title, text) in _ALONE.items()}


def use_words() -> dict[str, str]:
    """What became of uses, for the device's own list."""
    words = {code: gettext(text) for code, text in CONFLICTS.items()}
    return words | {f"bearer_{bearer}": gettext(text) for bearer, text in BEARERS.items()}
