"""The faulty rows as a file: every row as it was, and what is wrong with it in both languages, to be mended and sent again."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import xlsxwriter
from psycopg import AsyncConnection

from liyu.core.i18n import Message
from liyu.core.spreadsheets import harmless
from liyu.members.imports.queries import Import, ImportRow, Note, list_rows

Speak = Callable[[Message, str], str]
"""A message in the words of a language."""

LANGUAGES = ("zh_CN", "en")
HEADINGS = ("行号 Row", "问题", "What is wrong")
ROWS_AT_ONCE = 1_000


async def fault_csv(connection: AsyncConnection[Any], found: Import, speak: Speak) -> AsyncIterator[bytes]:
    """The faulty rows as CSV in UTF-8, piece by piece."""
    buffer = io.StringIO()
    buffer.write("\ufeff")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow([*HEADINGS, *found.header])
    async for rows in _pages(connection, found.id):
        for row in rows:
            writer.writerow([harmless(cell) for cell in _cells(row, speak)])
        yield _drain(buffer)
    yield _drain(buffer)


async def fault_xlsx(connection: AsyncConnection[Any], found: Import, path: Path, speak: Speak) -> None:
    """Write the faulty rows into a workbook, row by row in constant memory."""
    book = xlsxwriter.Workbook(str(path), {"constant_memory": True, "strings_to_formulas": False})
    sheet = book.add_worksheet()
    sheet.freeze_panes(1, 0)
    sheet.set_column(1, 2, 50)
    bold = book.add_format({"bold": True})
    for place, heading in enumerate((*HEADINGS, *found.header)):
        sheet.write_string(0, place, heading, bold)
    line = 0
    async for rows in _pages(connection, found.id):
        for row in rows:
            line += 1
            for place, cell in enumerate(_cells(row, speak)):
                sheet.write_string(line, place, cell)
    await asyncio.to_thread(book.close)


async def _pages(connection: AsyncConnection[Any], import_id: int) -> AsyncIterator[list[ImportRow]]:
    after: int | None = 0
    while after is not None:
        page = await list_rows(connection, import_id, status="faulty", after=after, size=ROWS_AT_ONCE)
        yield page.rows
        after = page.next


def _cells(row: ImportRow, speak: Speak) -> list[str]:
    words = ["; ".join(_words(fault, speak, language) for fault in row.faults) for language in LANGUAGES]
    return [str(row.row), *words, *row.given]


def _words(fault: Note, speak: Speak, language: str) -> str:
    words = speak(Message(fault.text, fault.values), language)
    return f"{fault.column}: {words}" if fault.column else words


def _drain(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode()
