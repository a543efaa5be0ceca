"""Writing segments: saved filters over members."""

from datetime import datetime
from typing import Any

from msgspec import to_builtins
from psycopg import AsyncConnection
from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb

from liyu.members.tags.conditions import Conditions
from liyu.members.tags.errors import NameTakenError, UnknownSegmentError

_MAKE = """
    INSERT INTO segment (name, conditions, made_by, changed_at) VALUES (%(name)s, %(conditions)s, %(actor)s, %(now)s)
    RETURNING id"""
_CHANGE = """
    UPDATE segment SET name = %(name)s, conditions = %(conditions)s, changed_at = %(now)s WHERE id = %(id)s RETURNING id"""


async def save_segment(
    connection: AsyncConnection[Any],
    name: str,
    conditions: Conditions,
    *,
    segment_id: int | None = None,
    actor: str,
    now: datetime,
) -> int:
    """Make a segment, or change one, in the caller's transaction. Raises NameTakenError or UnknownSegmentError."""
    values = {
        "id": segment_id, "name": name, "conditions": Jsonb(to_builtins(conditions)), "actor": actor, "now": now,
    }  # fmt: skip
    try:
        async with connection.transaction():
            row = await (await connection.execute(_MAKE if segment_id is None else _CHANGE, values)).fetchone()
    except UniqueViolation:
        raise NameTakenError from None
    if row is None:
        raise UnknownSegmentError
    return int(row[0])


async def delete_segment(connection: AsyncConnection[Any], segment_id: int) -> None:
    """Forget a segment; its members are as they were. Raises UnknownSegmentError."""
    done = await connection.execute("DELETE FROM segment WHERE id = %s", (segment_id,))
    if not done.rowcount:
        raise UnknownSegmentError
