"""Large tables as files 导出: ordered once, written by the worker with its progress told, kept for a day and then gone.

What a file holds, and who may have it, is for the packages that know: they give the sheet, this writes and keeps it.
"""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, convert
from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from sqlalchemy import CheckConstraint, Identity, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from liyu.core.database import Base
from liyu.core.errors import NotFoundError
from liyu.core.ids import make_token
from liyu.core.jobs import defer
from liyu.core.spreadsheets import Rows, rows_as_csv, write_workbook
from liyu.core.storage import Storage

KEPT = timedelta(days=1)
"""How long a finished file can be fetched: it is full of personal data."""
OVERDUE = timedelta(minutes=30)
"""A file that has been on its way for so long is given to a worker once more when it is ordered again."""
CSV, XLSX = FORMATS = ("csv", "xlsx")
MEMBERS, ORDERS = KINDS = ("members", "orders")
JOB = "write_export"


class FileExport(Base):
    """A file on its way, and until its day is over."""

    __tablename__ = "file_export"
    __table_args__ = (
        CheckConstraint("kind IN ('members', 'orders')", name="known_kind"),
        CheckConstraint("format IN ('csv', 'xlsx')", name="known_format"),
        CheckConstraint("done BETWEEN 0 AND total", name="done_of_total"),
        CheckConstraint("storage_name IS NULL OR finished_at IS NOT NULL", name="file_when_finished"),
        # A second click asks for what is being written already.
        Index(
            "uq_file_export_on_its_way",
            "made_by",
            "kind",
            "format",
            "locale",
            "digest",
            unique=True,
            postgresql_where="finished_at IS NULL",
        ),
        Index("ix_file_export_kept", "finished_at", postgresql_where="storage_name IS NOT NULL"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    kind: Mapped[str]
    format: Mapped[str]
    wanted: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """Which rows, as the package of the kind says it."""
    digest: Mapped[str]
    """Of `wanted`."""
    locale: Mapped[str]
    total: Mapped[int]
    done: Mapped[int]
    storage_name: Mapped[str | None]
    made_by: Mapped[str]
    made_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class Export(Struct, frozen=True):
    """A file on its way; `storage_name` is None until it is finished, and again when its day is over."""

    id: int
    kind: str
    format: str
    wanted: dict[str, Any]
    locale: str
    total: int
    done: int
    storage_name: str | None
    made_by: str
    made_at: datetime
    finished_at: datetime | None


class Sheet(Struct, frozen=True):
    """What a file says: headings, pages of rows as texts, and the places of columns that are numbers."""

    headings: list[str]
    pages: AsyncIterator[Rows]
    numbers: frozenset[int] = frozenset()


_ORDER = """
    WITH made AS (
        INSERT INTO file_export (kind, format, wanted, digest, locale, total, done, made_by, made_at)
        VALUES (%(kind)s, %(format)s, %(wanted)s, %(digest)s, %(locale)s, %(total)s, 0, %(actor)s, %(now)s)
        ON CONFLICT (made_by, kind, format, locale, digest) WHERE finished_at IS NULL DO NOTHING RETURNING id)
    SELECT id, true FROM made"""
_KNOWN = """
    SELECT id, made_at < %(overdue)s FROM file_export WHERE finished_at IS NULL AND made_by = %(actor)s AND kind = %(kind)s
        AND format = %(format)s AND locale = %(locale)s AND digest = %(digest)s"""
_TELL = "UPDATE file_export SET done = least(%s, total) WHERE id = %s AND finished_at IS NULL"
_FINISH = (
    "UPDATE file_export SET done = total, storage_name = %s, finished_at = %s WHERE id = %s AND finished_at IS NULL"
)
_OVER = "SELECT id, storage_name FROM file_export WHERE storage_name IS NOT NULL AND finished_at < %s ORDER BY id"


async def order_export(
    connection: AsyncConnection[Any],
    kind: str,
    wanted: dict[str, Any],
    file_format: str,
    *,
    total: int,
    locale: str,
    actor: str,
    now: datetime,
) -> int:
    """Order a file of `total` rows in the caller's transaction, with the job that writes it; its id.

    Who asks again for what is on its way is given that one.
    """
    digest = hashlib.sha256(msgspec.json.encode(wanted, order="sorted")).hexdigest()
    values = {
        "kind": kind, "format": file_format, "wanted": Jsonb(wanted), "digest": digest, "locale": locale, "total": total,
        "actor": actor, "now": now, "overdue": now - OVERDUE,
    }  # fmt: skip
    row = None
    while row is None:  # What was on its way a moment ago may be finished now.
        made = await connection.execute(_ORDER, values)
        row = await made.fetchone() or await (await connection.execute(_KNOWN, values)).fetchone()
    export_id, needs_worker = row
    if needs_worker:
        await defer(connection, JOB, export_id=export_id)
    return int(export_id)


async def load_export(connection: AsyncConnection[Any], export_id: int) -> Export:
    """One file. Raises NotFoundError."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute("SELECT * FROM file_export WHERE id = %s", (export_id,))
        row = await cursor.fetchone()
    if row is None:
        raise NotFoundError
    return convert(row, Export)


async def write_export(
    connection: AsyncConnection[Any], export: Export, sheet: Sheet, *, storage: Storage, now: datetime
) -> None:
    """Write a file into storage; one that is finished stays as it is, one whose worker was killed begins anew.

    The connection is in autocommit, so that the progress is seen.
    """
    if export.finished_at is not None:
        return

    async def told() -> AsyncIterator[Rows]:
        done = 0
        async for rows in sheet.pages:
            yield rows
            done += len(rows)
            await connection.execute(_TELL, (done, export.id))

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{export.kind}.{export.format}"
        await write_sheet(path, Sheet(sheet.headings, told(), sheet.numbers))
        name = f"exports/{make_token()}"
        await storage.put(name, await asyncio.to_thread(path.read_bytes), "application/octet-stream")
    written = await connection.execute(_FINISH, (name, now, export.id))
    if not written.rowcount:  # Another worker was quicker.
        await storage.delete(name)


async def write_sheet(path: Path, sheet: Sheet) -> None:
    """Write a sheet into a file of the kind that its name says, in memory that does not grow with its rows."""
    if path.suffix == f".{XLSX}":
        await write_workbook(path, sheet.headings, sheet.pages, numbers=sheet.numbers)
        return
    with path.open("wb") as file:
        async for piece in rows_as_csv(sheet.headings, sheet.pages):
            file.write(piece)


async def forget_old_exports(connection: AsyncConnection[Any], storage: Storage, now: datetime) -> int:
    """Delete the files whose day is over; how many. The connection is in autocommit."""
    over = await (await connection.execute(_OVER, (now - KEPT,))).fetchall()
    for export_id, name in over:
        await storage.delete(name)
        await connection.execute("UPDATE file_export SET storage_name = NULL WHERE id = %s", (export_id,))
    return len(over)
