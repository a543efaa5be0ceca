"""What orders and vouchers are called to everybody, and in which tone; marked here, translated where they are shown."""

from liyu.core.i18n import N_
from liyu.redemption.names import STATE_NAMES

ORDER_STATES: dict[str, tuple[str, str]] = {
    state: (name, {"held": "gold", "confirmed": "", "fulfilling": "blue"}.get(state, "grey"))
    for state, name in STATE_NAMES.items()
}
"""Label and tone of each state of a redemption."""

VOUCHER_STATES: dict[str, tuple[str, str]] = {
    "printed": (N_("Not activated"), "gold"),
    "issued": (N_("Ready to use"), ""),
    "offered": (N_("Waiting as a gift"), "gold"),
    "partly_used": (N_("Partly used"), ""),
    "used_up": (N_("Used up"), "grey"),
    "expired": (N_("Expired"), "grey"),
    "cancelled": (N_("Cancelled"), "grey"),
}
