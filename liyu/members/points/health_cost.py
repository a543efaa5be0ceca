"""What a program of points costs, by the customer's way of reckoning. Pure and exact: no figure is rounded here.

For each source: the most points that a member can get of it in a year × the share of it that members do get (积累率). The sum ×
the share that is redeemed (兑换率) ÷ points per unit of the currency is what one member costs in a year.
"""

from decimal import Decimal
from fractions import Fraction

from msgspec import Struct

HUNDRED = 100


class Source(Struct, frozen=True):
    """A source of points: the most that one member can get of it in a year, and the share of that which is earned, in percent."""

    name: str
    cap: Decimal
    percent: Decimal

    @property
    def points(self) -> Fraction:
        """Points that one member gets of it in a year."""
        return Fraction(self.cap) * Fraction(self.percent) / HUNDRED


class CostEstimate(Struct, frozen=True):
    """What a year costs; money in units of the currency, exact."""

    sources: tuple[Source, ...]
    points_per_unit: Decimal
    redeemed_percent: Decimal
    members: int

    @property
    def points(self) -> Fraction:
        """Points that one member gets in a year."""
        return sum((source.points for source in self.sources), Fraction(0))

    @property
    def face_value(self) -> Fraction:
        """What these points would cost if all of them were redeemed."""
        return self.points / Fraction(self.points_per_unit)

    @property
    def cost(self) -> Fraction:
        """What one member costs in a year."""
        return self.face_value * Fraction(self.redeemed_percent) / HUNDRED

    @property
    def total(self) -> Fraction:
        """What all members cost in a year."""
        return self.cost * self.members


CUSTOMER_ESTIMATE = CostEstimate(
    (
        Source("check_in", Decimal(365), Decimal(70)),
        Source("share", Decimal(384), Decimal(55)),
        Source("campaign", Decimal(500), Decimal(85)),
    ),
    points_per_unit=Decimal(10),
    redeemed_percent=Decimal(20),
    members=100_000,
)
"""The customer's own figures: 365 × 70 % = 255.5, 384 × 55 % = 211.2, 500 × 85 % = 425; 10 points = 1 CNY; 20 % redeemed."""
