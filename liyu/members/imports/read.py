"""Reading a file into the staging rows of its import, in portions, each of them one transaction."""

import hashlib
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from liyu.core.database import fetch_all
from liyu.core.i18n import N_
from liyu.members.imports.columns import COLUMNS, KEYS, Column, find_column, question_columns
from liyu.members.imports.files import OpenFile, open_file, refuse
from liyu.members.imports.rows import KnownTag, KnownTier, RowReader, StagedRow, Surroundings
from liyu.members.personal.fields import list_fields
from liyu.members.program import load_terms

PORTION = 5_000
MOST_ROWS = 1_000_000

Progress = Callable[[int], None]

_COPY = """
    COPY member_import_row (import_id, row, lead, given, external_id, phone, fields, joined_on, tags, points, expires_on, faults,
        conflicts, status, changes, opens, created, refusals) FROM STDIN"""
_encode = msgspec.json.Encoder()


def digest_of(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def stage_file(
    connection: AsyncConnection[Any], import_id: int, path: Path, today: date, report: Progress | None = None
) -> None:
    """Read a file into the import's rows; what was read of it before is read anew. The connection is in autocommit.

    Raises FileUnreadableError; rows that were read up to the damage stay and are never applied.
    """
    await connection.execute("DELETE FROM member_import_row WHERE import_id = %s", (import_id,))
    file = open_file(path)
    around = await load_surroundings(connection, today)
    reader = RowReader(find_columns(file.header, question_columns(around.questions)), around)
    read, unreadable = 0, 0
    while portion := _next_portion(file, reader):
        async with connection.transaction(), connection.cursor() as cursor:
            async with cursor.copy(_COPY) as copy:
                for row in portion:
                    await copy.write_row(_record(import_id, row))
            read += len(portion)
            unreadable += sum(row.points_unreadable for row in portion)
            await cursor.execute("UPDATE member_import SET rows = %s WHERE id = %s", (read, import_id))
        if read > MOST_ROWS:
            raise refuse(N_("The file has more than %(most)s rows. Split it."), most=MOST_ROWS)
        if report is not None:
            report(read)
    if not read:
        raise refuse(N_("The file has a header and no rows."))
    notes = [{"text": file.note.text, "values": file.note.values}] if file.note else []
    await connection.execute(
        "UPDATE member_import SET encoding = %s, header = %s, notes = %s, rows = %s, points_unreadable = %s WHERE id = %s",
        (file.encoding.removesuffix("-sig"), Jsonb(file.header), Jsonb(notes), read, unreadable, import_id),
    )


def find_columns(header: list[str], further: list[Column]) -> list[str]:
    """The codes of the columns of a header; `further` are those of this program. Raises FileUnreadableError with every fault."""
    known = ", ".join(column.code for column in (*COLUMNS, *further))
    codes = [find_column(heading, further) or "" for heading in header]
    faults = [
        refuse(N_("Unknown column “%(name)s”; known are %(known)s."), name=heading, known=known)
        for heading, code in zip(header, codes, strict=True)
        if not code
    ]
    doubled = dict.fromkeys(code for code in codes if code and codes.count(code) > 1)
    faults += [refuse(N_("The column %(name)s stands there twice."), name=code) for code in doubled]
    if not any(key in codes for key in KEYS):
        faults.append(refuse(N_("The file needs a column with the member number or the mobile.")))
    if faults:
        faults[0].reasons = [reason for fault in faults for reason in fault.reasons]
        raise faults[0]
    return codes


async def load_surroundings(connection: AsyncConnection[Any], today: date) -> Surroundings:
    """What rows are read against."""
    terms = await load_terms(connection)
    known_tiers = await fetch_all(
        connection, KnownTier, "SELECT id, code, name_zh, name_en, threshold, validity_months FROM tier ORDER BY rank"
    )
    known_tags = await fetch_all(
        connection, KnownTag, "SELECT id, code, name_zh, name_en, by_rule FROM tag WHERE active ORDER BY id DESC"
    )
    questions = await list_fields(connection)
    return Surroundings(today, terms.expiry_policy, terms.expiry_months, known_tiers, known_tags, questions)


def _next_portion(file: OpenFile, reader: RowReader) -> list[StagedRow]:
    rows: Iterator[tuple[int, list[str]]] = file.rows
    return [reader.read(number, cells) for _, (number, cells) in zip(range(PORTION), rows, strict=False)]


def _record(import_id: int, row: StagedRow) -> tuple[Any, ...]:
    return (
        import_id, row.row, row.lead, _json(row.given), row.external_id, row.phone, _json(row.fields), row.joined_on,
        _json(row.tags), row.points, row.expires_on, _json(row.faults), "[]", "faulty" if row.faults else "unchanged", "[]",
        False, False, "[]",
    )  # fmt: skip


def _json(value: Any) -> str:
    return _encode.encode(value).decode().replace("\\u0000", "")
