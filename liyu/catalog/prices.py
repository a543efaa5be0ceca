"""What an item costs whom, and what a point is worth in it. Points are integers, money is in minor units."""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Protocol

from msgspec import Struct


class PriceFromRank(Protocol):
    """A price in points from the tier of a rank upwards."""

    @property
    def rank(self) -> int: ...

    @property
    def points(self) -> int: ...


class TierPoints(Struct, frozen=True, array_like=True):
    """The price in points from the tier of this rank upwards, until the next tier with a price of its own."""

    rank: int
    points: int


def price_for(points: int, tier_points: Sequence[PriceFromRank] | None, rank: int) -> int:
    """The price of one unit for a member of the tier with this rank; `tier_points` stand by rank, the lowest first."""
    for price in tier_points or ():
        if price.rank <= rank:
            points = price.points
    return points


def worth_per_point(kind: str, points: int, cash_minor: int, value_minor: int) -> Decimal | None:
    """Minor units that one point is worth, to a tenth: what the item is worth beyond its cash part, for each point.

    None where it cannot be said: no points, no value, a value that the cash part alone pays, or an entry in a draw, which is worth
    its chance.
    """
    worth = _worth(kind, points, cash_minor, value_minor)
    return None if worth is None else worth.quantize(Decimal("0.1"), ROUND_HALF_UP)


def worth_of_hundred(kind: str, points: int, cash_minor: int, value_minor: int) -> int | None:
    """The same for a hundred points in whole minor units, as people are told it: ¥10.56 is easier to weigh than ¥0.106."""
    worth = _worth(kind, points, cash_minor, value_minor)
    return None if worth is None else int((worth * 100).quantize(Decimal(1), ROUND_HALF_UP))


def _worth(kind: str, points: int, cash_minor: int, value_minor: int) -> Decimal | None:
    if kind == "draw" or points <= 0 or value_minor <= cash_minor:
        return None
    return Decimal(value_minor - cash_minor) / points
