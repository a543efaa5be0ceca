"""What an event would give, and why, without posting it: the same pure pricing, for a member or for somebody made up."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.clock import local_date
from liyu.core.database import fetch_all, fetch_one
from liyu.members.errors import UnknownMemberError
from liyu.members.points.lots import last_day
from liyu.members.points.pricing import CHECK_IN, RULE_COLUMNS, Occasion, Rule, Verdict, caps_of, price_event, streak_on
from liyu.members.program import ProgramTerms

Uses = dict[tuple[str, str], int]


class Preview(Struct):
    """What an event would give: each rule in force with its line, and what would become of the points."""

    occasion: Occasion
    verdicts: list[Verdict]
    usable_from: date
    expires_on: date | None

    @property
    def points(self) -> int:
        """Points of all lines."""
        return sum(one.line.points for one in self.verdicts if one.line is not None)

    @property
    def growth(self) -> int:
        """Growth value of all lines."""
        return sum(one.line.growth for one in self.verdicts if one.line is not None)


def preview_event(rules: list[Rule], terms: ProgramTerms, occasion: Occasion, uses: Uses) -> Preview:
    """Price an occasion and say when its points could be used. Pure."""
    verdicts = price_event(rules, occasion, lambda code, period: uses.get((code, period), 0))
    held = max((one.rule.pending_days for one in verdicts if one.line is not None), default=0)
    expires_on = last_day(terms.expiry_policy, terms.expiry_months, occasion.day)
    return Preview(occasion, verdicts, occasion.day + timedelta(days=held), expires_on)


class _Facts(Struct):
    id: int
    birthday: date | None
    tier_basis_points: int


_RULES = f"SELECT {RULE_COLUMNS} FROM earning_rule WHERE event_type = %s ORDER BY id"

_MEMBER = """
    SELECT m.id, m.birthday, t.multiplier_basis_points AS tier_basis_points FROM member m JOIN tier t ON t.id = m.tier_id
    WHERE m.external_id = %s"""

_CHECK_INS = """
    SELECT DISTINCT (occurred_at AT TIME ZONE %s)::date FROM earning_event WHERE type = 'check_in' AND member_id = %s"""


async def load_rules_of(connection: AsyncConnection[Any], event_type: str) -> list[Rule]:
    """All versions of the rules for a type of event."""
    return await fetch_all(connection, Rule, _RULES, (event_type,))


async def occasion_of_member(
    connection: AsyncConnection[Any],
    external_id: str,
    event_type: str,
    amount_minor: int | None,
    at: datetime,
    zone: ZoneInfo,
    rules: Iterable[Rule],
) -> tuple[Occasion, Uses]:
    """An event of a member as it would be priced now, with what is used of the caps. Raises UnknownMemberError."""
    member = await fetch_one(connection, _Facts, _MEMBER, (external_id,))
    if member is None:
        raise UnknownMemberError
    day = local_date(at, zone)
    days = {row[0] for row in await _fetch(connection, _CHECK_INS, (str(zone), member.id))}
    seen = "SELECT EXISTS (SELECT FROM earning_event WHERE member_id = %s AND type = %s)"
    ((is_known,),) = await _fetch(connection, seen, (member.id, event_type))
    periods = {(rule.code, period) for rule in rules for _, period, _ in caps_of(rule, day)}
    used = "SELECT rule_code, period, used FROM earning_use WHERE member_id = %s"
    uses = {(code, period): amount for code, period, amount in await _fetch(connection, used, (member.id,))}
    occasion = Occasion(
        event_type,
        amount_minor,
        at,
        day,
        tier_basis_points=member.tier_basis_points,
        birthday=member.birthday,
        is_first=not is_known,
        streak=streak_on(days, day) if event_type == CHECK_IN and day not in days else 0,
    )
    return occasion, {place: amount for place, amount in uses.items() if place in periods}


async def _fetch(connection: AsyncConnection[Any], query: str, values: Any) -> list[Any]:
    return await (await connection.execute(query, values)).fetchall()
