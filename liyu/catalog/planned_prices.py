"""Prices from an instant on: planned by operators, published by the worker as any other change, so that they are versions, too."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from liyu.catalog.errors import FileFaultyError, ItemNotFoundError
from liyu.catalog.plan import ONE_WRITER_AT_A_TIME, plan_publication
from liyu.catalog.publish import publish_items
from liyu.catalog.records import ItemRecord
from liyu.core.database import fetch_all
from liyu.core.errors import DomainError, InvalidInputError, NotFoundError
from liyu.core.i18n import N_, Message

MOST_SHOWN = 50


class PriceDecidedError(DomainError):
    """The price was published or withdrawn already."""

    code = "price_decided"
    message = N_("This price has been published or withdrawn already.")


class PriceDraft(Struct, frozen=True, kw_only=True):
    """What an item is to cost, in points and minor units, from an instant on."""

    points: int
    cash_minor: int = 0
    tier_prices: dict[str, int] | None = None
    """Points by the code of the tier."""
    begins_at: datetime
    reason: str


class PriceLine(PriceDraft, frozen=True, kw_only=True):
    """A planned price and what became of it."""

    id: int
    planned_by: str
    planned_at: datetime
    state: str
    """`planned`, `published`, `refused` or `withdrawn`."""
    decided_at: datetime | None
    fault: dict[str, Any] | None

    @property
    def fault_message(self) -> Message | None:
        """Why it could not be published."""
        return _recall(self.fault) if self.fault else None


_LINE = """
    SELECT id, points, cash_minor, tier_prices, begins_at, reason, planned_by, planned_at, state, decided_at, fault
    FROM planned_price"""
_PLAN = """
    INSERT INTO planned_price (item_id, points, cash_minor, tier_prices, begins_at, reason, planned_by, planned_at, state)
    VALUES (%(item)s, %(points)s, %(cash_minor)s, %(tier_prices)s, %(begins_at)s, %(reason)s, %(actor)s, %(now)s, 'planned')
    ON CONFLICT (item_id, begins_at) WHERE state = 'planned' DO NOTHING RETURNING id"""
_WITHDRAW = "UPDATE planned_price SET state = 'withdrawn', decided_at = %s WHERE id = %s AND state = 'planned'"
_NEXT_DUE = """
    SELECT p.id, i.sku, p.points, p.cash_minor, p.tier_prices, p.planned_by
    FROM planned_price p JOIN item i ON i.id = p.item_id
    WHERE p.state = 'planned' AND p.begins_at <= %s ORDER BY p.begins_at, p.id LIMIT 1 FOR UPDATE OF p"""
_DECIDE = "UPDATE planned_price SET state = %(state)s, decided_at = %(now)s, fault = %(fault)s WHERE id = %(id)s"


async def list_planned_prices(connection: AsyncConnection[Any], item_id: int) -> list[PriceLine]:
    """The prices that were planned for an item: those to come first, the next one in front, then the latest."""
    return await fetch_all(
        connection,
        PriceLine,
        f"{_LINE} WHERE item_id = %s ORDER BY state <> 'planned', CASE WHEN state = 'planned' THEN begins_at END, "
        "decided_at DESC, id DESC LIMIT %s",
        (item_id, MOST_SHOWN),
    )


async def plan_price(
    connection: AsyncConnection[Any], sku: str, draft: PriceDraft, *, actor: str, now: datetime, zone: ZoneInfo
) -> int:
    """Plan a price; returns its id. It is held against the item as it is now, so that faults are told before its hour.

    Raises ItemNotFoundError, or InvalidInputError that names every fault.
    """
    found = await (await connection.execute("SELECT id FROM item WHERE sku = %s", (sku,))).fetchone()
    if found is None:
        raise ItemNotFoundError
    faults: dict[str, Message] = {}
    if draft.begins_at <= now:
        faults["begins_at"] = Message(N_("Must lie ahead. What is to hold at once is a change of the item."))
    async with connection.transaction(force_rollback=True):
        plan = await plan_publication(connection, [_record_of(sku, draft)], now, zone, keep_states=True)
    faults |= {fault.column: fault.message for fault in plan.faults}
    if faults:
        raise InvalidInputError.of_fields(faults)
    values = {name: getattr(draft, name) for name in PriceDraft.__struct_fields__}
    values |= {"item": found[0], "tier_prices": Jsonb(draft.tier_prices) if draft.tier_prices else None}
    planned = await (await connection.execute(_PLAN, values | {"actor": actor, "now": now})).fetchone()
    if planned is None:
        raise InvalidInputError.of_fields({"begins_at": Message(N_("Another price is planned for this instant."))})
    return int(planned[0])


async def withdraw_price(connection: AsyncConnection[Any], item_id: int, price_id: int, *, now: datetime) -> None:
    """Take back a price before its hour. Raises NotFoundError or PriceDecidedError."""
    known = await connection.execute("SELECT FROM planned_price WHERE id = %s AND item_id = %s", (price_id, item_id))
    if known.rowcount == 0:
        raise NotFoundError
    if (await connection.execute(_WITHDRAW, (now, price_id))).rowcount == 0:
        raise PriceDecidedError


async def publish_due_prices(connection: AsyncConnection[Any], *, now: datetime, zone: ZoneInfo) -> int:
    """Publish the prices whose hour has come, each in a transaction of its own; returns how many were decided.

    One that cannot be published any more, such as that of an item that has ended, is refused and says why. The connection must
    be in no transaction.
    """
    decided = 0
    while await _publish_next(connection, now, zone):
        decided += 1
    return decided


async def _publish_next(connection: AsyncConnection[Any], now: datetime, zone: ZoneInfo) -> bool:
    async with connection.transaction():
        # Writers of the catalog queue up before any row is locked (docs/algorithms/items.md).
        await connection.execute(ONE_WRITER_AT_A_TIME)
        due = await (await connection.execute(_NEXT_DUE, (now,))).fetchone()
        if due is None:
            return False
        price_id, sku, points, cash_minor, tier_prices, actor = due
        record = ItemRecord(sku=sku, points=points, cash_minor=cash_minor, tier_prices=tier_prices)
        fault = None
        try:
            await publish_items(
                connection, [record], actor=actor, now=now, zone=zone, reason="planned_price", keep_states=True
            )
        except FileFaultyError as refusal:
            fault = Jsonb(_keep(refusal.faults[0].message))
        state = "refused" if fault else "published"
        await connection.execute(_DECIDE, {"id": price_id, "state": state, "now": now, "fault": fault})
    return True


def _keep(message: Message) -> dict[str, Any]:
    """A message as JSON; messages may have messages as values."""
    values = {name: _keep(value) if isinstance(value, Message) else value for name, value in message.values.items()}
    return {"text": message.text, "values": values}


def _recall(kept: dict[str, Any]) -> Message:
    values = {name: _recall(value) if isinstance(value, dict) else value for name, value in kept["values"].items()}
    return Message(kept["text"], values)


def _record_of(sku: str, draft: PriceDraft) -> ItemRecord:
    return ItemRecord(sku=sku, points=draft.points, cash_minor=draft.cash_minor, tier_prices=draft.tier_prices)
