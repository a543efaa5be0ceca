"""What a return takes back, and from where: exactly what its purchase gave, as far as the return policy goes. Pure.

The share of a purchase that is gone follows from how much of it has come back in all, so several returns that make up the
whole take back exactly the whole, however the parts are cut.
"""

from datetime import date

from msgspec import Struct

from liyu.core.money import BASIS_POINTS
from liyu.members.points.lots import Draw, OpenLot, draw_in_order, spending_order
from liyu.members.points.pricing import ALWAYS, Line, Rule, price

PENDING_ONLY, DOWN_TO_ZERO, INTO_DEBT = RETURN_POLICIES = ("pending_only", "down_to_zero", "into_debt")
"""Take pending points of the purchase only; take what the member has; take all, and what is missing is owed (the default)."""


class Purchase(Struct):
    """A purchase that a return refers to."""

    member_id: int
    amount_minor: int
    day: date
    """Its day in the program's time zone."""
    lines: list[Line]
    returned_minor: int = 0
    lot: OpenLot | None = None
    """Where its points went, if there is still something in it."""


class Claim(Struct):
    """From where the points of a return are taken; they sum to what was claimed."""

    pending: list[Draw]
    usable: list[Draw]
    debt: int
    forgiven: int


def take_back(purchase: Purchase, amount_minor: int) -> list[Line]:
    """What returning so much of a purchase takes back, rule by rule; the purchase moves on. Never more than it gave."""
    before = purchase.returned_minor
    after = min(before + amount_minor, purchase.amount_minor)
    purchase.returned_minor = after
    lines = []
    for line in purchase.lines:
        points = _gone(line.points, purchase.amount_minor, before) - _gone(line.points, purchase.amount_minor, after)
        growth = _gone(line.growth, purchase.amount_minor, before) - _gone(line.growth, purchase.amount_minor, after)
        lines.append(Line(line.rule, line.version, points, growth, line.multiplier_basis_points))
    return [line for line in lines if line.points or line.growth]


def _gone(given: int, amount_minor: int, returned_minor: int) -> int:
    """Of what an amount gave, all but what the part that is kept would have given."""
    if not amount_minor:
        return 0
    return given - given * (amount_minor - returned_minor) // amount_minor


def take_back_by_rate(rules: list[Rule], amount_minor: int, tier_basis_points: int) -> list[Line]:
    """What a return without a known purchase takes back: what a purchase of that amount would give by rate at that time.

    Only rules count that give points for an amount at every purchase; caps and birthdays do not.
    """
    rates = [rule for rule in rules if rule.per_minor is not None and rule.condition == ALWAYS]
    prices = [price(rule, amount_minor, tier_basis_points, BASIS_POINTS) for rule in rates]
    return [
        Line(one.rule, one.version, -one.points, -one.growth, one.multiplier_basis_points)
        for one in prices
        if one.points or one.growth
    ]


def divide_claim(
    points: int, policy: str, purchase: Purchase | None, pending: list[OpenLot], usable: list[OpenLot]
) -> Claim:
    """From where to take `points`: the purchase's own pending points, other pending ones, usable ones, then a debt.

    `pending_only` stops after the first where the purchase is known, after the second where it is not; `down_to_zero`
    before the debt.
    """
    own = [lot for lot in pending if purchase is not None and lot is purchase.lot]
    others = [] if policy == PENDING_ONLY and purchase is not None else [lot for lot in pending if lot not in own]
    from_pending = draw_in_order([*own, *spending_order(others)], points)
    points -= sum(draw.amount for draw in from_pending)
    from_usable = [] if policy == PENDING_ONLY else draw_in_order(spending_order(usable), points)
    points -= sum(draw.amount for draw in from_usable)
    debt = points if policy == INTO_DEBT else 0
    return Claim(from_pending, from_usable, debt, points - debt)


def forgive(lines: list[Line], points: int) -> None:
    """Take from the lines of a return what the policy does not collect, the last line first; the claim stays on them."""
    for line in reversed(lines):
        cut = min(points, -line.points)
        if cut:
            line.capped_from, line.cut_by = line.points, "return_policy"
            line.points += cut
            points -= cut
