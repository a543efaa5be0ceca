"""Files of items in the console: kept in storage, held against the catalog as often as they are looked at, published on a yes."""

import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from liyu.catalog.dry_run import DryRun, preview_row
from liyu.catalog.errors import FileFaultyError, RowFault
from liyu.catalog.import_items import HEADER_ROW, REQUIRED, read_records
from liyu.catalog.item_columns import find_item_column
from liyu.catalog.plan import Plan, plan_publication
from liyu.catalog.publish import write_publication
from liyu.catalog.records import ImportResult, ItemRecord
from liyu.core.database import fetch_all, fetch_one
from liyu.core.errors import DomainError, NotFoundError
from liyu.core.i18n import N_, Message
from liyu.core.spreadsheets import FAULT_HEADINGS
from liyu.core.storage import Storage
from liyu.members.imports.errors import FileUnreadableError
from liyu.members.imports.files import open_file

MOST_ROWS = 20_000
PAGE_SIZE = 20


class UploadDecidedError(DomainError):
    """The file was published or discarded already."""

    code = "upload_decided"
    message = N_("This file was decided on already.")


class Upload(Struct, frozen=True):
    """A file and what became of it."""

    id: int
    file_name: str
    storage_name: str
    state: str
    made_by: str
    made_at: datetime
    result: dict[str, Any] | None


class FaultyRow(Struct, frozen=True):
    """A row of a file as it was given, and all that is wrong with it."""

    row: int
    cells: list[str]
    faults: list[RowFault]


class FaultyRows(Struct, frozen=True):
    """The rows of a file that have faults, under its header."""

    header: list[str]
    rows: list[FaultyRow]


class _ReadFile(Struct):
    header: list[str]
    cells: dict[int, list[str]]
    """The rows as they were given, by number."""
    records: list[ItemRecord]
    faults: list[RowFault]


_UPLOAD = "SELECT id, file_name, storage_name, state, made_by, made_at, result FROM item_upload"


async def take_in(
    connection: AsyncConnection[Any], file_name: str, storage_name: str, *, actor: str, now: datetime
) -> int:
    """Note an uploaded file; returns its id."""
    found = await connection.execute(
        "INSERT INTO item_upload (file_name, storage_name, state, made_by, made_at) VALUES (%s, %s, 'ready', %s, %s) "
        "RETURNING id",
        (file_name, storage_name, actor, now),
    )
    return int((await found.fetchone() or (0,))[0])


async def list_uploads(connection: AsyncConnection[Any]) -> list[Upload]:
    """The latest files, the newest first."""
    return await fetch_all(connection, Upload, f"{_UPLOAD} ORDER BY id DESC LIMIT %s", (PAGE_SIZE,))


async def load_upload(connection: AsyncConnection[Any], upload_id: int) -> Upload:
    """One file. Raises NotFoundError."""
    found = await fetch_one(connection, Upload, f"{_UPLOAD} WHERE id = %s", (upload_id,))
    if found is None:
        raise NotFoundError
    return found


async def dry_run(
    connection: AsyncConnection[Any], storage: Storage, upload: Upload, *, now: datetime, zone: ZoneInfo
) -> DryRun:
    """What publishing the file would do now; nothing is written."""
    file = await _read(storage, upload, zone)
    plan = await _try(connection, file.records, now, zone)
    return DryRun([preview_row(item) for item in plan.items], sorted([*file.faults, *plan.faults]))


async def find_faulty_rows(
    connection: AsyncConnection[Any], storage: Storage, upload: Upload, *, now: datetime, zone: ZoneInfo
) -> FaultyRows:
    """The rows that would be refused now, to be mended and sent again. What is wrong with the header stands with it, as row 1."""
    file = await _read(storage, upload, zone)
    plan = await _try(connection, file.records, now, zone)
    faults: dict[int, list[RowFault]] = {}
    for fault in sorted([*file.faults, *plan.faults]):
        faults.setdefault(fault.row, []).append(fault)
    return FaultyRows(
        file.header, [FaultyRow(row, file.cells.get(row, file.header), found) for row, found in faults.items()]
    )


async def _try(connection: AsyncConnection[Any], records: list[ItemRecord], now: datetime, zone: ZoneInfo) -> Plan:
    async with connection.transaction(force_rollback=True):
        return await plan_publication(connection, records, now, zone)


async def apply_upload(
    connection: AsyncConnection[Any], storage: Storage, upload_id: int, *, actor: str, now: datetime, zone: ZoneInfo
) -> ImportResult:
    """Publish all of the file, in the caller's transaction. Raises UploadDecidedError, or FileFaultyError with every fault."""
    upload = await load_upload(connection, upload_id)
    file = await _read(storage, upload, zone)
    await _decide(connection, upload_id, "applied")
    plan: Plan = await plan_publication(connection, file.records, now, zone)
    if file.faults or plan.faults:
        raise FileFaultyError(file.faults + plan.faults)
    result = await write_publication(connection, plan, actor=actor, now=now, reason="imported")
    await connection.execute(
        "UPDATE item_upload SET result = %s WHERE id = %s", (Jsonb(msgspec.to_builtins(result)), upload_id)
    )
    return result


async def discard_upload(connection: AsyncConnection[Any], upload_id: int) -> None:
    """Say no. Raises UploadDecidedError."""
    await _decide(connection, upload_id, "discarded")


async def _decide(connection: AsyncConnection[Any], upload_id: int, wanted: str) -> None:
    changed = await connection.execute(
        "UPDATE item_upload SET state = %s WHERE id = %s AND state = 'ready'", (wanted, upload_id)
    )
    if changed.rowcount == 0:
        raise UploadDecidedError


async def _read(storage: Storage, upload: Upload, zone: ZoneInfo) -> _ReadFile:
    content = await storage.get(upload.storage_name)
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        try:
            return _read_file(Path(file.name), zone)
        except FileUnreadableError as refusal:
            return _ReadFile([], {}, [], [RowFault(HEADER_ROW, "", reason.message) for reason in refusal.reasons])


def _read_file(path: Path, zone: ZoneInfo) -> _ReadFile:
    file = open_file(path, find_item_column)
    kept = [place for place, heading in enumerate(file.header) if heading not in FAULT_HEADINGS]
    header = [file.header[place] for place in kept]
    cells = {number: [row[place] for place in kept if place < len(row)] for number, row in file.rows}
    codes = [find_item_column(heading) or "" for heading in header]
    faults = _find_header_faults(header, codes)
    if not faults and len(cells) > MOST_ROWS:
        words = N_("The file has more than %(most)s rows. Split it, or use the command.")
        faults = [RowFault(HEADER_ROW, "", Message(words, {"most": MOST_ROWS}))]
    if faults:
        return _ReadFile(header, cells, [], faults)
    rows = [(number, dict(zip(codes, row, strict=False))) for number, row in cells.items()]
    return _ReadFile(header, cells, *read_records(rows, zone))


def _find_header_faults(header: list[str], codes: list[str]) -> list[RowFault]:
    faults = [
        RowFault(HEADER_ROW, heading, Message(N_("Nobody knows this column.")))
        for heading, code in zip(header, codes, strict=True)
        if not code
    ]
    faults += [
        RowFault(HEADER_ROW, code, Message(N_("The column stands there twice.")))
        for code in dict.fromkeys(codes)
        if code and codes.count(code) > 1
    ]
    faults += [
        RowFault(HEADER_ROW, code, Message(N_("The column is missing."))) for code in REQUIRED if code not in codes
    ]
    return faults
