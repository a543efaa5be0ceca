"""Earning rules and their lines in words, alike for members and operators: what a rule gives, and why points came or went."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from liyu.core.i18n import N_, Message
from liyu.core.money import BASIS_POINTS
from liyu.members.points.pricing import Line
from liyu.members.points.queries import RuleName
from liyu.web.formats import format_money
from liyu.web.i18n import gettext, text_of, translate

EXPLAINED = ("earn", "repay", "clawback", "debt")
"""Ledger events that rule lines explain."""

EVENT_TYPES: dict[str, str] = {
    "purchase": N_("Purchase"),
    "return": N_("Return of a purchase"),
    "check_in": N_("Daily check-in"),
    "share": N_("Sharing"),
    "referral": N_("Friend referred"),
    "suggestion": N_("Suggestion adopted"),
    "campaign": N_("Event joined"),
    "profile": N_("Profile completed"),
    "birthday": N_("Birthday"),
}

CONDITIONS: dict[str, str] = {
    "always": N_("Every time"),
    "birthday": N_("On the birthday"),
    "birthday_month": N_("In the month of the birthday"),
    "first_time": N_("The first time"),
    "streak": N_("Every so many days in a row"),
}

_CUTS = {
    "daily_cap": N_("the day's cap left %(points)s of %(whole)s"),
    "yearly_cap": N_("the year's cap left %(points)s of %(whole)s"),
    "lifetime_cap": N_("the cap for the membership left %(points)s of %(whole)s"),
    "return_policy": N_("of %(whole)s the rule for returns took %(points)s"),
    None: N_("the cap left %(points)s of %(whole)s"),
}

_CAPS = {
    "daily_cap": N_("at most %(cap)s a day"),
    "yearly_cap": N_("at most %(cap)s a year"),
    "lifetime_cap": N_("at most %(cap)s in all"),
}


class RuleTerms(Protocol):
    """What is said of a rule: a version of it, or a way to earn."""

    @property
    def points(self) -> int: ...
    @property
    def growth(self) -> int: ...
    @property
    def per_minor(self) -> int | None: ...
    @property
    def tier_multiplied(self) -> bool: ...
    @property
    def condition(self) -> str: ...
    @property
    def every_days(self) -> int | None: ...
    @property
    def birthday_basis_points(self) -> int: ...
    @property
    def birthday_span(self) -> str | None: ...
    @property
    def daily_cap(self) -> int | None: ...
    @property
    def yearly_cap(self) -> int | None: ...
    @property
    def lifetime_cap(self) -> int | None: ...
    @property
    def pending_days(self) -> int: ...


def event_type(name: str) -> str:
    """A type of event in words."""
    return gettext(EVENT_TYPES.get(name, name))


def condition(name: str) -> str:
    """When a rule gives something, in words."""
    return gettext(CONDITIONS.get(name, name))


def explain_lines(lines: Iterable[Line], rules: Mapping[str, RuleName]) -> list[str]:
    """Why: each rule line in words, with the name of its rule."""
    return [explain_line(line, rules) for line in lines]


def explain_line(line: Line, rules: Mapping[str, RuleName]) -> str:
    """One rule line, such as "“Purchases”: 50 · × 1.2 for the tier · the year's cap left 50 of 384"."""
    name = text_of(rules[line.rule], "name") if line.rule in rules else line.rule
    head = translate(Message(N_("“%(rule)s”: %(points)s"), {"rule": name, "points": line.points}))
    return " · ".join([head, *reasons_of(line)])


def reasons_of(line: Line) -> list[str]:
    """What made a line what it is beyond its rule's rate: a condition that was met, multipliers, what cut it."""
    parts = []
    if line.condition != "always":
        parts.append(_met(line))
    if line.multiplier_basis_points != BASIS_POINTS:
        parts.append(_factor(N_("× %(factor)s for the tier"), line.multiplier_basis_points))
    if line.birthday_basis_points != BASIS_POINTS:
        parts.append(_factor(N_("× %(factor)s for the birthday"), line.birthday_basis_points))
    if line.capped_from is not None:
        values = {"points": abs(line.points), "whole": abs(line.capped_from)}
        parts.append(translate(Message(_CUTS[line.cut_by], values)))
    return parts


def what_it_gives(rule: RuleTerms, currency: str) -> str:
    """ "1 for each ¥ 1.00", "30 each time"; with the growth value where there is one."""
    values: dict[str, object] = {"points": rule.points}
    if rule.per_minor is not None:
        words = Message(
            N_("%(points)s for each %(amount)s"), values | {"amount": format_money(rule.per_minor, currency)}
        )
    else:
        words = Message(N_("%(points)s each time"), values)
    given = [translate(words)] if rule.points else []
    if rule.growth:
        given.append(translate(Message(N_("growth value %(growth)s"), {"growth": rule.growth})))
    return gettext(N_(", ")).join(given)


def when_it_gives(rule: RuleTerms) -> list[str]:
    """Conditions and multipliers of a rule, each in words; nothing where it gives the same to everybody every time."""
    notes = []
    if rule.condition == "streak":
        notes.append(translate(Message(N_("every %(days)s days in a row"), {"days": rule.every_days})))
    elif rule.condition != "always":
        notes.append(gettext(CONDITIONS[rule.condition]))
    if rule.tier_multiplied:
        notes.append(gettext(N_("more in higher tiers")))
    if rule.birthday_span is not None:
        words = (
            N_("× %(factor)s on the birthday")
            if rule.birthday_span == "day"
            else N_("× %(factor)s in the birthday's month")
        )
        notes.append(_factor(words, rule.birthday_basis_points))
    return notes


def limits_of(rule: RuleTerms) -> list[str]:
    """The caps of a rule and how long its points are held back, each in words."""
    caps = [(words, getattr(rule, name)) for name, words in _CAPS.items()]
    notes = [translate(Message(words, {"cap": cap})) for words, cap in caps if cap is not None]
    if rule.pending_days:
        notes.append(translate(Message(N_("usable after %(days)s days"), {"days": rule.pending_days})))
    return notes


def _met(line: Line) -> str:
    if line.condition == "streak":
        return translate(Message(N_("%(days)s days in a row"), {"days": line.days}))
    return gettext(CONDITIONS.get(line.condition, line.condition))


def _factor(words: str, basis_points: int) -> str:
    return translate(Message(words, {"factor": f"{basis_points / BASIS_POINTS:g}"}))
