"""The steps of an import: taking a file in, the dry run, confirming, discarding. Each may be stopped and run again."""

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from liyu.core.errors import DomainError
from liyu.members.imports.errors import FileUnreadableError, ImportNotReadyError, UnknownImportError
from liyu.members.imports.plan import compare
from liyu.members.imports.read import PORTION, Progress, stage_file
from liyu.members.imports.states import may_become

_MAKE = """
    INSERT INTO member_import (file_name, storage_name, digest, encoding, header, notes, state, rows, done, points_unreadable,
        made_by, made_at)
    VALUES (%(name)s, %(storage)s, %(digest)s, '', '[]', '[]', 'uploaded', 0, 0, 0, %(actor)s, %(now)s) RETURNING id"""

_LOG = """
    INSERT INTO member_import_transition (import_id, from_state, to_state, actor, at)
    VALUES (%(import)s, %(before)s, %(wanted)s, %(actor)s, %(now)s)"""


@dataclass(frozen=True, slots=True)
class Work:
    """Who works on which import, when, and where progress is told; rows done so far are passed to `report`."""

    import_id: int
    actor: str
    now: datetime
    report: Progress | None = None

    def tell(self, rows: int) -> None:
        """Tell how many rows are done."""
        if self.report is not None:
            self.report(rows)


async def take_in(
    connection: AsyncConnection[Any], name: str, digest: str, *, storage: str | None, actor: str, now: datetime
) -> int:
    """Make an import for a file, in the caller's transaction; the dry run comes next."""
    values = {"name": name[:200], "storage": storage, "digest": digest, "actor": actor, "now": now}
    row = await (await connection.execute(_MAKE, values)).fetchone()
    assert row is not None
    await connection.execute(_LOG, {"import": row[0], "before": None, "wanted": "uploaded", "actor": actor, "now": now})
    return int(row[0])


async def move(connection: AsyncConnection[Any], work: Work, wanted: str, *, resume: bool = False) -> None:
    """Lead an import to a state, in the caller's transaction. Raises UnknownImportError or ImportNotReadyError.

    With `resume`, one that is in this state already stays there: a step that was stopped goes on.
    """
    found = await connection.execute("SELECT state FROM member_import WHERE id = %s FOR UPDATE", (work.import_id,))
    row = await found.fetchone()
    if row is None:
        raise UnknownImportError
    if resume and row[0] == wanted:
        return
    if not may_become(row[0], wanted):
        raise ImportNotReadyError
    await connection.execute(
        "UPDATE member_import SET state = %(wanted)s, done = CASE WHEN %(wanted)s IN ('applying', 'undoing') THEN 0 ELSE done END "
        "WHERE id = %(import)s",
        {"wanted": wanted, "import": work.import_id},
    )
    log = {"import": work.import_id, "before": row[0], "wanted": wanted, "actor": work.actor, "now": work.now}
    await connection.execute(_LOG, log)


async def dry_run(connection: AsyncConnection[Any], work: Work, path: Path, today: date) -> None:
    """Read a file and compare it with the members; no member is changed. The connection is in autocommit.

    Raises FileUnreadableError, and the import is refused then.
    """
    async with connection.transaction():
        await move(connection, work, "reading", resume=True)
    try:
        await stage_file(connection, work.import_id, path, today, work.report)
    except FileUnreadableError as refusal:
        async with connection.transaction():
            await _keep_refusal(connection, work, refusal)
        raise
    # The comparison joins thousands of rows that the statistics do not know yet.
    await connection.execute("ANALYZE member_import_row")
    for first, last in await portions(connection, work.import_id):
        async with connection.transaction():
            await compare(connection, work.import_id, first, last)
    async with connection.transaction():
        await move(connection, work, "ready")


async def discard(connection: AsyncConnection[Any], work: Work) -> None:
    """Let a dry run go, with its rows; in the caller's transaction. Raises UnknownImportError or ImportNotReadyError."""
    await move(connection, work, "discarded")
    await connection.execute("DELETE FROM member_import_row WHERE import_id = %s", (work.import_id,))


async def forget_upload(connection: AsyncConnection[Any], import_id: int) -> None:
    """The uploaded file was read and is not kept."""
    await connection.execute("UPDATE member_import SET storage_name = NULL WHERE id = %s", (import_id,))


async def portions(connection: AsyncConnection[Any], import_id: int) -> list[tuple[int, int]]:
    """The bounds of the portions in which the rows are worked on: row numbers of leads, both included."""
    found = await connection.execute("SELECT max(row) FROM member_import_row WHERE import_id = %s", (import_id,))
    last = (await found.fetchone() or (None,))[0] or 0
    return [(first, first + PORTION - 1) for first in range(1, last + 1, PORTION)]


async def _keep_refusal(connection: AsyncConnection[Any], work: Work, refusal: DomainError) -> None:
    notes = [{"text": reason.message.text, "values": reason.message.values} for reason in refusal.reasons]
    await connection.execute("DELETE FROM member_import_row WHERE import_id = %s", (work.import_id,))
    await connection.execute(
        "UPDATE member_import SET notes = %s, rows = 0 WHERE id = %s", (Jsonb(notes), work.import_id)
    )
    await move(connection, work, "refused")
