"""What people and programs see of imports: the list, one of them with its counts and totals, its rows, what was undone."""

from datetime import datetime
from typing import Any

from msgspec import Struct, convert
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from liyu.core.database import fetch_all
from liyu.members.imports.errors import UnknownImportError

PAGE_SIZE = 50
STATUSES = ("new", "changed", "unchanged", "faulty")


class Note(Struct, frozen=True):
    """Words with their values, about the file, or about one column of a row."""

    text: str
    values: dict[str, Any] = {}
    column: str = ""


class Change(Struct, frozen=True):
    """One field as it was and as the file says; both as text."""

    field: str
    old: str | None
    new: str | None
    day: str | None = None
    """For points: their last day."""


class Refusal(Struct, frozen=True):
    """What of a row cannot be undone: a stable code, and the field that it is about."""

    code: str
    field: str = ""
    now: str | None = None


class ImportLine(Struct, frozen=True):
    """An import in the list."""

    id: int
    file_name: str
    state: str
    rows: int
    made_by: str
    made_at: datetime


class Totals(Struct, frozen=True):
    """Points of the file and where they are, all in points. Nothing is lost while `difference` is 0."""

    rows: int
    """Rows with points that can be read."""
    stated: int
    to_come: int
    """In rows that are to be applied."""
    faulty: int
    before: int
    """In rows that an earlier import had opened already."""
    opened: int
    """What the transfers of this import brought, from the ledger itself."""
    reversed: int

    @property
    def difference(self) -> int:
        """Points of the file that are nowhere; must be 0."""
        return self.stated - self.to_come - self.faulty - self.before - self.opened


class Import(Struct, frozen=True):
    """One import. `counts` has the number of rows by status."""

    id: int
    file_name: str
    storage_name: str | None
    digest: str
    encoding: str
    header: list[str]
    notes: list[Note]
    state: str
    rows: int
    done: int
    points_unreadable: int
    made_by: str
    made_at: datetime
    counts: dict[str, int]
    totals: Totals

    @property
    def to_do(self) -> int:
        """Rows that confirming would apply."""
        return self.counts.get("new", 0) + self.counts.get("changed", 0)


class Step(Struct, frozen=True):
    """One change of an import's state."""

    to_state: str
    actor: str
    at: datetime


class ImportRow(Struct, frozen=True):
    """A row with what it changes or what is wrong with it."""

    row: int
    given: list[str]
    external_id: str | None
    phone: str | None
    name: str | None
    status: str
    faults: list[Note]
    changes: list[Change]
    member: str | None
    """The member's number, once there is one."""
    created: bool
    applied_at: datetime | None
    refusals: list[Refusal]
    undone_at: datetime | None


class ImportRows(Struct, frozen=True):
    """One page of rows; `next` is the row behind which the following page begins."""

    rows: list[ImportRow]
    next: int | None


_TOTALS = """
    SELECT count(*) FILTER (WHERE r.points IS NOT NULL) AS rows, coalesce(sum(r.points), 0)::bigint AS stated,
        coalesce(sum(r.points) FILTER (WHERE r.opens AND r.applied_at IS NULL), 0)::bigint AS to_come,
        coalesce(sum(r.points) FILTER (WHERE r.status = 'faulty'), 0)::bigint AS faulty,
        coalesce(sum(r.points) FILTER (WHERE r.status <> 'faulty' AND NOT r.opens), 0)::bigint AS before,
        (SELECT coalesce(sum(t.amount), 0)::bigint FROM opening_balance o
            JOIN transfer t ON t.id IN (o.transfer_id, o.repay_transfer_id) WHERE o.import_id = %(import)s) AS opened,
        (SELECT coalesce(sum(v.amount), 0)::bigint FROM opening_balance o
            JOIN transfer v ON v.reversal_of IN (o.transfer_id, o.repay_transfer_id) WHERE o.import_id = %(import)s) AS reversed
    FROM member_import_row r WHERE r.import_id = %(import)s"""

