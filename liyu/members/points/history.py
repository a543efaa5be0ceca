"""What members see of their points: every movement with its reason, and the ways to earn with what is left of their caps."""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct, convert
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from liyu.core.database import fetch_all
from liyu.members.leads import PERSON
from liyu.members.points.pricing import Line

PAGE_SIZE = 30
SHIFTS = ("extend", "activate")
"""Movements out of one last day and into another: two transfers in the books, one line for people."""


class Movement(Struct):
    """One transfer as its member sees it. `points` is what the usable balance moved by; the others moved their own accounts."""

    id: int
    event: str
    source: str
    reason: str
    at: datetime
    amount: int
    points: int
    pending: int
    debt: int
    """Above 0 when a debt was paid off."""
    event_type: str | None
    amount_minor: int | None
    currency: str | None
    lines: list[Line]
    balance: int
    """Usable points after it, in the order of time."""
    from_day: date | None = None
    """Of points that got another last day: the one they had."""
    to_day: date | None = None

    @property
    def is_shift(self) -> bool:
        """Whether points only got another last day: the balance stays as it was."""
        return self.event in SHIFTS


class History(Struct):
    """One page of movements, the newest first. `next_cursor` is None on the last page."""

    movements: list[Movement]
    next_cursor: int | None


# What a transfer did to each kind of account. What goes from one account to another of the same kind, as a merge does, is 0.
SIDES = ", ".join(
    f"t.amount * (coalesce((c.kind = 'member_{kind}')::int, 0) - coalesce((d.kind = 'member_{kind}')::int, 0)) AS {kind}"
    for kind in ("points", "pending", "debt")
)

# All transfers of the accounts in `mine`, each side by its index. An equality would be judged by how many transfers an account
# has on average, which the program's own accounts spoil: where all points were issued by one account and nobody has spent yet,
# the whole table would be read. A range of one is always judged to be small.
TRANSFERS = " UNION ".join(
    "SELECT t.* FROM mine CROSS JOIN LATERAL "
    f"(SELECT * FROM transfer WHERE {side}_account_id BETWEEN mine.id AND mine.id OFFSET 0) AS t"
    for side in ("debit", "credit")
)

# The running balance needs every movement of the member, so they are read once and cut to the page afterwards.
_MOVEMENTS = f"""
    WITH mine AS (SELECT id, kind FROM account WHERE member_id IN {PERSON}),
    moves AS (
        SELECT t.id, t.at, t.event, t.source, t.reason, t.amount,
            {SIDES}
        FROM (
            {TRANSFERS}) AS t
        LEFT JOIN mine c ON c.id = t.credit_account_id LEFT JOIN mine d ON d.id = t.debit_account_id),
    page AS (
        SELECT moves.*, sum(points) OVER (ORDER BY at, id)::bigint AS balance FROM moves)
    SELECT p.*, e.type AS event_type, e.amount_minor, e.currency, coalesce(e.lines, '[]') AS lines, x.from_day, x.to_day
    FROM page p LEFT JOIN earning_event e
        ON e.type = split_part(p.source, ':', 1) AND e.reference = substr(p.source, strpos(p.source, ':') + 1)
    LEFT JOIN expiry_change x
        ON x.id = CASE WHEN p.event IN ('extend', 'activate', 'reinstate') THEN split_part(p.source, ':', 2)::bigint END
    WHERE (%(before)s::bigint IS NULL OR (p.at, p.id) < (SELECT b.at, b.id FROM moves b WHERE b.id = %(before)s))
        AND NOT (p.event = ANY(%(shifts)s) AND p.points + p.pending < 0)
    ORDER BY p.at DESC, p.id DESC LIMIT %(most)s"""


async def list_movements(connection: AsyncConnection[Any], member_id: int, before: int | None = None) -> History:
    """One page of a member's movements, the newest first, with the usable balance after each.

    `before` is the cursor of the page before; one that is not among the member's movements gives an empty page.
    """
    async with connection.cursor(row_factory=dict_row) as cursor:
        values = {"member": member_id, "before": before, "most": PAGE_SIZE + 1, "shifts": list(SHIFTS)}
        await cursor.execute(_MOVEMENTS, values)
        movements = convert(await cursor.fetchall(), list[Movement])
    shown = movements[:PAGE_SIZE]
    return History(shown, shown[-1].id if len(movements) > PAGE_SIZE else None)


class WayToEarn(Struct, frozen=True):
    """An earning rule in force, with what the member has used of its caps (in points)."""

    code: str
    event_type: str
    name_zh: str
    name_en: str
    points: int
    growth: int
    per_minor: int | None
    tier_multiplied: bool
    condition: str
    every_days: int | None
    birthday_basis_points: int
    birthday_span: str | None
    daily_cap: int | None
    yearly_cap: int | None
    lifetime_cap: int | None
    pending_days: int
    used_today: int
    used_this_year: int
    used_ever: int

    @property
    def left_today(self) -> int | None:
        """How many points it can still give today, by the tightest of its caps; None without a cap."""
        caps = (
            (self.daily_cap, self.used_today),
            (self.yearly_cap, self.used_this_year),
            (self.lifetime_cap, self.used_ever),
        )
        return min((max(cap - used, 0) for cap, used in caps if cap is not None), default=None)


_WAYS = """
    SELECT r.code, r.event_type, r.name_zh, r.name_en, r.points, r.growth, r.per_minor, r.tier_multiplied,
        r.condition, r.every_days, r.birthday_basis_points, r.birthday_span, r.daily_cap, r.yearly_cap, r.lifetime_cap,
        r.pending_days, coalesce(d.used, 0) AS used_today, coalesce(y.used, 0) AS used_this_year,
        coalesce(e.used, 0) AS used_ever
    FROM earning_rule r
    LEFT JOIN earning_use d ON d.member_id = %(member)s AND d.rule_code = r.code AND d.period = %(day)s
    LEFT JOIN earning_use y ON y.member_id = %(member)s AND y.rule_code = r.code AND y.period = %(year)s
    LEFT JOIN earning_use e ON e.member_id = %(member)s AND e.rule_code = r.code AND e.period = 'ever'
    WHERE r.valid_from <= %(now)s AND (r.valid_to IS NULL OR %(now)s < r.valid_to) AND (r.points > 0 OR r.growth > 0)
    ORDER BY r.id"""

_CHECK_INS = """
    SELECT DISTINCT (occurred_at AT TIME ZONE %s)::date FROM earning_event WHERE type = 'check_in' AND member_id = %s"""


async def list_ways_to_earn(
    connection: AsyncConnection[Any], member_id: int, now: datetime, today: date
) -> list[WayToEarn]:
    """The rules in force now, in the program's order, and what the member has used of their caps."""
    values = {"member": member_id, "now": now, "day": today.isoformat(), "year": str(today.year)}
    return await fetch_all(connection, WayToEarn, _WAYS, values)


def check_in_reference(external_id: str, day: date) -> str:
    """The reference of a member's check-in on a day of the program's calendar: the same day gives the same one."""
    return f"check-in:{external_id}:{day.isoformat()}"


async def list_check_ins(connection: AsyncConnection[Any], member_id: int, zone: ZoneInfo) -> set[date]:
    """The days of the program's calendar on which the member checked in, here or at the host."""
    found = await connection.execute(_CHECK_INS, (str(zone), member_id))
    return {day for (day,) in await found.fetchall()}
