"""Letting the rows of old files go: they hold what people said of members, and are needed for the studio and for undoing alone."""

from datetime import datetime, timedelta
from typing import Any

from msgspec import to_builtins
from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from liyu.members.imports.queries import load_import
from liyu.members.imports.service import Work, discard, move

KEPT = timedelta(days=90)
"""How long after its last step an import keeps its rows, and can be undone."""

_DUE = """
    SELECT i.id FROM member_import i WHERE i.state IN ('ready', 'applied', 'undone')
        AND NOT EXISTS (SELECT FROM member_import_transition t WHERE t.import_id = i.id AND t.at > %(since)s)
    ORDER BY i.id"""


async def forget_old_rows(connection: AsyncConnection[Any], *, actor: str, now: datetime) -> int:
    """Forget the rows of imports whose last step is long ago, each import in a transaction of its own; how many those were.

    Of an import that was applied, counts and totals stay. One that was never confirmed is discarded. The connection is in
    autocommit.
    """
    due = await (await connection.execute(_DUE, {"since": now - KEPT})).fetchall()
    for (import_id,) in due:
        async with connection.transaction():
            await _archive(connection, Work(import_id, actor, now))
    return len(due)


async def _archive(connection: AsyncConnection[Any], work: Work) -> None:
    found = await load_import(connection, work.import_id)
    if found.state == "ready":
        await discard(connection, work)
        return
    await move(connection, work, "archived")
    summary = Jsonb({"counts": found.counts, "totals": to_builtins(found.totals)})
    await connection.execute("UPDATE member_import SET summary = %s WHERE id = %s", (summary, work.import_id))
    await connection.execute("DELETE FROM member_import_row WHERE import_id = %s", (work.import_id,))
