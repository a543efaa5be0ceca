"""What states of orders are called, for labels and files."""

from liyu.core.i18n import N_

STATE_NAMES: dict[str, str] = {
    "held": N_("Waiting for payment"),
    "confirmed": N_("Confirmed"),
    "fulfilling": N_("On its way"),
    "completed": N_("Completed"),
    "released": N_("Closed unpaid"),
    "cancelled": N_("Cancelled"),
    "refunded": N_("Refunded"),
}
