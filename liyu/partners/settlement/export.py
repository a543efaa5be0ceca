"""The entries of a statement as a file: CSV and XLSX for people, signed JSON for programs."""

import asyncio
import csv
import hashlib
import hmac
import io
from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import xlsxwriter
from psycopg import AsyncConnection
from psycopg.rows import class_row

from liyu.core.i18n import N_, Say
from liyu.partners.scope import PartnerScope, partner_filter
from liyu.partners.settlement.queries import ENTRIES, EntryView, StatementPage, statement_page

HEADINGS = (
    N_("Time"),
    N_("Event"),
    N_("Reference"),
    N_("Agreement"),
    N_("Version"),
    N_("Title"),
    N_("Quantity"),
    N_("Free"),
    N_("Amount"),
    N_("Currency"),
)
KINDS = {"use": N_("Use"), "undo": N_("Undone use")}
YES = N_("Yes")

ROWS_AT_ONCE = 1_000
ROWS_PER_SHEET = 1_000_000
"""A sheet holds 1,048,576 rows; a longer list goes on in the next one."""


_encoder = msgspec.json.Encoder(order="deterministic")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_KEY_PURPOSE = b"liyu statement export 1"


async def iterate_entries(
    partner: PartnerScope, connection: AsyncConnection[Any], statement_id: int
) -> AsyncIterator[EntryView]:
    """All entries of a statement, one by one from a cursor on the server: memory does not grow with their number."""
    values = {
        "id": statement_id, "partner": partner_filter(partner), "line": None, "after_at": None, "after_id": None,
    }  # fmt: skip
    async with connection.cursor("statement_entries", row_factory=class_row(EntryView)) as cursor:
        cursor.itersize = ROWS_AT_ONCE
        await cursor.execute(ENTRIES, values)
        async for entry in cursor:
            yield entry


async def export_csv(
    partner: PartnerScope,
    connection: AsyncConnection[Any],
    statement_id: int,
    *,
    zone: ZoneInfo,
    language: str,
    translate: Say = str,
) -> AsyncIterator[bytes]:
    """The entries as CSV in UTF-8 (with the mark that spreadsheets look for), piece by piece; times in `zone`.

    Raises UnknownStatementError, also for another partner's statement, before the first piece.
    """
    page = await statement_page(partner, connection, statement_id)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    buffer.write("\ufeff")
    writer.writerow([translate(heading) for heading in HEADINGS])
    rows = 0
    async for entry in iterate_entries(partner, connection, statement_id):
        cells = _cells(entry, page.head.currency, zone, language, translate)
        writer.writerow([_money(cell) if place == _AMOUNT else _harmless(cell) for place, cell in enumerate(cells)])
        rows += 1
        if rows % ROWS_AT_ONCE == 0:
            yield _drain(buffer)
    yield _drain(buffer)


async def export_xlsx(
    partner: PartnerScope,
    connection: AsyncConnection[Any],
    statement_id: int,
    path: Path,
    *,
    zone: ZoneInfo,
    language: str,
    translate: Say = str,
) -> None:
    """Write the entries into a workbook at `path`, row by row in constant memory; times in `zone`.

    Raises UnknownStatementError, also for another partner's statement.
    """
    page = await statement_page(partner, connection, statement_id)
    book = xlsxwriter.Workbook(str(path), {"constant_memory": True, "strings_to_formulas": False})
    bold, money = book.add_format({"bold": True}), book.add_format({"num_format": "0.00"})
    sheet, row = None, ROWS_PER_SHEET
    async for cells in _all_cells(partner, connection, page, zone, language, translate):
        if sheet is None or row >= ROWS_PER_SHEET:
            sheet, row = _new_sheet(book, translate, bold), 0
        row += 1
        for place, cell in enumerate(cells):
            if place == _AMOUNT:
                sheet.write_number(row, place, Decimal(cell).scaleb(-2), money)
            elif isinstance(cell, int):
                sheet.write_number(row, place, cell)
            else:
                sheet.write_string(row, place, cell)
    if sheet is None:
        _new_sheet(book, translate, bold)
    await asyncio.to_thread(book.close)


async def export_json(
    partner: PartnerScope, connection: AsyncConnection[Any], statement_id: int, *, secret_key: str
) -> bytes:
    """The statement with its lines and entries as canonical JSON (keys in order, no spaces, UTF-8), signed.

    `signature` is the HMAC-SHA256 of the canonical JSON of everything else. Raises UnknownStatementError.
    """
    page = await statement_page(partner, connection, statement_id)
    head = page.head
    document: dict[str, Any] = {
        "statement": {
            "number": head.number,
            "partner": head.partner_code,
            "period": head.period,
            "currency": head.currency,
            "state": head.state,
            "payable_minor": head.payable_minor,
            "receivable_minor": head.receivable_minor,
            "net_minor": head.net_minor,
            "digest": head.digest,
        },
        "lines": [msgspec.to_builtins(line) for line in page.lines],
        "entries": [msgspec.to_builtins(entry) async for entry in iterate_entries(partner, connection, statement_id)],
    }
    return _encoder.encode({**document, "signature": sign(document, secret_key)})


def sign(document: dict[str, Any], secret_key: str) -> str:
    """HMAC-SHA256 over the canonical JSON of a document, in hexadecimal, with a key made from the secret for this alone."""
    key = hmac.digest(secret_key.encode(), _KEY_PURPOSE, "sha256")
    return hmac.new(key, _encoder.encode(document), hashlib.sha256).hexdigest()


def verify_signature(exported: bytes, secret_key: str) -> bool:
    """Whether an exported JSON document is what was signed."""
    try:
        document = msgspec.json.decode(exported)
    except msgspec.DecodeError:
        return False
    if not isinstance(document, dict):
        return False
    signature = document.pop("signature", "")
    return isinstance(signature, str) and hmac.compare_digest(signature.encode(), sign(document, secret_key).encode())


_AMOUNT = HEADINGS.index("Amount")


async def _all_cells(
    partner: PartnerScope,
    connection: AsyncConnection[Any],
    page: StatementPage,
    zone: ZoneInfo,
    language: str,
    translate: Say,
) -> AsyncIterator[list[str | int]]:
    async for entry in iterate_entries(partner, connection, page.head.id):
        yield _cells(entry, page.head.currency, zone, language, translate)


def _cells(entry: EntryView, currency: str, zone: ZoneInfo, language: str, translate: Say) -> list[str | int]:
    return [
        _local(entry.at, zone),
        translate(KINDS[entry.kind]),
        entry.source,
        entry.code,
        entry.version,
        entry.title_zh if language.startswith("zh") else entry.title_en or entry.title_zh,
        entry.quantity,
        translate(YES) if entry.free else "",
        entry.amount_minor,
        currency,
    ]


def _local(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def _money(amount_minor: str | int) -> str:
    amount = int(amount_minor)
    return f"{'-' if amount < 0 else ''}{abs(amount) // 100}.{abs(amount) % 100:02d}"


def _harmless(cell: str | int) -> str | int:
    """A text that a spreadsheet would take for a formula gets an apostrophe in front."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS) else cell


def _new_sheet(book: Any, translate: Say, bold: Any) -> Any:
    sheet = book.add_worksheet()
    sheet.freeze_panes(1, 0)
    sheet.set_column(0, 5, 22)
    for place, heading in enumerate(HEADINGS):
        sheet.write_string(0, place, translate(heading), bold)
    return sheet


def _drain(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode()
