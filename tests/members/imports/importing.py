"""The shortest way from the text of a file to its import."""

import csv
import io
from pathlib import Path
from typing import Any

import xlsxwriter

from liyu.core.clock import local_date
from liyu.members.imports.apply import apply_import, confirm
from liyu.members.imports.queries import Import, list_rows, load_import
from liyu.members.imports.read import digest_of
from liyu.members.imports.service import Work, dry_run, take_in
from liyu.members.imports.undo import begin_undo, undo_import
from tests.world import NOW, ZONE, World

ACTOR = "staff:1"
WATCHED = (
    "member", "account", "transfer", "lot", "lot_entry", "member_tag", "tier_change", "growth_entry", "opening_balance",
    "member_state_change", "member_terms",
)  # fmt: skip
"""What a dry run must leave alone."""


class Importer:
    """Files of a test, imported into its world."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.folder = folder

    def write(self, content: str | bytes, name: str = "members.csv") -> Path:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def work(self, import_id: int, **more: Any) -> Work:
        return Work(import_id, ACTOR, self.world.clock.now(), **more)

    async def compare(self, content: str | bytes | Path, name: str = "members.csv") -> Import:
        """Take a file in and compare it."""
        path = content if isinstance(content, Path) else self.write(content, name)
        connection = self.world.connection
        async with connection.transaction():
            import_id = await take_in(connection, path.name, digest_of(path), storage=None, actor=ACTOR, now=NOW)
        await dry_run(connection, self.work(import_id), path, local_date(self.world.clock.now(), ZONE))
        return await load_import(connection, import_id)

    async def bring(self, content: str | bytes | Path) -> Import:
        """Compare, confirm and apply a file."""
        found = await self.compare(content)
        async with self.world.connection.transaction():
            await confirm(self.world.connection, self.work(found.id))
        await apply_import(self.world.connection, self.work(found.id), ZONE)
        return await load_import(self.world.connection, found.id)

    async def undo(self, import_id: int) -> Import:
        """Undo an import."""
        async with self.world.connection.transaction():
            await begin_undo(self.world.connection, self.work(import_id))
        await undo_import(self.world.connection, self.work(import_id))
        return await load_import(self.world.connection, import_id)

    async def faults(self, import_id: int) -> dict[int, list[tuple[str, str]]]:
        """Column and beginning of the words of every fault, by row."""
        found = await list_rows(self.world.connection, import_id, status="faulty", size=1_000)
        return {row.row: [(one.column, " ".join(one.text.split()[:4])) for one in row.faults] for row in found.rows}

    async def snapshot(self) -> dict[str, Any]:
        """Everything that an import could change."""
        return {
            table: await self.world.one(
                f"SELECT md5(coalesce(string_agg(t::text, '' ORDER BY t::text), '')) FROM {table} t"
            )
            for table in WATCHED
        }

    async def member(self, external_id: str) -> dict[str, Any]:
        """A member's fields."""
        record = await self.world.one("SELECT to_jsonb(m) FROM member m WHERE external_id = %s", external_id)
        return dict(record or {})


def workbook(rows: list[list[Any]], path: Path, formats: dict[int, str] | None = None) -> Path:
    """An XLSX file with cells as Python gives them; `formats` are number formats by column."""
    book = xlsxwriter.Workbook(str(path), {"default_date_format": "yyyy-mm-dd"})
    sheet = book.add_worksheet()
    for number, row in enumerate(rows):
        for place, cell in enumerate(row):
            if cell is not None:
                sheet.write(number, place, cell)
    book.close()
    return path


def table(*rows: list[Any], header: str = "external_id,phone,name,points,expires_on") -> str:
    """CSV text."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(header.split(","))
    writer.writerows(rows)
    return buffer.getvalue()
