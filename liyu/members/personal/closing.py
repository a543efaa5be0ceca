"""The wish to leave: asked for, taken back within the days of the program, and due after them."""

from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.database import fetch_all
from liyu.members.personal.errors import ClosingAlreadyAskedError, NoClosingError
from liyu.members.personal.locking import lock_open_member
from liyu.members.program import load_terms

_OPEN = "cancelled_at IS NULL AND done_at IS NULL"
_ASK = f"""
    INSERT INTO closing_request (member_id, reason, actor, requested_at, due_at) VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT (member_id) WHERE {_OPEN} DO NOTHING"""


class ClosingLine(Struct, frozen=True):
    """A wish to close an account, and what became of it."""

    reason: str
    actor: str
    requested_at: datetime
    due_at: datetime
    cancelled_at: datetime | None
    done_at: datetime | None

    @property
    def is_open(self) -> bool:
        """Whether it still stands."""
        return self.cancelled_at is None and self.done_at is None


async def list_closings(connection: AsyncConnection[Any], member_id: int) -> list[ClosingLine]:
    """A member's wishes to leave, the latest first."""
    return await fetch_all(
        connection,
        ClosingLine,
        "SELECT reason, actor, requested_at, due_at, cancelled_at, done_at FROM closing_request "
        "WHERE member_id = %s ORDER BY id DESC",
        (member_id,),
    )


async def find_closing(connection: AsyncConnection[Any], member_id: int) -> ClosingLine | None:
    """The wish that stands, if there is one."""
    return next((one for one in await list_closings(connection, member_id) if one.is_open), None)


async def ask_to_close(
    connection: AsyncConnection[Any], member_id: int, *, reason: str, actor: str, now: datetime
) -> datetime:
    """Note the wish to leave and return when it is due. Raises ClosingAlreadyAskedError or MemberClosedError."""
    await lock_open_member(connection, member_id)
    due_at = now + timedelta(days=(await load_terms(connection)).closing_days)
    asked = await connection.execute(_ASK, (member_id, reason, actor, now, due_at))
    if not asked.rowcount:
        raise ClosingAlreadyAskedError
    return due_at


async def take_back_closing(connection: AsyncConnection[Any], member_id: int, *, now: datetime) -> None:
    """Stay after all. Raises NoClosingError or MemberClosedError."""
    await lock_open_member(connection, member_id)
    taken_back = await connection.execute(
        f"UPDATE closing_request SET cancelled_at = %s WHERE member_id = %s AND {_OPEN}", (now, member_id)
    )
    if not taken_back.rowcount:
        raise NoClosingError


async def finish_closing(connection: AsyncConnection[Any], member_id: int, *, now: datetime) -> None:
    """Note that a wish was carried out; one that nobody uttered need not be there."""
    await connection.execute(
        f"UPDATE closing_request SET done_at = %s WHERE member_id = %s AND {_OPEN}", (now, member_id)
    )


async def list_due(connection: AsyncConnection[Any], now: datetime, most: int) -> list[int]:
    """Members whose wish is due, the longest first."""
    found = await connection.execute(
        f"SELECT member_id FROM closing_request WHERE {_OPEN} AND due_at <= %s ORDER BY due_at, id LIMIT %s",
        (now, most),
    )
    return [int(row[0]) for row in await found.fetchall()]
