"""Publishing items, from files and from the demo: plan against what is there, then write the difference set by set."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET, Struct, field
from psycopg import AsyncConnection

from liyu.catalog.errors import FileFaultyError, RowFault
from liyu.catalog.models import SCENES, VOUCHER_KINDS
from liyu.catalog.names import name_kind, name_state
from liyu.catalog.notify import announce_items
from liyu.catalog.records import PLAIN_FIELDS, ImportResult, ItemRecord, ItemRow
from liyu.catalog.references import References, load_references
from liyu.catalog.states import may_become
from liyu.core.bulk import encode_rows, insert_of, record_of
from liyu.core.clock import local_date
from liyu.core.i18n import N_, Message
from liyu.core.ledger.posting import reserve_ids

LIVE = "live"
SHOWN_CODES = 20
_ONE_WRITER_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtext('liyu:catalog'))"


class KnownItem(Struct):
    """An item as it stands in the database."""

    id: int
    state: str
    row: ItemRow
    total: int | None
    taken: int
    stores: list[int]


class PlannedItem(Struct):
    """What one record comes to; `known` is None for a new item."""

    record: ItemRecord
    known: KnownItem | None
    row: ItemRow
    total: int | None
    stores: list[int]

    @property
    def is_changed(self) -> bool:
        """Whether a known item needs any write."""
        known = self.known
        return known is not None and (known.state, known.row, known.total, known.stores) != (
            LIVE, self.row, self.total, self.stores,
        )  # fmt: skip


class Plan(Struct):
    """What publishing would do, or why it cannot."""

    items: list[PlannedItem] = field(default_factory=list)
    faults: list[RowFault] = field(default_factory=list)


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
) -> ImportResult:
    """Publish items at once; with `keep_states` those that are there stay in the state they have.

    Raises FileFaultyError with every fault of every record; nothing has changed then.
    """
    async with connection.transaction():
        plan = await plan_publication(connection, records, now, zone)
        if plan.faults:
            raise FileFaultyError(plan.faults)
        return await write_publication(connection, plan, actor=actor, now=now, reason=reason, keep_states=keep_states)


async def plan_publication(
    connection: AsyncConnection[Any], records: list[ItemRecord], now: datetime, zone: ZoneInfo
) -> Plan:
    """Hold the records against the database: what each comes to, and every fault. Writers wait for each other."""
    await connection.execute(_ONE_WRITER_AT_A_TIME)
    store_codes = [code for record in records for code in (record.stores or [])]
    references = await load_references(connection, store_codes, local_date(now, zone))
    known = await _load_known(connection, [record.sku for record in records])
    found = await connection.execute("SELECT coalesce(max(position), 0) FROM item")
    last_position = (await found.fetchone() or (0,))[0]
    plan = Plan()
    for record in records:
        planner = _Planner(references, record, known.get(record.sku), last_position + 1)
        planned = planner.plan()
        plan.faults += planner.faults
        if planned is not None:
            plan.items.append(planned)
            last_position += planned.known is None
    return plan


class _Planner:
    """Plans one record; notes every fault it finds on the way."""

    def __init__(self, references: References, record: ItemRecord, known: KnownItem | None, next_position: int) -> None:
        self.references = references
        self.record = record
        self.known = known
        self.next_position = next_position
        self.faults: list[RowFault] = []

    def plan(self) -> PlannedItem | None:
        values: dict[str, Any] = {"position": self.next_position}
        if self.known:
            values |= msgspec.structs.asdict(self.known.row)
        given = {name: getattr(self.record, name) for name in PLAIN_FIELDS}
        values |= {name: value for name, value in given.items() if value is not UNSET}
        self._check_identity()
        values["tier_id"] = self._tier(values.get("tier_id"))
        self._apply_partner(values)
        self._check_window(values)
        stores, total = self._stores(values.get("partner_id")), self._total(values)
        if self.faults or not {"kind", "name_zh", "points"} <= values.keys():
            return None
        values.setdefault("scene", self._default_scene(values["kind"]))
        return PlannedItem(self.record, self.known, ItemRow(**values), total, stores)

    def _note(self, column: str, text: str, **values: Any) -> None:
        self.faults.append(RowFault(self.record.row, column, Message(text, values)))

    def _check_identity(self) -> None:
        if self.known is None:
            return
        if self.record.kind not in (UNSET, self.known.row.kind):
            self._note(
                "kind",
                N_("The item has the kind “%(kind)s”, and a kind never changes."),
                kind=name_kind(self.known.row.kind),
            )
        if self.known.state != LIVE and not may_become(self.known.state, LIVE):
            self._note(
                "sku", N_("The item is “%(state)s”; a file cannot put it on sale."), state=name_state(self.known.state)
            )

    def _tier(self, before: int | None) -> int | None:
        code = self.record.tier
        if code is UNSET or code is None:
            return before if code is UNSET else None
        tier_id = self.references.tiers.get(code.lower())
        if tier_id is None:
            self._note("tier", N_("Unknown tier; known are %(known)s."), known=", ".join(self.references.tier_codes))
        return tier_id

    def _apply_partner(self, values: dict[str, Any]) -> None:
        code, before = self.record.partner, values.get("partner_id")
        if code is not UNSET:
            values["partner_id"] = self._partner(code)
        if values.get("partner_id") != before:
            values["agreement_line_id"] = None
        values["agreement_line_id"] = self._line(values)

    def _partner(self, code: str | None) -> int | None:
        if code is None:
            return None
        found = self.references.partners.get(code)
        if found is None and self.references.partners:
            self._note(
                "partner", N_("Unknown partner; known are %(known)s."), known=_some(list(self.references.partners))
            )
        elif found is None:
            self._note(
                "partner", N_("There are no partners yet. Make them in the console, or with `liyu partners import`.")
            )
        return found.id if found else None

    def _line(self, values: dict[str, Any]) -> int | None:
        lines = self.references.lines.get(values.get("partner_id") or 0, {})
        code, before = self.record.agreement_line, values.get("agreement_line_id")
        if code is None:
            return None
        if code is not UNSET:
            if code not in lines:
                self._note(
                    "agreement_line",
                    N_("Unknown agreement line; the partner has %(known)s."),
                    known=_some(list(lines)) or "–",
                )
            return lines.get(code)
        # One line only: no choice, so nothing is guessed.
        only = next(iter(lines.values())) if len(lines) == 1 and values.get("kind") in VOUCHER_KINDS else None
        return before if before is not None else only

    def _stores(self, partner_id: int | None) -> list[int]:
        if self.record.stores is UNSET:
            same_partner = self.known is not None and self.known.row.partner_id == partner_id
            return self.known.stores if self.known and same_partner else []
        stores = []
        for code in self.record.stores or []:
            store_id, owner = self.references.stores.get(code, (0, None))
            if owner is None or owner != partner_id:
                self._note("stores", N_("The partner has no store %(code)s."), code=code)
            stores.append(store_id)
        return sorted(stores)

    def _check_window(self, values: dict[str, Any]) -> None:
        opens, closes = values.get("on_sale_from"), values.get("on_sale_to")
        if opens and closes and opens >= closes:
            column = "on_sale_to" if self.record.on_sale_to is not UNSET else "on_sale_from"
            self._note(column, N_("The sale must begin before it ends."))

    def _total(self, values: dict[str, Any]) -> int | None:
        before = self.known.total if self.known else None
        if values.get("kind") == "code":
            return before or 0
        total = before if self.record.stock is UNSET else self.record.stock
        if self.known and total is not None and total < self.known.taken:
            self._note(
                "stock", N_("%(taken)s units are taken already; the stock cannot be less."), taken=self.known.taken
            )
        return total

    def _default_scene(self, kind: str) -> str:
        partner = self.record.partner
        category = self.references.partners[partner].category if isinstance(partner, str) else ""
        if category in SCENES:
            return category
        return "charity" if kind == "donation" else "shopping"


async def write_publication(
    connection: AsyncConnection[Any],
    plan: Plan,
    *,
    actor: str,
    now: datetime,
    reason: str,
    keep_states: bool = False,
) -> ImportResult:
    """Write a plan without faults. Raises FileFaultyError when members have taken more meanwhile than a new stock."""
    created = [item for item in plan.items if item.known is None]
    changed = [item for item in plan.items if item.is_changed]
    ids = await reserve_ids(connection, "item", len(created))
    new = list(zip(ids, created, strict=True))
    await _insert(
        connection,
        "item",
        [_NewItem(**_columns(item), id=i, state=LIVE, created_at=now, changed_at=now) for i, item in new],
    )
    await _insert(connection, "item_stock", [_StockRow(i, item.total) for i, item in new])
    await _update_items(connection, changed, now, keep_states=keep_states)
    await _update_stocks(connection, [item for item in changed if item.known and item.known.total != item.total])
    old = [(item.known.id, item) for item in changed if item.known]
    await _replace_stores(
        connection, new + [(i, item) for i, item in old if item.known and item.known.stores != item.stores]
    )
    states = [_StateChangeRow(i, None, LIVE, reason, actor, now) for i, _ in new]
    states += [
        _StateChangeRow(i, item.known.state, LIVE, reason, actor, now)
        for i, item in old
        if item.known and item.known.state != LIVE and not keep_states
    ]
    await _insert(connection, "item_state_change", states)
    await announce_items(connection, [i for i, _ in [*new, *old]])
    awaiting = [
        item.row.sku for item in plan.items if item.row.kind == "code" and (item.total or 0) < (item.record.stock or 1)
    ]
    return ImportResult(len(created), len(changed), len(plan.items) - len(created) - len(changed), awaiting)


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


async def _load_known(connection: AsyncConnection[Any], skus: list[str]) -> dict[str, KnownItem]:
    columns = ItemRow.__struct_fields__
    found = await connection.execute(
        "SELECT i.id, i.state, s.total, s.taken, "
        "array(SELECT store_id FROM item_store WHERE item_id = i.id ORDER BY store_id), "
        f"{', '.join(f'i.{name}' for name in columns)} "
        "FROM item i JOIN item_stock s ON s.item_id = i.id WHERE i.sku = ANY(%s)",
        (skus,),
    )
    known = {}
    for item_id, state, total, taken, stores, *values in await found.fetchall():
        row = ItemRow(**dict(zip(columns, values, strict=True)))
        known[row.sku] = KnownItem(item_id, state, row, total, taken, stores)
    return known


def _some(codes: list[str]) -> str:
    shown = ", ".join(sorted(codes)[:SHOWN_CODES])
    return shown if len(codes) <= SHOWN_CODES else f"{shown}, …"
