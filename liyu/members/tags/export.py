"""Members as a file, by tier, tag and segment: CSV and XLSX, written as they are read."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import xlsxwriter
from psycopg import AsyncConnection

from liyu.core.clock import local_date
from liyu.core.i18n import N_
from liyu.core.spreadsheets import harmless
from liyu.members.tags.queries import ROWS_AT_ONCE, Audience, ExportedMember, iterate_audience

HEADINGS = (
    N_("Member number"), N_("Full name"), N_("Mobile"), N_("E-mail"), N_("Date of birth"), N_("City"), N_("Tier"),
    N_("Growth value"), N_("Points balance"), N_("Tags"), N_("State"), N_("Joined on"),
)  # fmt: skip
_NUMBERS = frozenset({7, 8})

Translate = Callable[[str], str]
Tell = Callable[[int], Awaitable[None]]
"""Told how many members are written."""


async def export_csv(
    connection: AsyncConnection[Any],
    audience: Audience,
    today: date,
    zone: ZoneInfo,
    translate: Translate,
    tell: Tell | None = None,
) -> AsyncIterator[bytes]:
    """The members as CSV in UTF-8, piece by piece. Needs a transaction."""
    buffer = io.StringIO()
    buffer.write("\ufeff")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow([translate(heading) for heading in HEADINGS])
    rows = 0
    async for member in iterate_audience(connection, audience, today, zone):
        writer.writerow([harmless(cell) for cell in _cells(member, zone)])
        rows += 1
        if rows % ROWS_AT_ONCE == 0:
            yield _drain(buffer)
            if tell is not None:
                await tell(rows)
    yield _drain(buffer)


async def export_xlsx(
    connection: AsyncConnection[Any],
    audience: Audience,
    path: Path,
    today: date,
    zone: ZoneInfo,
    translate: Translate,
    tell: Tell | None = None,
) -> None:
    """Write the members into a workbook, row by row in constant memory. Needs a transaction."""
    book = xlsxwriter.Workbook(str(path), {"constant_memory": True, "strings_to_formulas": False})
    sheet = book.add_worksheet()
    sheet.freeze_panes(1, 0)
    sheet.set_column(0, len(HEADINGS) - 1, 18)
    bold = book.add_format({"bold": True})
    for place, heading in enumerate(HEADINGS):
        sheet.write_string(0, place, translate(heading), bold)
    line = 0
    async for member in iterate_audience(connection, audience, today, zone):
        line += 1
        for place, cell in enumerate(_cells(member, zone)):
            if place in _NUMBERS:
                sheet.write_number(line, place, int(cell))
            else:
                sheet.write_string(line, place, cell)
        if tell is not None and line % ROWS_AT_ONCE == 0:
            await tell(line)
    await asyncio.to_thread(book.close)


def _cells(member: ExportedMember, zone: ZoneInfo) -> list[str]:
    return [
        member.external_id, member.name or "", member.phone or "", member.email or "", str(member.birthday or ""),
        member.city or "", member.tier, str(member.growth), str(member.balance), ";".join(member.tags), member.state,
        local_date(member.joined_at, zone).isoformat(),
    ]  # fmt: skip


def _drain(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode()
