"""Orders as a file: ordered with a filter, written by the worker with its progress told, kept for a day and then gone."""

import asyncio
import csv
import io
import tempfile
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import xlsxwriter
from msgspec import Struct, convert, to_builtins
from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from liyu.core.errors import NotFoundError
from liyu.core.i18n import N_
from liyu.core.ids import make_token
from liyu.core.jobs import defer
from liyu.core.spreadsheets import harmless
from liyu.core.storage import Storage
from liyu.redemption.queries import RedemptionFilter, RedemptionLine, count_redemptions, list_redemptions

KEPT = timedelta(days=1)
"""How long a finished file can be fetched: it is full of personal data."""
CSV, XLSX = FORMATS = ("csv", "xlsx")
ROWS_AT_ONCE = 1_000
JOB = "write_redemption_export"

HEADINGS = (
    N_("Order number"), N_("Redeemed at"), N_("Status"), N_("Kind"), N_("Item number"), N_("Item"), N_("Partner"),
    N_("Member number"), N_("Full name"), N_("Units"), N_("Points"), N_("Cash"),
)  # fmt: skip
_NUMBERS = frozenset({9, 10})

Translate = Callable[[str], str]
Words = Callable[[RedemptionLine], tuple[str, str, str, str]]
"""State, kind, item and partner of an order in the language of the file."""


class Export(Struct, frozen=True):
    """A file on its way; `storage_name` is None until it is finished, and again when its day is over."""

    id: int
    format: str
    wanted: RedemptionFilter
    locale: str
    total: int
    done: int
    storage_name: str | None
    made_by: str
    made_at: datetime
    finished_at: datetime | None


async def order_export(
    connection: AsyncConnection[Any],
    wanted: RedemptionFilter,
    file_format: str,
    *,
    locale: str,
    actor: str,
    now: datetime,
) -> tuple[int, int]:
    """Order a file in the caller's transaction: its id, and how many orders it will have."""
    total = await count_redemptions(connection, wanted)
    found = await connection.execute(
        "INSERT INTO redemption_export (format, wanted, locale, total, done, made_by, made_at) "
        "VALUES (%s, %s, %s, %s, 0, %s, %s) RETURNING id",
        (file_format, Jsonb(to_builtins(wanted)), locale, total, actor, now),
    )
    export_id = int((await found.fetchone() or (0,))[0])
    await defer(connection, JOB, export_id=export_id)
    return export_id, total


async def load_export(connection: AsyncConnection[Any], export_id: int) -> Export:
    """One file. Raises NotFoundError."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute("SELECT * FROM redemption_export WHERE id = %s", (export_id,))
        row = await cursor.fetchone()
    if row is None:
        raise NotFoundError
    return convert(row, Export)


async def write_export(
    connection: AsyncConnection[Any],
    export_id: int,
    *,
    storage: Storage,
    translate: Translate,
    words: Words,
    zone: ZoneInfo,
    now: datetime,
) -> None:
    """Write a file into storage; one that is finished stays as it is, one that was killed begins anew.

    The connection is in autocommit, so that the progress is seen.
    """
    export = await load_export(connection, export_id)
    if export.finished_at is not None:
        return
    rows = _rows(connection, export, words, zone)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"orders.{export.format}"
        write = _write_xlsx if export.format == XLSX else _write_csv
        await write(path, [translate(heading) for heading in HEADINGS], rows)
        name = f"exports/{make_token()}"
        await storage.put(name, await asyncio.to_thread(path.read_bytes), "application/octet-stream")
    written = await connection.execute(
        "UPDATE redemption_export SET done = total, storage_name = %s, finished_at = %s WHERE id = %s AND finished_at IS NULL",
        (name, now, export_id),
    )
    if not written.rowcount:  # Another worker was quicker.
        await storage.delete(name)


async def forget_old_exports(connection: AsyncConnection[Any], storage: Storage, now: datetime) -> int:
    """Delete the files whose day is over; how many. The connection is in autocommit."""
    found = await connection.execute(
        "SELECT id, storage_name FROM redemption_export WHERE storage_name IS NOT NULL AND finished_at < %s ORDER BY id",
        (now - KEPT,),
    )
    over = await found.fetchall()
    for export_id, name in over:
        await storage.delete(name)
        await connection.execute("UPDATE redemption_export SET storage_name = NULL WHERE id = %s", (export_id,))
    return len(over)


async def _rows(
    connection: AsyncConnection[Any], export: Export, words: Words, zone: ZoneInfo
) -> AsyncIterator[list[str]]:
    """Every order as cells, page by page; after each page the progress is told."""
    after: int | None = None
    done = 0
    while True:
        found = await list_redemptions(connection, export.wanted, after=after, size=ROWS_AT_ONCE)
        for line in found.lines:
            yield _cells(line, words, zone)
        done, after = done + len(found.lines), found.next
        told = min(done, export.total)
        await connection.execute("UPDATE redemption_export SET done = %s WHERE id = %s", (told, export.id))
        if after is None:
            return


async def _write_csv(path: Path, headings: list[str], rows: AsyncIterator[list[str]]) -> None:
    buffer = io.StringIO()
    buffer.write("\ufeff")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(headings)
    async for cells in rows:
        writer.writerow([harmless(cell) for cell in cells])
    await asyncio.to_thread(path.write_text, buffer.getvalue(), "utf-8", newline="")


async def _write_xlsx(path: Path, headings: list[str], rows: AsyncIterator[list[str]]) -> None:
    book = xlsxwriter.Workbook(str(path), {"constant_memory": True, "strings_to_formulas": False})
    sheet = book.add_worksheet()
    sheet.freeze_panes(1, 0)
    sheet.set_column(0, len(headings) - 1, 18)
    bold = book.add_format({"bold": True})
    for place, heading in enumerate(headings):
        sheet.write_string(0, place, heading, bold)
    line = 0
    async for cells in rows:
        line += 1
        for place, cell in enumerate(cells):
            if place in _NUMBERS:
                sheet.write_number(line, place, int(cell))
            else:
                sheet.write_string(line, place, cell)
    await asyncio.to_thread(book.close)


def _cells(line: RedemptionLine, words: Words, zone: ZoneInfo) -> list[str]:
    state, kind, item, partner = words(line)
    return [
        line.number, line.created_at.astimezone(zone).strftime("%Y-%m-%d %H:%M"), state, kind, line.sku, item, partner,
        line.member, line.member_name or "", str(line.quantity), str(line.points),
        f"{line.cash_minor // 100}.{line.cash_minor % 100:02d}",
    ]  # fmt: skip
