"""Whose data a reader may see: one partner's own, or, for operators, everybody's (docs/rules.md 16)."""

from enum import Enum


class EveryPartner(Enum):
    """What operators pass where partner staff pass their partner's id; it cannot come about by a forgotten value."""

    SEEN = "every partner"


PartnerScope = int | EveryPartner
EVERY_PARTNER = EveryPartner.SEEN


def partner_filter(scope: PartnerScope) -> int | None:
    """The partner id to filter by; None for all."""
    return None if isinstance(scope, EveryPartner) else scope
