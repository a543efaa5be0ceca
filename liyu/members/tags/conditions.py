"""Conditions over members as data, for the rules of tags and for segments: read from forms, kept as JSON, asked as SQL."""

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from liyu.core.clock import start_of_day
from liyu.core.errors import InvalidInputError
from liyu.core.i18n import N_, Message
from liyu.members.imports.cells import split_tags

MOST_CONDITIONS = 8
LARGEST_NUMBER = 10**12
LONGEST_LIST = 50
ALL, ANY = "all", "any"
MATCHES = (ALL, ANY)
THIS_MONTH = "now"
IS_MEMBER = "m.state NOT IN ('closed', 'merged')"
"""In SQL: whether the membership of `m` goes on under its own name. Who was merged counts as the one who lives on, once."""


class Condition(Struct, frozen=True):
    """One condition: its kind, and its figure or its list as text."""

    kind: str
    value: str


class Conditions(Struct, frozen=True):
    """Conditions that must hold all together, or any of them."""

    conditions: list[Condition]
    match: str = ALL


class Kind(Struct, frozen=True):
    """A kind of condition: its words, an example, how its value is read, and what it asks of `m` (member) and `b` (bought)."""

    label: str
    example: str
    read: Callable[[str, date, ZoneInfo], Any]
    sql: str


class Compiled(Struct, frozen=True):
    """Conditions as SQL: tables with the aliases `m`, `t`, `a`, `b`, a predicate, and its values."""

    tables: str
    predicate: str
    values: dict[str, Any]


def _number(text: str, _today: date, _zone: ZoneInfo) -> int:
    digits = text.replace(",", "").strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 13 and int(digits) <= LARGEST_NUMBER):
        raise ValueError
    return int(digits)


def _yuan(text: str, today: date, zone: ZoneInfo) -> int:
    return _number(text, today, zone) * 100


def _words(text: str, _today: date, _zone: ZoneInfo) -> list[str]:
    words = split_tags(text)
    if not 0 < len(words) <= LONGEST_LIST:
        raise ValueError
    return words


def _months(text: str, today: date, zone: ZoneInfo) -> list[int]:
    months = [today.month if word == THIS_MONTH else _number(word, today, zone) for word in _words(text, today, zone)]
    if not all(1 <= month <= 12 for month in months):
        raise ValueError
    return months


def _days_ago(text: str, today: date, zone: ZoneInfo) -> Any:
    days = _number(text, today, zone)
    if days > 36_500:
        raise ValueError
    return start_of_day(today - timedelta(days=days), zone)


_HAS_TAG = """EXISTS (SELECT FROM member_tag h JOIN tag g ON g.id = h.tag_id WHERE h.member_id = m.id
    AND (g.code = ANY({value}) OR g.name_zh = ANY({value}) OR g.name_en = ANY({value})))"""

KINDS: dict[str, Kind] = {
    "tier": Kind(
        N_("Tier is one of"), "gold; platinum", _words,
        "(t.code = ANY({value}) OR t.name_zh = ANY({value}) OR t.name_en = ANY({value}))",
    ),
    "growth_min": Kind(N_("Growth value at least"), "3000", _number, "m.growth >= {value}"),
    "growth_max": Kind(N_("Growth value at most"), "999", _number, "m.growth <= {value}"),
    "balance_min": Kind(N_("Points to spend, at least"), "1000", _number, "a.balance >= {value}"),
    "balance_max": Kind(N_("Points to spend, at most"), "100", _number, "a.balance <= {value}"),
    "spent_min": Kind(N_("Spent in CNY, at least"), "5000", _yuan, "coalesce(b.spent, 0) >= {value}"),
    "spent_max": Kind(N_("Spent in CNY, at most"), "500", _yuan, "coalesce(b.spent, 0) <= {value}"),
    "purchases_min": Kind(N_("Purchases, at least"), "10", _number, "coalesce(b.purchases, 0) >= {value}"),
    "bought_within": Kind(N_("Last purchase within so many days"), "30", _days_ago, "b.last_at >= {value}"),
    "not_bought_for": Kind(
        N_("No purchase for so many days"), "180", _days_ago, "(b.last_at IS NULL OR b.last_at < {value})"
    ),
    "city": Kind(N_("City is one of"), "上海; 北京", _words, "m.city = ANY({value})"),
    "joined_within": Kind(N_("Joined within so many days"), "30", _days_ago, "m.joined_at >= {value}"),
    "joined_before": Kind(N_("Joined more than so many days ago"), "365", _days_ago, "m.joined_at < {value}"),
    "birthday_month": Kind(
        N_("Month of birth is one of (“now” is this month)"), "now", _months,
        "extract(month FROM m.birthday)::int = ANY({value})",
    ),
    "tag": Kind(N_("Has one of the tags"), "vip; coffee", _words, _HAS_TAG),
    "not_tag": Kind(N_("Has none of the tags"), "vip", _words, f"NOT {_HAS_TAG}"),
}  # fmt: skip
"""The vocabulary of rules and segments."""

_BOUGHT = """
    LEFT JOIN (
        SELECT member_id, sum(amount_minor) AS spent, count(*) FILTER (WHERE type = 'purchase') AS purchases,
            max(occurred_at) FILTER (WHERE type = 'purchase') AS last_at
        FROM earning_event WHERE type IN ('purchase', 'return') GROUP BY 1) AS b ON b.member_id = m.id"""

_TABLES = """
    member m JOIN tier t ON t.id = m.tier_id JOIN account a ON a.member_id = m.id AND a.kind = 'member_points'"""


def read_conditions(rows: Iterable[tuple[str, str]], match: str, today: date, zone: ZoneInfo) -> Conditions:
    """Conditions from the rows of a form (kind, value); rows without a kind are left out.

    Raises InvalidInputError with the fault of every row (`value_0`, `value_1`, …), and when there is none.
    """
    faults: dict[str, Message] = {}
    found = []
    for place, (kind, value) in enumerate(rows):
        if not kind:
            continue
        try:
            KINDS[kind].read(value, today, zone)
        except (KeyError, ValueError, OverflowError):
            example = KINDS[kind].example if kind in KINDS else ""
            faults[f"value_{place}"] = Message(
                N_("This value does not fit. An example: %(example)s"), {"example": example}
            )
        found.append(Condition(kind, value.strip()))
    if not found and not faults:
        faults["kind_0"] = Message(N_("Choose at least one condition."))
    if faults:
        raise InvalidInputError.of_fields(faults)
    return Conditions(found, match if match in MATCHES else ALL)


def compile_conditions(conditions: Conditions, today: date, zone: ZoneInfo) -> Compiled:
    """The conditions as SQL; members whose membership is over fit nothing."""
    values: dict[str, Any] = {}
    predicates = []
    for place, condition in enumerate(conditions.conditions):
        kind = KINDS[condition.kind]
        values[f"c{place}"] = kind.read(condition.value, today, zone)
        predicates.append(f"({kind.sql.replace('{value}', f'%(c{place})s')})")
    joined = (" AND " if conditions.match == ALL else " OR ").join(predicates) or "false"
    needs_bought = any("b." in KINDS[one.kind].sql for one in conditions.conditions)
    return Compiled(_TABLES + (_BOUGHT if needs_bought else ""), f"{IS_MEMBER} AND ({joined})", values)
