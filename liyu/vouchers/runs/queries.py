"""Reads of print runs for operators: how far each has come, what was done with it, and which voucher has a number."""

from datetime import date, datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.database import fetch_all
from liyu.core.errors import NotFoundError
from liyu.partners.settlement.terms import unit_of
from liyu.vouchers.runs.service import FITS

PAGE = 30
NUMBERS = 20
STATES = ("waiting", "usable", "used", "withdrawn", "expired")


class RunnableItem(Struct, frozen=True):
    """An item that may be printed for a campaign, and how many units are in stock; None is any number."""

    sku: str
    name_zh: str
    name_en: str
    left: int | None


class Run(Struct, frozen=True, kw_only=True):
    """A run, and how many of its numbers are in which state now; together they make `total`. Amounts in fen."""

    id: int
    name: str
    item_id: int
    sku: str
    item_zh: str
    item_en: str
    partner_zh: str | None
    partner_en: str | None
    total: int
    last_day: date
    made_by: str
    made_at: datetime
    waiting: int
    """Not activated yet."""
    usable: int
    used: int
    withdrawn: int
    """Also those that were cancelled one by one."""
    expired: int
    in_wallets: int
    """Of all, whatever became of them."""
    uses_allowed: int
    mode: str | None
    unit_price_minor: int | None
    commission_minor: int | None

    @property
    def owed_minor(self) -> int | None:
        """What the partner is owed for each use by the terms that the run pinned; None without an agreement."""
        if self.mode is None:
            return None
        return unit_of(self.mode, self.unit_price_minor or 0, self.commission_minor or 0)


class RunAct(Struct, frozen=True):
    """A range of numbers that was decided about."""

    act: str
    first: int
    last: int
    vouchers: int
    reason: str
    actor: str
    at: datetime


class NumberLine(Struct, frozen=True):
    """One number of a run with its voucher."""

    number: int
    voucher_id: int
    state: str
    """One of `STATES`."""
    is_frozen: bool
    uses: int
    uses_allowed: int
    holder: str | None
    holder_name: str | None


_OVER = "v.expires_at <= %(now)s AND v.state IN ('printed', 'issued', 'partly_used', 'offered')"
_STATE = f"""CASE WHEN v.state = 'expired' OR {_OVER} THEN 'expired' WHEN v.state = 'printed' THEN 'waiting'
    WHEN v.state = 'used_up' THEN 'used' WHEN v.state = 'cancelled' THEN 'withdrawn' ELSE 'usable' END"""
_COUNTS = ", ".join(f"count(*) FILTER (WHERE state = '{state}') AS {state}" for state in STATES)

_SELECT = f"""
    SELECT r.id, r.name, r.item_id, i.sku, i.name_zh AS item_zh, i.name_en AS item_en, p.name_zh AS partner_zh,
        p.name_en AS partner_en, r.total, r.last_day, r.made_by, r.made_at, n.*, f.uses_allowed, l.mode, l.unit_price_minor,
        l.commission_minor
    FROM voucher_run r JOIN item i ON i.id = r.item_id JOIN voucher f ON f.run_id = r.id AND f.run_number = 1
    LEFT JOIN partner p ON p.id = f.partner_id LEFT JOIN agreement_line l ON l.id = f.agreement_line_id
    CROSS JOIN LATERAL (
        SELECT {_COUNTS}, count(holder_id) AS in_wallets
        FROM (SELECT v.holder_id, {_STATE} AS state FROM voucher v WHERE v.run_id = r.id) AS told) AS n"""

_NUMBERS = f"""
    SELECT * FROM (
        SELECT v.run_number AS number, v.id AS voucher_id, {_STATE} AS state, v.frozen_at IS NOT NULL AS is_frozen, v.uses,
            v.uses_allowed, m.external_id AS holder, m.name AS holder_name
        FROM voucher v LEFT JOIN member m ON m.id = v.holder_id
        WHERE v.run_id = %(run)s AND v.run_number > %(after)s) AS told
    WHERE %(state)s::text IS NULL OR state = %(state)s ORDER BY number LIMIT %(most)s"""


async def list_runs(
    connection: AsyncConnection[Any], now: datetime, *, after: int | None = None
) -> tuple[list[Run], int | None]:
    """One page of runs from the newest on, and the cursor of the next page."""
    found = await _fetch(
        connection,
        f"{_SELECT} WHERE r.id < %(after)s ORDER BY r.id DESC LIMIT {PAGE + 1}",
        {"now": now, "after": after or 2**62},
    )
    return found[:PAGE], found[PAGE - 1].id if len(found) > PAGE else None


async def load_run(connection: AsyncConnection[Any], run_id: int, now: datetime) -> Run:
    """One run. Raises NotFoundError."""
    found = await _fetch(connection, f"{_SELECT} WHERE r.id = %(run)s", {"now": now, "run": run_id})
    if not found:
        raise NotFoundError
    return found[0]


async def list_acts(connection: AsyncConnection[Any], run_id: int) -> list[RunAct]:
    """What was decided about its numbers, the latest first."""
    return await fetch_all(
        connection,
        RunAct,
        "SELECT act, first, last, vouchers, reason, actor, at FROM voucher_run_activation WHERE run_id = %s "
        "ORDER BY id DESC LIMIT 200",
        (run_id,),
    )


async def list_numbers(
    connection: AsyncConnection[Any], run_id: int, *, state: str | None, after: int, now: datetime
) -> tuple[list[NumberLine], int | None]:
    """One page of a run's numbers above `after`, all or those in a state, and the cursor of the next page."""
    values = {"run": run_id, "state": state, "after": after, "now": now, "most": NUMBERS + 1}
    found = await fetch_all(connection, NumberLine, _NUMBERS, values)
    return found[:NUMBERS], found[NUMBERS - 1].number if len(found) > NUMBERS else None


async def fits_run(connection: AsyncConnection[Any], item_id: int) -> bool:
    """Whether a run can be made of an item."""
    return bool((await connection.execute(f"SELECT FROM item i WHERE i.id = %s AND {FITS}", (item_id,))).rowcount)


async def list_runnable_items(connection: AsyncConnection[Any]) -> list[RunnableItem]:
    """Items of which a run can be made."""
    return await fetch_all(
        connection,
        RunnableItem,
        'SELECT i.sku, i.name_zh, i.name_en, s.total - s.taken AS "left" '
        f"FROM item i JOIN item_stock s ON s.item_id = i.id WHERE {FITS} ORDER BY i.position, i.id",
    )


async def _fetch(connection: AsyncConnection[Any], query: str, values: dict[str, Any]) -> list[Run]:
    return await fetch_all(connection, Run, query, values)
