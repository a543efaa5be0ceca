"""The file of what is to be sent: written for the warehouse, and read again once tracking numbers stand in it."""

import asyncio
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import xlsxwriter
from msgspec import Struct
from psycopg import AsyncConnection

from liyu.catalog.errors import RowFault
from liyu.core.i18n import N_, Message, Say
from liyu.members.imports.columns import Column, simplify
from liyu.members.imports.errors import FileUnreadableError
from liyu.members.imports.files import open_file
from liyu.redemption.shipping.carriers import CARRIERS
from liyu.redemption.shipping.queries import ToSend, iterate_to_send

NameOf = Callable[[object, str], str]
"""A name in the language of the file: of `name_zh` and `name_en`, asked for as `name`."""

SHEET = N_("To send")
MOST_ROWS = 20_000
HEADER_ROW = 1
_WIDTH = 18

COLUMNS = (
    Column("number", N_("Order number"), "订单号", ("订单编号", "order", "number"), N_("Leave as it is."), "R40739528166490"),
    Column("carrier", N_("Carrier"), "快递公司", ("承运商", "快递"), N_("Name or code."), "SF"),
    Column("tracking_number", N_("Tracking number"), "快递单号", ("运单号", "单号"), N_("As on the waybill."), "SF1234567890123"),
    Column("quantity", N_("Units in the parcel"), "本件数量", ("数量",), N_("Empty: all that are left."), "1"),
)  # fmt: skip
"""What is read."""
REQUIRED = ("number", "carrier", "tracking_number")

_TOLD: tuple[tuple[str, str], ...] = (
    (N_("Item number"), "商品编号"), (N_("Item"), "商品"), (N_("Units to send"), "待发数量"), (N_("Recipient"), "收件人"),
    (N_("Phone"), "电话"), (N_("Region"), "地区"), (N_("Address"), "详细地址"), (N_("Redeemed at"), "兑换时间"),
    (N_("What is wrong"), "问题"),
)  # fmt: skip
"""Columns that are written for people, and passed over when the file comes back."""

_BY_NAME = {
    simplify(name): column.code for column in COLUMNS for name in (column.code, column.heading, column.heading_zh, *column.names)
} | {simplify(name): "" for names in _TOLD for name in names}  # fmt: skip


class SheetRow(Struct, frozen=True):
    """A row with a tracking number in it, as it stands in the file."""

    row: int
    number: str
    carrier: str
    tracking_number: str
    quantity: str


def find_sheet_column(heading: str) -> str | None:
    """The column that a heading means in either language; empty for what is passed over, None when nobody knows it."""
    return _BY_NAME.get(simplify(heading))


def read_sheet(content: bytes) -> tuple[list[SheetRow], list[RowFault]]:
    """The rows in which a tracking number or a carrier stands, and what is wrong with the file as a whole."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        try:
            return _read(Path(file.name))
        except FileUnreadableError as refusal:
            return [], [RowFault(HEADER_ROW, "", reason.message) for reason in refusal.reasons]


def _read(path: Path) -> tuple[list[SheetRow], list[RowFault]]:
    file = open_file(path, find_sheet_column)
    codes = [find_sheet_column(heading) for heading in file.header]
    faults = [
        RowFault(HEADER_ROW, heading, Message(N_("Nobody knows this column.")))
        for heading, code in zip(file.header, codes, strict=True)
        if code is None and heading
    ]
    faults += [
        RowFault(HEADER_ROW, code, Message(N_("The column stands there twice.")))
        for code in REQUIRED
        if codes.count(code) > 1
    ]
    faults += [
        RowFault(HEADER_ROW, code, Message(N_("The column is missing."))) for code in REQUIRED if code not in codes
    ]
    if faults:
        return [], faults
    rows = []
    for number, cells in file.rows:
        said = {code: cell for code, cell in zip(codes, cells, strict=False) if code}
        row = SheetRow(number, **{code: said.get(code, "") for code in SheetRow.__struct_fields__[1:]})
        # Orders that nobody filled in are still in the warehouse.
        if row.carrier or row.tracking_number:
            rows.append(row)
        if len(rows) > MOST_ROWS:
            words = N_("The file has more than %(most)s rows. Split it.")
            return [], [RowFault(HEADER_ROW, "", Message(words, {"most": MOST_ROWS}))]
    return rows, []


async def write_to_send(
    connection: AsyncConnection[Any],
    partner_id: int | None,
    path: Path,
    *,
    translate: Say,
    name_of: NameOf,
    zone: ZoneInfo,
) -> int:
    """Write everything that is to be sent into a workbook whose empty columns are to be filled in; how many orders."""
    book, sheet, text = _open_book(path, translate)
    told = [translate(name) for name, _ in _TOLD[:-1]]
    _write_header(book, sheet, [*(translate(column.heading) for column in COLUMNS), *told])
    line = 0
    async for one in iterate_to_send(connection, partner_id):
        line += 1
        for place, cell in enumerate(_cells_of(one, name_of, zone)):
            sheet.write_string(line, place, cell, text)
    # Whoever fills it in chooses the carrier from a list.
    sheet.data_validation(1, 1, max(line, 1), 1, {"validate": "list", "source": list(CARRIERS)})
    await asyncio.to_thread(book.close)
    return line


def write_faults(rows: list[SheetRow], words: dict[int, str], path: Path, translate: Say) -> None:
    """Write the rows that are at fault, by number, and what is wrong with them, to be mended and sent again."""
    book, sheet, text = _open_book(path, translate)
    _write_header(book, sheet, [*(translate(column.heading) for column in COLUMNS), translate(_TOLD[-1][0])])
    faulty = [row for row in rows if row.row in words]
    for line, row in enumerate(faulty, 1):
        cells = (row.number, row.carrier, row.tracking_number, row.quantity, words[row.row])
        for place, cell in enumerate(cells):
            sheet.write_string(line, place, cell, text)
    book.close()


def _cells_of(one: ToSend, name_of: NameOf, zone: ZoneInfo) -> list[str]:
    return [
        one.number, "", "", "", one.sku, name_of(one, "name"), str(one.left), one.recipient or "", one.phone or "", one.region,
        one.detail or "", _local(one.created_at, zone),
    ]  # fmt: skip


def _local(instant: datetime, zone: ZoneInfo) -> str:
    return instant.astimezone(zone).strftime("%Y-%m-%d %H:%M")


def _open_book(path: Path, translate: Say) -> tuple[Any, Any, Any]:
    """A workbook whose cells are text, so that no digit of a tracking number is lost."""
    book = xlsxwriter.Workbook(str(path), {"strings_to_formulas": False})
    sheet = book.add_worksheet(translate(SHEET))
    return book, sheet, book.add_format({"num_format": "@"})


def _write_header(book: Any, sheet: Any, headings: list[str]) -> None:
    bold = book.add_format({"bold": True, "bottom": 1})
    sheet.freeze_panes(1, 0)
    sheet.set_column(0, len(headings) - 1, _WIDTH, book.add_format({"num_format": "@"}))
    for place, heading in enumerate(headings):
        sheet.write_string(0, place, heading, bold)
