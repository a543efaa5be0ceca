"""What an event is worth: the rules in force at its time give lines, and the lines say why (DESIGN §4 "Earn"). Pure."""

from datetime import datetime

from msgspec import Struct

from liyu.core.money import BASIS_POINTS

RETURN = "return"
AMOUNT_TYPES = ("purchase", RETURN)
"""Events that carry an amount of money."""

EVENT_TYPES = ("purchase", RETURN, "check_in", "share", "referral", "suggestion", "campaign", "profile", "birthday")


class Rule(Struct, frozen=True):
    """One version of one earning rule."""

    id: int
    code: str
    version: int
    event_type: str
    points: int
    growth: int
    per_minor: int | None
    tier_multiplied: bool
    daily_cap: int | None
    yearly_cap: int | None
    pending_days: int
    valid_from: datetime
    valid_to: datetime | None


class Line(Struct):
    """Why some of the points came: the rule, its version and the figures it used."""

    rule: str
    version: int
    points: int
    growth: int
    multiplier_basis_points: int = BASIS_POINTS
    capped_from: int | None = None
    """What the rule alone would have given, where a cap cut it."""


def rules_in_force(rules: list[Rule], event_type: str, at: datetime) -> list[Rule]:
    """The rules that price an event of this type at this time; a return is priced by the rules of purchases."""
    wanted = "purchase" if event_type == RETURN else event_type
    return [
        rule
        for rule in rules
        if rule.event_type == wanted and rule.valid_from <= at and (rule.valid_to is None or at < rule.valid_to)
    ]


def price(rule: Rule, amount_minor: int | None, multiplier_basis_points: int) -> Line:
    """The line that a rule gives: full units of the amount count, fractions of a point are dropped."""
    if rule.per_minor is None:
        return Line(rule.code, rule.version, rule.points, rule.growth)
    multiplier = multiplier_basis_points if rule.tier_multiplied else BASIS_POINTS
    amount = amount_minor or 0
    points = amount * rule.points * multiplier // (rule.per_minor * BASIS_POINTS)
    return Line(rule.code, rule.version, points, amount * rule.growth // rule.per_minor, multiplier)


def keep_within(line: Line, left: int | None) -> Line:
    """Cut a line to what a cap has left; None means that there is no cap."""
    if left is None or line.points <= left:
        return line
    line.capped_from, line.points = line.points, max(left, 0)
    return line
