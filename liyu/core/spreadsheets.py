"""Tables as files for spreadsheets, and what spreadsheets make of texts in CSV files."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import xlsxwriter

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

FAULT_HEADINGS = ("行号 Row", "问题", "What is wrong")
"""What stands before the columns of a file of faulty rows. Imports pass over these columns when it is sent again."""

Rows = list[list[str]]


def harmless(cell: str) -> str:
    """A text that a spreadsheet would take for a formula gets an apostrophe in front; imports take it off again."""
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell


async def rows_as_csv(header: Sequence[str], pages: AsyncIterator[Rows]) -> AsyncIterator[bytes]:
    """A table as CSV in UTF-8, piece by piece."""
    buffer = io.StringIO()
    buffer.write("\ufeff")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(header)
    async for rows in pages:
        for row in rows:
            writer.writerow([harmless(cell) for cell in row])
        yield _drain(buffer)
    yield _drain(buffer)


async def write_workbook(
    path: Path, header: Sequence[str], pages: AsyncIterator[Rows], *, numbers: frozenset[int] = frozenset()
) -> None:
    """Write a table of texts into a workbook, row by row in constant memory; columns at `numbers` are whole numbers."""
    book = xlsxwriter.Workbook(str(path), {"constant_memory": True, "strings_to_formulas": False})
    sheet = book.add_worksheet()
    sheet.freeze_panes(1, 0)
    # Faulty rows say in their second and third column what is wrong with them.
    sheet.set_column(1, 2, 50) if not numbers else sheet.set_column(0, len(header) - 1, 18)
    bold = book.add_format({"bold": True})
    for place, heading in enumerate(header):
        sheet.write_string(0, place, heading, bold)
    line = 0
    async for rows in pages:
        for row in rows:
            line += 1
            for place, cell in enumerate(row):
                if place in numbers:
                    sheet.write_number(line, place, int(cell))
                else:
                    sheet.write_string(line, place, cell)
    await asyncio.to_thread(book.close)


def _drain(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode()
