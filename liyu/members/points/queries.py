"""What operators see of the program's points as a whole: what is owed, what lapses next, what moved in which month."""

from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.rows import class_row

PAGE_SIZE = 50


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
