"""Large exports: ordered once, written by the worker with its progress told, kept for a day and then gone."""

import asyncio
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct, convert, to_builtins
from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from liyu.core.clock import local_date
from liyu.core.errors import NotFoundError
from liyu.core.ids import make_token
from liyu.core.storage import Storage
from liyu.members.tags.conditions import Conditions
from liyu.members.tags.export import Translate, export_csv, export_xlsx
from liyu.members.tags.queries import Audience

AT_ONCE = 20_000
"""A file of no more members than this is sent while one waits; a larger one is the worker's."""
KEPT = timedelta(days=1)
"""How long a finished file can be fetched: it is full of personal data."""
CSV, XLSX = FORMATS = ("csv", "xlsx")


class Export(Struct, frozen=True):
    """A file of members on its way; `storage_name` is None until it is finished, and again when its day is over."""

    id: int
    format: str
    tier: str | None
    tag: str | None
    conditions: Conditions | None
    locale: str
    total: int
    done: int
    storage_name: str | None
    made_by: str
    made_at: datetime
    finished_at: datetime | None

    @property
    def audience(self) -> Audience:
        """Who is meant."""
        return Audience(self.tier, self.tag, self.conditions)


# A second click asks for what is being written already.
_ORDER = """
    WITH known AS (
        SELECT id FROM member_export WHERE finished_at IS NULL AND (format, tier, tag, conditions, made_by)
            IS NOT DISTINCT FROM (%(format)s, %(tier)s, %(tag)s, %(conditions)s::jsonb, %(actor)s) LIMIT 1),
    made AS (
        INSERT INTO member_export (format, tier, tag, conditions, locale, total, done, made_by, made_at)
        SELECT %(format)s, %(tier)s, %(tag)s, %(conditions)s, %(locale)s, %(total)s, 0, %(actor)s, %(now)s
        WHERE NOT EXISTS (SELECT FROM known) RETURNING id)
    SELECT id, true FROM made UNION ALL SELECT id, false FROM known"""

_FINISH = (
    "UPDATE member_export SET done = total, storage_name = %s, finished_at = %s WHERE id = %s AND finished_at IS NULL"
)
_OVER = "SELECT id, storage_name FROM member_export WHERE storage_name IS NOT NULL AND finished_at < %s ORDER BY id"


async def order_export(
    connection: AsyncConnection[Any],
    audience: Audience,
    file_format: str,
    *,
    total: int,
    locale: str,
    actor: str,
    now: datetime,
) -> tuple[int, bool]:
    """Order a file of `total` members, in the caller's transaction: its id, and whether it was not on its way already."""
    conditions = Jsonb(to_builtins(audience.conditions)) if audience.conditions is not None else None
    values = {
        "format": file_format, "tier": audience.tier, "tag": audience.tag, "conditions": conditions, "locale": locale,
        "total": total, "actor": actor, "now": now,
    }  # fmt: skip
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"export:{actor}",))
    row = await (await connection.execute(_ORDER, values)).fetchone()
    assert row is not None
    return row[0], row[1]


async def load_export(connection: AsyncConnection[Any], export_id: int) -> Export:
    """One export. Raises NotFoundError."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute("SELECT * FROM member_export WHERE id = %s", (export_id,))
        row = await cursor.fetchone()
    if row is None:
        raise NotFoundError
    return convert(row, Export)


async def write_export(
    connection: AsyncConnection[Any],
    reading: AsyncConnection[Any],
    export_id: int,
    *,
    storage: Storage,
    translate: Translate,
    zone: ZoneInfo,
    now: datetime,
) -> None:
    """Write an export into storage; one that is finished stays as it is, one that was killed begins anew.

    `connection` is in autocommit and tells the progress; `reading` reads the members in one transaction.
    """
    export = await load_export(connection, export_id)
    if export.finished_at is not None:
        return

    async def tell(rows: int) -> None:
        done = min(rows, export.total)
        await connection.execute("UPDATE member_export SET done = %s WHERE id = %s", (done, export_id))

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"members.{export.format}"
        today = local_date(now, zone)
        async with reading.transaction():
            if export.format == XLSX:
                await export_xlsx(reading, export.audience, path, today, zone, translate, tell)
            else:
                with path.open("wb") as file:
                    async for piece in export_csv(reading, export.audience, today, zone, translate, tell):
                        file.write(piece)
        name = f"exports/{make_token()}"
        await storage.put(name, await asyncio.to_thread(path.read_bytes), "application/octet-stream")
    written = await connection.execute(_FINISH, (name, now, export_id))
    if not written.rowcount:  # Another worker was quicker.
        await storage.delete(name)


async def forget_old_exports(connection: AsyncConnection[Any], storage: Storage, now: datetime) -> int:
    """Delete the files whose day is over; how many. The connection is in autocommit."""
    over = await (await connection.execute(_OVER, (now - KEPT,))).fetchall()
    for export_id, name in over:
        await storage.delete(name)
        await connection.execute("UPDATE member_export SET storage_name = NULL WHERE id = %s", (export_id,))
    return len(over)
