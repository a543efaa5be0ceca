"""One change for many items: planned, shown with every difference, then written as one publication."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct, structs
from psycopg import AsyncConnection

from liyu.catalog.dry_run import DryRun, preview_row
from liyu.catalog.errors import FileFaultyError
from liyu.catalog.known import KnownItem
from liyu.catalog.plan import Plan, plan_publication
from liyu.catalog.publish import write_publication
from liyu.catalog.records import ImportResult, ItemRecord

MOST_ITEMS = 500
WHOLE = 100

FIELDS = (
    "scene",
    "points",
    "points_percent",
    "per_member_limit",
    "per_day_limit",
    "on_sale_from",
    "on_sale_to",
    "tier",
    "stock_more",
)
"""What can be changed of many items at once."""


class BulkChange(Struct, frozen=True):
    """A field and what it is to be; `points_percent` moves the price by so many percent, `stock_more` adds units."""

    field: str
    value: Any


async def preview_change(
    connection: AsyncConnection[Any], skus: list[str], change: BulkChange, *, now: datetime, zone: ZoneInfo
) -> DryRun:
    """What the change would do; nothing is written."""
    async with connection.transaction(force_rollback=True):
        plan = await _plan(connection, skus, change, now, zone)
    return DryRun([preview_row(item, keep_states=True) for item in plan.items], sorted(plan.faults))


async def apply_change(
    connection: AsyncConnection[Any], skus: list[str], change: BulkChange, *, actor: str, now: datetime, zone: ZoneInfo
) -> ImportResult:
    """Change all of the items, or none. Raises FileFaultyError with every fault."""
    async with connection.transaction():
        plan = await _plan(connection, skus, change, now, zone)
        if plan.faults:
            raise FileFaultyError(plan.faults)
        return await write_publication(connection, plan, actor=actor, now=now, reason="bulk", keep_states=True)


async def _plan(
    connection: AsyncConnection[Any], skus: list[str], change: BulkChange, now: datetime, zone: ZoneInfo
) -> Plan:
    there = await plan_publication(connection, [ItemRecord(sku=sku) for sku in skus], now, zone, keep_states=True)
    if there.faults:
        return there
    chosen = [item.known for item in there.items if item.known and item.row.sku in set(skus)]
    records = [_CHANGES.get(change.field, _set)(known, change) for known in chosen]
    numbered = [structs.replace(record, row=number) for number, record in enumerate(records, 1)]
    return await plan_publication(connection, numbered, now, zone, keep_states=True)


def _set(known: KnownItem, change: BulkChange) -> ItemRecord:
    return ItemRecord(sku=known.row.sku, **{change.field: change.value})


def _move_price(known: KnownItem, change: BulkChange) -> ItemRecord:
    """Rounded half up to whole points."""
    return ItemRecord(sku=known.row.sku, points=(known.row.points * (WHOLE + change.value) * 2 + WHOLE) // (2 * WHOLE))


def _add_stock(known: KnownItem, change: BulkChange) -> ItemRecord:
    return ItemRecord(sku=known.row.sku, stock=None if known.total is None else known.total + change.value)


_CHANGES: dict[str, Callable[[KnownItem, BulkChange], ItemRecord]] = {
    "points_percent": _move_price,
    "stock_more": _add_stock,
}
