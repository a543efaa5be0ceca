"""The allowed transitions of a gift, as data."""

from liyu.core.transitions import Transitions

TRANSITIONS: Transitions = {
    None: ("open",),
    "open": ("accepted", "taken_back", "lapsed"),
    "accepted": (),
    "taken_back": (),
    "lapsed": (),
}
"""One conditional update of the gift's row decides which of the three it becomes; the voucher follows in the same transaction.
While a gift is `open`, its voucher is `offered`, and nobody can use it.
"""