_ROWS = """
    SELECT r.row, r.given, r.external_id, r.phone, coalesce(r.fields ->> 'name', m.name) AS name, r.status,
        r.faults || r.conflicts AS faults, r.changes, m.external_id AS member, r.created, r.applied_at, r.refusals, r.undone_at
    FROM member_import_row r LEFT JOIN member m ON m.id = r.member_id
    WHERE r.import_id = %(import)s AND r.row > %(after)s AND (%(status)s::text IS NULL OR r.status = %(status)s)
        AND (NOT %(refused)s OR r.refusals <> '[]')
    ORDER BY r.row LIMIT %(most)s"""


async def list_imports(
    connection: AsyncConnection[Any], before: int | None = None, size: int = PAGE_SIZE
) -> tuple[list[ImportLine], int | None]:
    """One page of imports, the newest first, and the cursor of the next page."""
    found = await fetch_all(
        connection,
        ImportLine,
        "SELECT id, file_name, state, rows, made_by, made_at FROM member_import "
        "WHERE %(before)s::bigint IS NULL OR id < %(before)s ORDER BY id DESC LIMIT %(most)s",
        {"before": before, "most": size + 1},
    )
    return found[:size], found[size - 1].id if len(found) > size else None


async def load_import(connection: AsyncConnection[Any], import_id: int) -> Import:
    """One import with its counts, and its points as they stand in the ledger. Raises UnknownImportError."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute("SELECT * FROM member_import WHERE id = %s", (import_id,))
        record = await cursor.fetchone()
        if record is None:
            raise UnknownImportError
        if record["summary"] is not None:
            return convert({**record, **record["summary"]}, Import)
        await cursor.execute(
            "SELECT status, count(*) FROM member_import_row WHERE import_id = %s GROUP BY 1", (import_id,)
        )
        counts = {row["status"]: row["count"] for row in await cursor.fetchall()}
        await cursor.execute(_TOTALS, {"import": import_id})
        return convert({**record, "counts": counts, "totals": await cursor.fetchone()}, Import)


async def find_unfinished(connection: AsyncConnection[Any], digest: str, made_by: str) -> int | None:
    """The latest import of the same content by the same hand that was stopped on its way."""
    found = await connection.execute(
        "SELECT id FROM member_import WHERE digest = %s AND state IN ('uploaded', 'reading', 'ready', 'applying') "
        "AND made_by = %s ORDER BY id DESC LIMIT 1",
        (digest, made_by),
    )
    row = await found.fetchone()
    return row[0] if row else None


async def list_rows(
    connection: AsyncConnection[Any],
    import_id: int,
    *,
    status: str | None = None,
    refused: bool = False,
    after: int = 0,
    size: int = PAGE_SIZE,
) -> ImportRows:
    """One page of an import's rows in their order: of one status, or those of which something cannot be undone."""
    values = {"import": import_id, "status": status, "refused": refused, "after": after, "most": size + 1}
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_ROWS, values)
        found = convert(await cursor.fetchall(), list[ImportRow])
    return ImportRows(found[:size], found[size - 1].row if len(found) > size else None)


async def list_steps(connection: AsyncConnection[Any], import_id: int) -> list[Step]:
    """The states of an import, the newest first."""
    return await fetch_all(
        connection,
        Step,
        "SELECT to_state, actor, at FROM member_import_transition WHERE import_id = %s ORDER BY id DESC",
        (import_id,),
    )


async def names_of(connection: AsyncConnection[Any], table: str) -> dict[str, tuple[str, str]]:
    """What tiers or tags are called in Chinese and English, by id as text."""
    query = {"tier": "SELECT id, name_zh, name_en FROM tier", "tag": "SELECT id, name_zh, name_en FROM tag"}[table]
    found = await connection.execute(query)
    return {str(key): (zh, en) for key, zh, en in await found.fetchall()}
