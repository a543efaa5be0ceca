"""The lock under which a member's own record changes: that of the points account, as everywhere (docs/algorithms/desk.md)."""

from datetime import date, datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.database import fetch_one
from liyu.core.errors import NotFoundError
from liyu.members.errors import MemberClosedError

_LOCK = "SELECT FROM account WHERE member_id = %s AND kind = 'member_points' FOR UPDATE"
# A statement of its own, so that it sees what the last holder of the lock has left.
_READ = """
    SELECT id, external_id, state, phone, email, name, birthday, city, locale, birthday_changed_at, erased_at
    FROM member WHERE id = %s"""


LEFT = ("closed", "merged")
"""States in which nothing more is written about a member."""


class MemberFacts(Struct, frozen=True):
    """A member's own record."""

    id: int
    external_id: str
    state: str
    phone: str | None
    email: str | None
    name: str | None
    birthday: date | None
    city: str | None
    locale: str | None
    birthday_changed_at: datetime | None
    erased_at: datetime | None


async def lock_member(connection: AsyncConnection[Any], member_id: int) -> MemberFacts:
    """Lock a member until the end of the transaction. Raises NotFoundError."""
    await connection.execute(_LOCK, (member_id,))
    return await read_record(connection, member_id)


async def read_record(connection: AsyncConnection[Any], member_id: int) -> MemberFacts:
    """What is known of a member. Raises NotFoundError."""
    member = await fetch_one(connection, MemberFacts, _READ, (member_id,))
    if member is None:
        raise NotFoundError
    return member


async def lock_open_member(connection: AsyncConnection[Any], member_id: int) -> MemberFacts:
    """As `lock_member`; nothing is written about somebody who has left. Raises MemberClosedError."""
    member = await lock_member(connection, member_id)
    if member.state in LEFT:
        raise MemberClosedError
    return member
