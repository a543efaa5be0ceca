"""What operators see of the ledger: the transfers of an account, and what the earning rules are called."""

from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.rows import class_row

PAGE_SIZE = 50


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


_MOVES = """
    SELECT t.id, t.at, t.event, t.source, t.reason, t.actor, t.unit,
        CASE WHEN t.credit_account_id = a.id THEN t.amount ELSE -t.amount END AS amount
    FROM account a JOIN transfer t ON a.id IN (t.debit_account_id, t.credit_account_id)
    WHERE a.kind = %(kind)s AND a.member_id IS NULL AND a.partner_id IS NULL
        AND (%(before)s::bigint IS NULL OR t.id < %(before)s)
        AND (%(since)s::timestamptz IS NULL OR t.at >= %(since)s) AND (%(until)s::timestamptz IS NULL OR t.at < %(until)s)
    ORDER BY t.id DESC LIMIT %(most)s"""

_RULE_NAMES = "SELECT DISTINCT ON (code) code, name_zh, name_en FROM earning_rule ORDER BY code, version DESC"


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
