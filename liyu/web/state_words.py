"""What orders and vouchers are called to everybody, and in which tone; marked here, translated where they are shown."""

from liyu.core.i18n import N_

ORDER_STATES: dict[str, tuple[str, str]] = {
    "held": (N_("Waiting for payment"), "gold"),
    "confirmed": (N_("Confirmed"), ""),
    "fulfilling": (N_("On its way"), "blue"),
    "completed": (N_("Completed"), "grey"),
    "released": (N_("Released"), "grey"),
    "cancelled": (N_("Cancelled"), "grey"),
    "refunded": (N_("Refunded"), "grey"),
}
"""Label and tone of each state of a redemption."""

VOUCHER_STATES: dict[str, tuple[str, str]] = {
    "issued": (N_("Ready to use"), ""),
    "partly_used": (N_("Partly used"), ""),
    "used_up": (N_("Used up"), "grey"),
    "expired": (N_("Expired"), "grey"),
    "cancelled": (N_("Cancelled"), "grey"),
}
