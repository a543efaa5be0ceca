"""What an event is worth: the rules in force at its time give lines, and the lines say why. Pure."""

from calendar import isleap
from collections.abc import Callable
from datetime import date, datetime

from msgspec import Struct

from liyu.core.money import BASIS_POINTS

PURCHASE = "purchase"
RETURN = "return"
CHECK_IN = "check_in"
AMOUNT_TYPES = (PURCHASE, RETURN)
"""Events that carry an amount of money."""

EVENT_TYPES = (PURCHASE, RETURN, CHECK_IN, "share", "referral", "suggestion", "campaign", "profile", "birthday")
EARNING_TYPES = tuple(one for one in EVENT_TYPES if one != RETURN)
OWN_TYPES = ("profile",)
"""Events that Liyu alone finds out and posts; a host that posted one would take the member's only one away."""
HOST_TYPES = tuple(one for one in EVENT_TYPES if one not in OWN_TYPES)

ALWAYS, BIRTHDAY, BIRTHDAY_MONTH, FIRST_TIME, STREAK = CONDITIONS = (
    "always", "birthday", "birthday_month", "first_time", "streak",
)  # fmt: skip
"""When a rule gives something: at every event, on the member's birthday, in its month, at the first event of the type, or on
every so many-th day in a row with a check-in."""

BIRTHDAY_SPANS = ("day", "month")
EVER = "ever"
"""The period of a cap for the whole membership."""

Used = Callable[[str, str], int]
"""Points used of a cap, by rule code and period."""


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
    condition: str = ALWAYS
    every_days: int | None = None
    """With the condition `streak`: on each day of the row that is a multiple of it."""
    birthday_basis_points: int = BASIS_POINTS
    """Multiplies the points on the birthday, or all through its month, as `birthday_span` says."""
    birthday_span: str | None = None
    lifetime_cap: int | None = None


RULE_COLUMNS = ", ".join(Rule.__struct_fields__)


class Line(Struct, omit_defaults=True):
    """Why some of the points came or went: the rule, its version and the figures it used."""

    rule: str
    version: int
    points: int
    growth: int
    multiplier_basis_points: int = BASIS_POINTS
    """The tier's multiplier."""
    capped_from: int | None = None
    """What the rule alone would have given or taken, where something cut it."""
    cut_by: str | None = None
    """What cut it: `daily_cap`, `yearly_cap`, `lifetime_cap` or `return_policy`."""
    birthday_basis_points: int = BASIS_POINTS
    condition: str = ALWAYS
    """Why the rule applied, where it does not always."""
    days: int | None = None
    """With the condition `streak`: the days in a row."""


class Occasion(Struct, frozen=True):
    """What pricing must know of an event and of the member to whom it happened."""

    type: str
    amount_minor: int | None
    at: datetime
    day: date
    """Its day in the program's time zone."""
    tier_basis_points: int = BASIS_POINTS
    birthday: date | None = None
    is_first: bool = False
    """Whether it is the first event of its type that is known of the member."""
    streak: int = 0
    """Days in a row with a check-in, its own included; 0 when the day had one already."""


class Verdict(Struct):
    """What one rule says of an occasion: its line, or None where its condition is not met."""

    rule: Rule
    line: Line | None


def rules_in_force(rules: list[Rule], event_type: str, at: datetime) -> list[Rule]:
    """The rules that price an event of this type at this time."""
    return [
        rule
        for rule in rules
        if rule.event_type == event_type and rule.valid_from <= at and (rule.valid_to is None or at < rule.valid_to)
    ]


def price_event(rules: list[Rule], occasion: Occasion, used: Used) -> list[Verdict]:
    """What each rule in force gives for an occasion, cut to what its caps have left."""
    return [
        Verdict(rule, _price(rule, occasion, used) if applies(rule, occasion) else None)
        for rule in rules_in_force(rules, occasion.type, occasion.at)
    ]


def applies(rule: Rule, occasion: Occasion) -> bool:
    """Whether the condition of a rule is met."""
    match rule.condition:
        case "birthday":
            return is_birthday(occasion.birthday, occasion.day, "day")
        case "birthday_month":
            return is_birthday(occasion.birthday, occasion.day, "month")
        case "first_time":
            return occasion.is_first
        case "streak":
            return occasion.streak > 0 and occasion.streak % (rule.every_days or 1) == 0
        case _:
            return True


def is_birthday(birthday: date | None, day: date, span: str) -> bool:
    """Whether a day is the birthday, or in its month; who was born on 29 February has the 28th in other years."""
    if birthday is None or birthday.month != day.month:
        return False
    leap_day_is_missing = (birthday.month, birthday.day) == (2, 29) and not isleap(day.year)
    return span == "month" or day.day == (28 if leap_day_is_missing else birthday.day)


def price(rule: Rule, amount_minor: int | None, tier_basis_points: int, birthday_basis_points: int) -> Line:
    """The line that a rule gives on its own: full units of the amount count, fractions of a point are dropped."""
    amount, divisor = (1, 1) if rule.per_minor is None else (amount_minor or 0, rule.per_minor)
    tier = tier_basis_points if rule.tier_multiplied else BASIS_POINTS
    points = amount * rule.points * tier * birthday_basis_points // (divisor * BASIS_POINTS * BASIS_POINTS)
    growth = amount * rule.growth // divisor
    return Line(rule.code, rule.version, points, growth, tier, birthday_basis_points=birthday_basis_points)


def _price(rule: Rule, occasion: Occasion, used: Used) -> Line:
    celebrates = rule.birthday_span is not None and is_birthday(occasion.birthday, occasion.day, rule.birthday_span)
    factor = rule.birthday_basis_points if celebrates else BASIS_POINTS
    line = price(rule, occasion.amount_minor, occasion.tier_basis_points, factor)
    line.condition = rule.condition
    line.days = occasion.streak if rule.condition == STREAK else None
    for name, period, cap in caps_of(rule, occasion.day):
        keep_within(line, max(cap - used(rule.code, period), 0), name)
    return line


def caps_of(rule: Rule, day: date) -> list[tuple[str, str, int]]:
    """The caps of a rule on a day: name, period that is counted, points."""
    caps = (
        ("daily_cap", day.isoformat(), rule.daily_cap),
        ("yearly_cap", str(day.year), rule.yearly_cap),
        ("lifetime_cap", EVER, rule.lifetime_cap),
    )
    return [(name, period, cap) for name, period, cap in caps if cap is not None]


def keep_within(line: Line, left: int, cut_by: str) -> None:
    """Cut a line to what is left; what the rule alone would have given stays on it."""
    if line.points <= left:
        return
    line.capped_from = line.points if line.capped_from is None else line.capped_from
    line.points, line.cut_by = left, cut_by


def streak_on(days: set[date], day: date) -> int:
    """How many days in a row end with this one, itself counted as there."""
    ordinal = day.toordinal()
    count = 1
    while date.fromordinal(ordinal - count) in days:
        count += 1
    return count
