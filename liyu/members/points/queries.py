"""What operators see of the program's points as a whole: what is owed, what lapses next, what moved in which month."""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.rows import class_row

from liyu.core.clock import start_of_day
from liyu.members.points.lots import add_months

PAGE_SIZE = 50


class PointsOwed(Struct, frozen=True):
    """The points that members hold. `debt` is what members owe, above 0."""

    usable: int
    pending: int
    debt: int
    members: int
    lapses_on: date | None
    lapsing: int
    """Points whose last day is `lapses_on`, the next such day."""

    @property
    def outstanding(self) -> int:
        """What the program owes in points, due now or later."""
        return self.usable + self.pending


class MonthFigures(Struct, frozen=True):
    """Points issued and spent in one month; cancelled redemptions are taken off."""

    month: date
    issued: int
    spent: int


class AccountFigure(Struct, frozen=True):
    """A system account, or all accounts of one kind together: what came in and what went out, in its unit."""

    kind: str
    unit: str
    came: int
    went: int

    @property
    def balance(self) -> int:
        """What came less what went."""
        return self.came - self.went


class AccountMove(Struct, frozen=True):
    """One transfer of a system account; `amount` is negative where it went out."""

    id: int
    at: datetime
    event: str
    source: str
    reason: str
    actor: str
    amount: int
    unit: str


class RuleName(Struct, frozen=True):
    """What an earning rule is called."""

    code: str
    name_zh: str
    name_en: str


_OWED = """
    SELECT coalesce(sum(a.balance) FILTER (WHERE a.kind = 'member_points'), 0)::bigint AS usable,
        coalesce(sum(a.balance) FILTER (WHERE a.kind = 'member_pending'), 0)::bigint AS pending,
        coalesce(-sum(a.balance) FILTER (WHERE a.kind = 'member_debt'), 0)::bigint AS debt,
        count(*) FILTER (WHERE a.kind = 'member_points') AS members,
        (SELECT min(expires_on) FROM lot WHERE is_open AND expires_on >= %(today)s) AS lapses_on,
        (SELECT coalesce(sum(remaining), 0)::bigint FROM lot WHERE is_open AND expires_on = (
            SELECT min(expires_on) FROM lot WHERE is_open AND expires_on >= %(today)s)) AS lapsing
    FROM account a WHERE a.member_id IS NOT NULL"""

_MONTHS = """
    WITH moves AS (
        SELECT t.at, t.amount AS issued, 0 AS spent FROM account a JOIN transfer t ON t.debit_account_id = a.id
        WHERE a.kind = 'points_issued' AND t.at >= %(since)s
        UNION ALL SELECT t.at, 0, t.amount FROM account a JOIN transfer t ON t.credit_account_id = a.id
        WHERE a.kind = 'points_redeemed' AND t.at >= %(since)s
        UNION ALL SELECT t.at, 0, -t.amount FROM account a JOIN transfer t ON t.debit_account_id = a.id
        WHERE a.kind = 'points_redeemed' AND t.at >= %(since)s)
    SELECT date_trunc('month', at AT TIME ZONE %(zone)s)::date AS month, sum(issued)::bigint AS issued,
        sum(spent)::bigint AS spent FROM moves GROUP BY 1"""

_ACCOUNTS = """
    WITH sides AS (
        SELECT credit_account_id AS account_id, sum(amount) AS came, 0 AS went FROM transfer GROUP BY 1
        UNION ALL SELECT debit_account_id, 0, sum(amount) FROM transfer GROUP BY 1)
    SELECT a.kind, a.unit, coalesce(sum(s.came), 0)::bigint AS came, coalesce(sum(s.went), 0)::bigint AS went
    FROM account a LEFT JOIN sides s ON s.account_id = a.id GROUP BY a.kind, a.unit"""

_MOVES = """
    SELECT t.id, t.at, t.event, t.source, t.reason, t.actor, t.unit,
        CASE WHEN t.credit_account_id = a.id THEN t.amount ELSE -t.amount END AS amount
    FROM account a JOIN transfer t ON a.id IN (t.debit_account_id, t.credit_account_id)
    WHERE a.kind = %(kind)s AND a.member_id IS NULL AND a.partner_id IS NULL
        AND (%(before)s::bigint IS NULL OR t.id < %(before)s)
        AND (%(since)s::timestamptz IS NULL OR t.at >= %(since)s) AND (%(until)s::timestamptz IS NULL OR t.at < %(until)s)
    ORDER BY t.id DESC LIMIT %(most)s"""

_RULE_NAMES = "SELECT DISTINCT ON (code) code, name_zh, name_en FROM earning_rule ORDER BY code, version DESC"


async def points_owed(connection: AsyncConnection[Any], today: date) -> PointsOwed:
    """What members hold today, and what of it lapses next."""
    async with connection.cursor(row_factory=class_row(PointsOwed)) as cursor:
        await cursor.execute(_OWED, {"today": today})
        owed = await cursor.fetchone()
    assert owed is not None
    return owed


async def months_of_points(
    connection: AsyncConnection[Any], today: date, zone: ZoneInfo, months: int = 12
) -> list[MonthFigures]:
    """The last months with the present one, the oldest first; months without a movement are there with zeros."""
    wanted = [add_months(today, -back) for back in reversed(range(months))]
    async with connection.cursor(row_factory=class_row(MonthFigures)) as cursor:
        await cursor.execute(_MONTHS, {"since": start_of_day(wanted[0], zone), "zone": str(zone)})
        found = {row.month: row for row in await cursor.fetchall()}
    return [found.get(month, MonthFigures(month, 0, 0)) for month in wanted]


async def account_figures(connection: AsyncConnection[Any]) -> dict[str, AccountFigure]:
    """What came to and went from every kind of account, summed from all transfers."""
    async with connection.cursor(row_factory=class_row(AccountFigure)) as cursor:
        await cursor.execute(_ACCOUNTS)
        return {row.kind: row for row in await cursor.fetchall()}


async def moves_of_account(
    connection: AsyncConnection[Any],
    kind: str,
    *,
    before: int | None = None,
    bounds: tuple[datetime, datetime] | None = None,
) -> tuple[list[AccountMove], int | None]:
    """One page of a system account's transfers, the newest first, within `bounds`; and the cursor of the next page."""
    since, until = bounds or (None, None)
    values = {"kind": kind, "before": before, "since": since, "until": until, "most": PAGE_SIZE + 1}
    async with connection.cursor(row_factory=class_row(AccountMove)) as cursor:
        await cursor.execute(_MOVES, values)
        found = await cursor.fetchall()
    return found[:PAGE_SIZE], found[PAGE_SIZE - 1].id if len(found) > PAGE_SIZE else None


async def rule_names(connection: AsyncConnection[Any]) -> dict[str, RuleName]:
    """What the earning rules are called, by code."""
    async with connection.cursor(row_factory=class_row(RuleName)) as cursor:
        await cursor.execute(_RULE_NAMES)
        return {row.code: row for row in await cursor.fetchall()}
