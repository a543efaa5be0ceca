"""The line at a desk in a rush: every process tells how far its desk is, so that any of them can say a place honestly."""

import secrets
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct
from psycopg import AsyncConnection

from liyu.redemption.desk import Desk
from liyu.redemption.state import Answer

SILENT = timedelta(seconds=10)
"""A desk that has not told for so long is not there any more."""

_TELL = """
    INSERT INTO desk_line (desk, joined, settled, rate, told_at) VALUES (%(desk)s, %(joined)s, %(settled)s, %(rate)s, %(now)s)
    ON CONFLICT (desk) DO UPDATE
    SET joined = excluded.joined, settled = excluded.settled, rate = excluded.rate, told_at = excluded.told_at"""


class LinePlace(Struct, frozen=True):
    """A place in a line. `rate`: requests that the desk settles a second; not alive: the desk is gone, ask once more."""

    ahead: int
    length: int
    rate: int
    is_alive: bool


class LineDesk:
    """A desk as its line sees it: numbers that only grow, and how fast."""

    def __init__(self, desk: Desk) -> None:
        self.name = secrets.token_urlsafe(9)
        self.rate = 0
        self._desk = desk
        self._last = 0
        self._is_told = False

    @property
    def joined(self) -> int:
        """The ticket of who came last."""
        return self._desk.joined

    @property
    def settled(self) -> int:
        """The ticket up to which everybody is done."""
        return self._desk.settled

    @property
    def has_news(self) -> bool:
        """Whether there is a line, or the word that it has ended is still to be told."""
        return self.joined > self.settled or self._is_told

    def rest(self) -> None:
        """Measure the desk's speed since the last time, about a second ago."""
        self.rate, self._last = self.settled - self._last, self.settled

    async def tell(self, connection: AsyncConnection[Any], *, now: datetime) -> None:
        """Tell how far the desk is, about once a second."""
        self.rest()
        self._is_told = self.joined > self.settled
        values = {"desk": self.name, "joined": self.joined, "settled": self.settled, "rate": self.rate, "now": now}
        await connection.execute(_TELL, values)


async def find_answer(connection: AsyncConnection[Any], member_id: int, key: str) -> Answer | None:
    """The kept answer to a member's request; None while it waits."""
    found = await connection.execute(
        "SELECT answer FROM idempotent_answer WHERE scope = %s AND key = %s", (f"member:{member_id}", key)
    )
    row = await found.fetchone()
    return msgspec.convert(row[0], Answer) if row else None


async def find_place(connection: AsyncConnection[Any], desk: str, ticket: int, *, now: datetime) -> LinePlace:
    """The place of a ticket in the line of another process, as it told last."""
    found = await connection.execute(
        "SELECT joined, settled, rate FROM desk_line WHERE desk = %s AND told_at > %s", (desk, now - SILENT)
    )
    row = await found.fetchone()
    if row is None:
        return LinePlace(0, 0, 0, is_alive=False)
    joined, settled, rate = row
    return LinePlace(max(ticket - settled, 1), max(joined - settled, 1), rate, is_alive=True)


async def forget_lines(connection: AsyncConnection[Any], *, now: datetime) -> None:
    """Forget desks that are gone."""
    await connection.execute("DELETE FROM desk_line WHERE told_at < %s", (now - timedelta(hours=1),))
