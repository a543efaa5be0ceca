"""Publishing items, from files, forms and the demo: plan against what is there, then write the difference set by set."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.errors import RestrictViolation

from liyu.catalog.errors import FileFaultyError, RowFault, TermsAnnouncedError
from liyu.catalog.notify import announce_items
from liyu.catalog.plan import LIVE, Plan, PlannedItem, plan_publication
from liyu.catalog.records import ImportResult, ItemRecord, ItemRow
from liyu.core.bulk import encode_rows, insert_of, record_of
from liyu.core.i18n import N_, Message
from liyu.core.ledger.posting import reserve_ids


class _NewItem(ItemRow, kw_only=True):
    id: int
    state: str
    created_at: datetime
    changed_at: datetime


class _ChangedItem(ItemRow, kw_only=True):
    id: int
    changed_at: datetime


class _StockRow(Struct):
    item_id: int
    total: int | None
    taken: int = 0


class _StoreRow(Struct):
    item_id: int
    store_id: int


class _StateChangeRow(Struct):
    item_id: int
    from_state: str | None
    to_state: str
    reason: str
    actor: str
    at: datetime


async def publish_items(
    connection: AsyncConnection[Any],
    records: list[ItemRecord],
    *,
    actor: str,
    now: datetime,
    zone: ZoneInfo,
    reason: str = "published",
    keep_states: bool = False,
    new_state: str = LIVE,
) -> ImportResult:
    """Publish items at once; with `keep_states` those that are there stay in the state they have. New ones begin in `new_state`.

    Raises FileFaultyError with every fault of every record; nothing has changed then.
    """
    async with connection.transaction():
        plan = await plan_publication(connection, records, now, zone, keep_states=keep_states)
        if plan.faults:
            raise FileFaultyError(plan.faults)
        return await write_publication(
            connection, plan, actor=actor, now=now, reason=reason, keep_states=keep_states, new_state=new_state
        )


async def write_publication(
    connection: AsyncConnection[Any],
    plan: Plan,
    *,
    actor: str,
    now: datetime,
    reason: str,
    keep_states: bool = False,
    new_state: str = LIVE,
) -> ImportResult:
    """Write a plan without faults. Raises FileFaultyError when members have taken more meanwhile than a new stock, and
    TermsAnnouncedError for what a draw was announced with.
    """
    created = [item for item in plan.items if item.known is None]
    changed = [item for item in plan.items if item.needs_writing(keep_states=keep_states)]
    ids = await reserve_ids(connection, "item", len(created))
    new = list(zip(ids, created, strict=True))
    _lead_variants(plan, {item.row.sku: item_id for item_id, item in new})
    await _insert(
        connection,
        "item",
        [_NewItem(**_columns(item), id=i, state=new_state, created_at=now, changed_at=now) for i, item in new],
    )
    await _insert(connection, "item_stock", [_StockRow(i, item.total) for i, item in new])
    try:
        await _update_items(connection, changed, now, keep_states=keep_states)
        await _update_stocks(connection, [item for item in changed if item.known and item.known.total != item.total])
    except RestrictViolation as refusal:
        raise TermsAnnouncedError from refusal
    old = [(item.known.id, item) for item in changed if item.known]
    await _replace_stores(
        connection, new + [(i, item) for i, item in old if item.known and item.known.stores != item.stores]
    )
    states = [_StateChangeRow(i, None, new_state, reason, actor, now) for i, _ in new]
    states += [
        _StateChangeRow(i, item.known.state, LIVE, reason, actor, now)
        for i, item in old
        if item.known and item.known.state != LIVE and not keep_states
    ]
    await _insert(connection, "item_state_change", states)
    await note_versions(connection, [i for i, _ in [*new, *old]], actor=actor, now=now, reason=reason)
    await announce_items(connection, [i for i, _ in [*new, *old]])
    awaiting = [
        item.row.sku for item in plan.items if item.row.kind == "code" and (item.total or 0) < (item.record.stock or 1)
    ]
    return ImportResult(len(created), len(changed), len(plan.items) - len(created) - len(changed), awaiting)


def _lead_variants(plan: Plan, new_ids: dict[str, int]) -> None:
    """Variants of items that are new themselves learn their ids."""
    for item in plan.items:
        if item.lead is not None:
            item.row.variant_of = new_ids[item.lead]


def _columns(item: PlannedItem) -> dict[str, Any]:
    return msgspec.structs.asdict(item.row)


async def _insert(connection: AsyncConnection[Any], table: str, rows: Sequence[Struct]) -> None:
    if rows:
        await connection.execute(insert_of(table, type(rows[0])), (encode_rows(rows),))


async def _update_items(
    connection: AsyncConnection[Any], changed: list[PlannedItem], now: datetime, *, keep_states: bool
) -> None:
    if not changed:
        return
    rows = [_ChangedItem(**_columns(item), id=item.known.id, changed_at=now) for item in changed if item.known]
    assignments = ", ".join(f"{name} = r.{name}" for name in (*ItemRow.__struct_fields__, "changed_at"))
    if not keep_states:
        assignments += f", state = '{LIVE}'"
    await connection.execute(
        f"UPDATE item SET {assignments} FROM {record_of(_ChangedItem)} WHERE item.id = r.id",
        (encode_rows(rows),),
    )


async def _update_stocks(connection: AsyncConnection[Any], changed: list[PlannedItem]) -> None:
    """Lock, in id order as everywhere, and look again: members may have taken units since the plan was made."""
    by_id = {item.known.id: item for item in changed if item.known}
    found = await connection.execute(
        "SELECT item_id, taken FROM item_stock WHERE item_id = ANY(%s) ORDER BY item_id FOR UPDATE", (list(by_id),)
    )
    faults = []
    for item_id, taken in await found.fetchall():
        total = by_id[item_id].total
        if total is not None and total < taken:
            message = Message(N_("%(taken)s units are taken already; the stock cannot be less."), {"taken": taken})
            faults.append(RowFault(by_id[item_id].record.row, "stock", message))
    if faults:
        raise FileFaultyError(faults)
    await connection.execute(
        f"UPDATE item_stock SET total = r.total FROM {record_of(_StockRow)} WHERE item_stock.item_id = r.item_id",
        (encode_rows([_StockRow(item_id, item.total) for item_id, item in by_id.items()]),),
    )


async def _replace_stores(connection: AsyncConnection[Any], items: list[tuple[int, PlannedItem]]) -> None:
    await connection.execute("DELETE FROM item_store WHERE item_id = ANY(%s)", ([item_id for item_id, _ in items],))
    await _insert(
        connection, "item_store", [_StoreRow(item_id, store) for item_id, item in items for store in item.stores]
    )


_NOTE_VERSIONS = """
    INSERT INTO item_version (item_id, number, facts, reason, actor, at)
    SELECT i.id, coalesce((SELECT max(number) FROM item_version v WHERE v.item_id = i.id), 0) + 1,
        to_jsonb(i) - ARRAY['id', 'state', 'created_at', 'changed_at'] || jsonb_build_object('total', s.total, 'stores',
            coalesce((SELECT jsonb_agg(store_id ORDER BY store_id) FROM item_store WHERE item_id = i.id), '[]')),
        %(reason)s, %(actor)s, %(now)s
    FROM item i JOIN item_stock s ON s.item_id = i.id WHERE i.id = ANY(%(items)s)"""


async def note_versions(
    connection: AsyncConnection[Any], item_ids: list[int], *, actor: str, now: datetime, reason: str
) -> None:
    """Note what items say now, after a change in the same transaction, by whoever holds the lock of the catalog's writers."""
    await connection.execute(_NOTE_VERSIONS, {"items": item_ids, "reason": reason, "actor": actor, "now": now})
