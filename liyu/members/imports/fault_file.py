"""The faulty rows as a file: every row as it was, and what is wrong with it in both languages, to be mended and sent again."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from psycopg import AsyncConnection

from liyu.core.i18n import Message
from liyu.core.spreadsheets import FAULT_HEADINGS, Rows, rows_as_csv, write_workbook
from liyu.members.imports.queries import Import, ImportRow, Note, list_rows

Speak = Callable[[Message, str], str]
"""A message in the words of a language."""

LANGUAGES = ("zh_CN", "en")
ROWS_AT_ONCE = 1_000


def fault_csv(connection: AsyncConnection[Any], found: Import, speak: Speak) -> AsyncIterator[bytes]:
    """The faulty rows as CSV in UTF-8, piece by piece."""
    return rows_as_csv((*FAULT_HEADINGS, *found.header), _pages(connection, found.id, speak))


async def fault_xlsx(connection: AsyncConnection[Any], found: Import, path: Path, speak: Speak) -> None:
    """Write the faulty rows into a workbook, row by row in constant memory."""
    await write_workbook(path, (*FAULT_HEADINGS, *found.header), _pages(connection, found.id, speak))


async def _pages(connection: AsyncConnection[Any], import_id: int, speak: Speak) -> AsyncIterator[Rows]:
    after: int | None = 0
    while after is not None:
        page = await list_rows(connection, import_id, status="faulty", after=after, size=ROWS_AT_ONCE)
        yield [_cells(row, speak) for row in page.rows]
        after = page.next


def _cells(row: ImportRow, speak: Speak) -> list[str]:
    words = ["; ".join(_words(fault, speak, language) for fault in row.faults) for language in LANGUAGES]
    return [str(row.row), *words, *row.given]


def _words(fault: Note, speak: Speak, language: str) -> str:
    words = speak(Message(fault.text, fault.values), language)
    return f"{fault.column}: {words}" if fault.column else words
