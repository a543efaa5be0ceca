"""Files of tracking numbers: kept in storage, held against the orders as often as they are looked at, carried out on a yes."""

from datetime import datetime
from typing import Any

from msgspec import Struct, structs
from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from liyu.catalog.errors import RowFault
from liyu.catalog.models import POSTED_KINDS
from liyu.catalog.uploads import UploadDecidedError
from liyu.core.database import fetch_all, fetch_one
from liyu.core.errors import DomainError, InvalidInputError, NotFoundError
from liyu.core.i18n import N_, Message
from liyu.core.storage import Storage
from liyu.redemption.shipping.carriers import find_carrier
from liyu.redemption.shipping.errors import NotShippableError, TooManyUnitsError
from liyu.redemption.shipping.parcels import SHIPPABLE, Shippable, Waybill, check_waybill, lock_orders, send_locked
from liyu.redemption.shipping.sheet import SheetRow, read_sheet

PAGE_SIZE = 20


class ShippingFile(Struct, frozen=True):
    """A file and what became of it."""

    id: int
    partner_id: int | None
    file_name: str
    storage_name: str
    state: str
    made_by: str
    made_at: datetime
    result: dict[str, Any] | None


class PlannedParcel(Struct, frozen=True):
    """A row that can be carried out."""

    row: int
    order: Shippable
    waybill: Waybill
    quantity: int


class Plan(Struct):
    """What a file would do now: parcels to be sent, and rows that are at fault."""

    rows: list[SheetRow]
    parcels: list[PlannedParcel]
    faults: list[RowFault]


_UPLOAD = "SELECT id, partner_id, file_name, storage_name, state, made_by, made_at, result FROM shipping_upload"
_OWN = "(%(partner)s::bigint IS NULL OR partner_id = %(partner)s)"


async def take_in(
    connection: AsyncConnection[Any],
    partner_id: int | None,
    file_name: str,
    storage_name: str,
    *,
    actor: str,
    now: datetime,
) -> int:
    """Note an uploaded file; returns its id."""
    found = await connection.execute(
        "INSERT INTO shipping_upload (partner_id, file_name, storage_name, state, made_by, made_at) "
        "VALUES (%s, %s, %s, 'ready', %s, %s) RETURNING id",
        (partner_id, file_name, storage_name, actor, now),
    )
    return int((await found.fetchone() or (0,))[0])


async def list_files(connection: AsyncConnection[Any], partner_id: int | None) -> list[ShippingFile]:
    """The latest files, the newest first; with `partner_id`, only that partner's."""
    return await fetch_all(
        connection,
        ShippingFile,
        f"{_UPLOAD} WHERE {_OWN} ORDER BY id DESC LIMIT %(most)s",
        {"partner": partner_id, "most": PAGE_SIZE},
    )


async def load_file(connection: AsyncConnection[Any], partner_id: int | None, upload_id: int) -> ShippingFile:
    """One file. Raises NotFoundError, also when it is another partner's."""
    found = await fetch_one(
        connection, ShippingFile, f"{_UPLOAD} WHERE id = %(id)s AND {_OWN}", {"id": upload_id, "partner": partner_id}
    )
    if found is None:
        raise NotFoundError
    return found


async def dry_run(connection: AsyncConnection[Any], storage: Storage, upload: ShippingFile) -> Plan:
    """What the file would do now; nothing is written."""
    rows, faults = read_sheet(await storage.get(upload.storage_name))
    async with connection.transaction(force_rollback=True):
        orders = await lock_orders(connection, sorted({row.number for row in rows}), upload.partner_id)
    return _plan(rows, faults, orders)


async def apply_file(
    connection: AsyncConnection[Any],
    storage: Storage,
    partner_id: int | None,
    upload_id: int,
    *,
    actor: str,
    now: datetime,
) -> Plan:
    """Send what the rows without fault say, in the caller's transaction; the others stay for a mended file.

    Raises NotFoundError or UploadDecidedError.
    """
    upload = await load_file(connection, partner_id, upload_id)
    rows, faults = read_sheet(await storage.get(upload.storage_name))
    await _decide(connection, upload_id, "applied")
    orders = await lock_orders(connection, sorted({row.number for row in rows}), upload.partner_id)
    # Planning counts the units of each order down; sending counts them down again, from what is in the database.
    plan = _plan(rows, faults, {number: structs.replace(order) for number, order in orders.items()})
    for parcel in list(plan.parcels):
        try:
            await send_locked(connection, orders[parcel.order.number], parcel.waybill, actor=actor, now=now)
        except DomainError as refusal:
            plan.parcels.remove(parcel)
            plan.faults.append(RowFault(parcel.row, "tracking_number", refusal.text))
    result = {"parcels": len(plan.parcels), "faults": len({fault.row for fault in plan.faults})}
    await connection.execute("UPDATE shipping_upload SET result = %s WHERE id = %s", (Jsonb(result), upload_id))
    return plan


async def discard_file(connection: AsyncConnection[Any], partner_id: int | None, upload_id: int) -> None:
    """Say no. Raises NotFoundError or UploadDecidedError."""
    await load_file(connection, partner_id, upload_id)
    await _decide(connection, upload_id, "discarded")


async def _decide(connection: AsyncConnection[Any], upload_id: int, wanted: str) -> None:
    changed = await connection.execute(
        "UPDATE shipping_upload SET state = %s WHERE id = %s AND state = 'ready'", (wanted, upload_id)
    )
    if changed.rowcount == 0:
        raise UploadDecidedError


def _plan(rows: list[SheetRow], faults: list[RowFault], orders: dict[str, Shippable]) -> Plan:
    plan, seen = Plan(rows, [], list(faults)), set[tuple[str, str, str]]()
    for row in rows:
        order = orders.get(row.number)
        waybill, found = _read_waybill(row)
        found += _faults_of_order(row, order)
        if found or order is None or waybill is None:
            plan.faults += found
            continue
        place, quantity = (row.number, waybill.carrier, waybill.tracking_number), waybill.quantity or order.left
        if place in seen:
            plan.faults.append(_fault(row, "tracking_number", N_("The same parcel stands in the file twice.")))
        elif not 0 < quantity <= order.left:
            plan.faults.append(_fault(row, "quantity", TooManyUnitsError.message, left=order.left))
        else:
            seen.add(place)
            plan.parcels.append(PlannedParcel(row.row, order, waybill, quantity))
            order.sent += quantity
    return plan


def _read_waybill(row: SheetRow) -> tuple[Waybill | None, list[RowFault]]:
    if row.quantity and not (row.quantity.isascii() and row.quantity.isdigit()):
        return None, [_fault(row, "quantity", N_("Must be a whole number in digits."))]
    carrier, quantity = find_carrier(row.carrier), int(row.quantity) if row.quantity else None
    try:
        return check_waybill(Waybill(carrier.code if carrier else "", row.tracking_number, quantity)), []
    except InvalidInputError as refusal:
        return None, [RowFault(row.row, str(one.details["field"]), one.message) for one in refusal.reasons]


def _faults_of_order(row: SheetRow, order: Shippable | None) -> list[RowFault]:
    if order is None:
        return [_fault(row, "number", N_("There is no such order."))]
    if order.kind not in POSTED_KINDS or order.state not in SHIPPABLE:
        return [_fault(row, "number", NotShippableError.message)]
    return []


def _fault(row: SheetRow, column: str, text: str, **values: object) -> RowFault:
    return RowFault(row.row, column, Message(text, values))
