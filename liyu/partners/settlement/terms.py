"""What one use is worth under an agreement line: the formulas of the cooperation modes (marketplace §5.3)."""

from msgspec import Struct

from liyu.core.i18n import N_

MODE_NAMES: dict[str, str] = {
    "concierge": N_("Concierge service"),
    "bulk_purchase": N_("Bulk purchase"),
    "member_discount": N_("Member discount"),
    "free_quota": N_("Free quota"),
}


class Terms(Struct, frozen=True):
    """One version of an agreement line. Amounts in minor units of its currency; they never change once agreed."""

    id: int
    partner_id: int
    code: str
    version: int
    mode: str
    currency: str
    unit_price_minor: int
    commission_minor: int
    free_quota: int


def unit_of(mode: str, unit_price_minor: int, commission_minor: int) -> int:
    """What one use that is not free adds to the partner's account; negative where the partner owes.

    Concierge: the fee. Free quota: the price beyond the quota. Member discount: the commission, owed by the partner.
    Bulk purchase: nothing, for the units were paid when they were bought. Raises KeyError for an unknown mode.
    """
    return {
        "concierge": unit_price_minor,
        "free_quota": unit_price_minor,
        "member_discount": -commission_minor,
        "bulk_purchase": 0,
    }[mode]
