"""What an item said after each change: noted with every write, looked at field by field, taken back by publishing it anew."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct
from psycopg import AsyncConnection

from liyu.catalog.errors import FileFaultyError, ItemNotFoundError
from liyu.catalog.plan import Plan, PlannedItem, plan_publication
from liyu.catalog.publish import write_publication
from liyu.catalog.records import ItemRecord, ItemRow
from liyu.core.database import fetch_all, fetch_one
from liyu.core.errors import NotFoundError

MOST_SHOWN = 100

STOCK, STORES = "total", "stores"
"""What a version keeps beside the columns of `item`."""

UNSAID = frozenset({"position", "agreement_line_id", "variant_of"})
"""Columns whose change is nobody's wish of its own."""


class Version(Struct, frozen=True):
    """One version of an item, with the facts as they are kept."""

    number: int
    facts: dict[str, Any]
    reason: str
    actor: str
    at: datetime


class Difference(Struct, frozen=True):
    """A field that two versions say differently."""

    field: str
    before: Any
    after: Any


async def list_versions(connection: AsyncConnection[Any], item_id: int) -> list[Version]:
    """The latest versions of an item, the newest first."""
    return await fetch_all(
        connection,
        Version,
        "SELECT number, facts, reason, actor, at FROM item_version WHERE item_id = %s ORDER BY number DESC LIMIT %s",
        (item_id, MOST_SHOWN),
    )


async def load_version(connection: AsyncConnection[Any], item_id: int, number: int) -> Version:
    """One version. Raises NotFoundError."""
    found = await fetch_one(
        connection,
        Version,
        "SELECT number, facts, reason, actor, at FROM item_version WHERE item_id = %s AND number = %s",
        (item_id, number),
    )
    if found is None:
        raise NotFoundError
    return found


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[Difference]:
    """What two versions say differently, in the order of the columns."""
    names = [*ItemRow.__struct_fields__, STOCK, STORES]
    return [
        Difference(name, before.get(name), after.get(name))
        for name in names
        if name not in UNSAID and before.get(name) != after.get(name)
    ]


async def restore_version(
    connection: AsyncConnection[Any], sku: str, number: int, *, actor: str, now: datetime, zone: ZoneInfo
) -> list[Difference]:
    """Say again what an item said in an earlier version, as a new version; its state stays. Returns what changed.

    Raises ItemNotFoundError, NotFoundError, or FileFaultyError when members have taken more than that version had.
    """
    async with connection.transaction():
        # The plan of nothing at all holds the item as it is, and its faults.
        plan = await plan_publication(connection, [ItemRecord(sku=sku)], now, zone, keep_states=True)
        there = next((item for item in plan.items if item.row.sku == sku and item.known), None)
        if plan.faults or there is None or there.known is None:
            raise FileFaultyError(plan.faults) if plan.faults else ItemNotFoundError
        version = await load_version(connection, there.known.id, number)
        restored = _restored(there, version.facts)
        await write_publication(
            connection, Plan([restored]), actor=actor, now=now, reason=f"restored:{number}", keep_states=True
        )
        followers = await plan_publication(connection, [ItemRecord(sku=sku)], now, zone, keep_states=True)
        await write_publication(connection, followers, actor=actor, now=now, reason="follows", keep_states=True)
    return differences(facts_of(there.row, there.total, there.stores), version.facts)


def _restored(item: PlannedItem, facts: dict[str, Any]) -> PlannedItem:
    row = msgspec.convert({name: facts[name] for name in ItemRow.__struct_fields__ if name in facts}, ItemRow)
    # Kind, place in the list and belonging to another item are no words of its page.
    row.kind, row.position, row.variant_of = item.row.kind, item.row.position, item.row.variant_of
    total = item.total if row.kind == "code" else facts[STOCK]
    return PlannedItem(item.record, item.known, row, total, facts[STORES])


def facts_of(row: ItemRow, total: int | None, stores: list[int]) -> dict[str, Any]:
    """The facts of an item as versions keep them."""
    facts: dict[str, Any] = msgspec.to_builtins(row)
    return facts | {STOCK: total, STORES: stores}
