"""What operators see of the ledger: the transfers of an account, and what the earning rules are called."""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.clock import start_of_day
from liyu.core.database import fetch_all
from liyu.core.ledger.models import SYSTEM_ACCOUNTS
from liyu.members.points.lots import add_months

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


_EVERYWHERE = "SELECT 0::bigint AS low, 9223372036854775807 AS high"

# Where among all transfers those of a month are: on few days of recording, and perhaps among what is not counted yet.
_OF_MONTH = """
    SELECT min(first_id) AS low, max(last_id) AS high FROM points_rollup WHERE month = %(month)s GROUP BY recorded_on
    UNION ALL SELECT coalesce(min(first_id), 0), 9223372036854775807 FROM points_rollup
    WHERE recorded_on >= (SELECT max(recorded_on) - 1 FROM points_rollup)"""

_SIDE = """
    SELECT t.* FROM here, ranges, LATERAL (
        SELECT id, at, event, source, reason, actor, unit, {sign}amount AS amount FROM transfer
        WHERE {side}_account_id = here.id AND id BETWEEN low AND high AND (%(before)s::bigint IS NULL OR id < %(before)s)
            AND (%(since)s::timestamptz IS NULL OR at >= %(since)s) AND (%(until)s::timestamptz IS NULL OR at < %(until)s)
        ORDER BY id DESC LIMIT %(most)s) AS t"""

_MOVES = f"""
    WITH here AS (SELECT id FROM account WHERE kind = %(kind)s AND member_id IS NULL AND partner_id IS NULL),
    ranges AS ({{ranges}})
    {_SIDE.format(side="debit", sign="-")} UNION {_SIDE.format(side="credit", sign="")} ORDER BY id DESC LIMIT %(most)s"""

_RULE_NAMES = "SELECT DISTINCT ON (code) code, name_zh, name_en FROM earning_rule ORDER BY code, version DESC"


async def moves_of_account(
    connection: AsyncConnection[Any], kind: str, *, zone: ZoneInfo, before: int | None = None, month: date | None = None
) -> tuple[list[AccountMove], int | None]:
    """One page of a system account's transfers, the newest first, of a month or of all time; and the cursor of the next page."""
    values: dict[str, Any] = {"kind": kind, "before": before, "most": PAGE_SIZE + 1, "month": month}
    values |= {"since": None, "until": None}
    ranges = _EVERYWHERE
    if month is not None:
        values |= {"since": start_of_day(month, zone), "until": start_of_day(add_months(month, 1), zone)}
        # Only points are rolled up; money moves less often.
        ranges = _OF_MONTH if SYSTEM_ACCOUNTS.get(kind) == "PTS" else _EVERYWHERE
    found = await fetch_all(connection, AccountMove, _MOVES.format(ranges=ranges), values)
    return found[:PAGE_SIZE], found[PAGE_SIZE - 1].id if len(found) > PAGE_SIZE else None


async def rule_names(connection: AsyncConnection[Any]) -> dict[str, RuleName]:
    """What the earning rules are called, by code."""
    return {row.code: row for row in await fetch_all(connection, RuleName, _RULE_NAMES)}
