"""Notices to members 站内消息: told once for each subject until they are read, kept for a while, then forgotten."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.bulk import encode_rows, insert_of
from liyu.core.database import fetch_all

KEPT = timedelta(days=180)
PAGE_SIZE = 50

_LIST = """
    SELECT id, topic, subject, details, at, read_at FROM member_notice
    WHERE member_id = %(member)s AND (%(before)s::bigint IS NULL OR id < %(before)s) ORDER BY id DESC LIMIT %(size)s"""
_READ = "UPDATE member_notice SET read_at = %(now)s WHERE member_id = %(member)s AND read_at IS NULL AND id <= %(last)s"


class NoticeRow(Struct, frozen=True):
    """A notice to be told; `subject` tells it from others of its topic."""

    member_id: int
    topic: str
    subject: str
    details: dict[str, Any]
    at: datetime


class Notice(Struct, frozen=True):
    """A notice as its member finds it."""

    id: int
    topic: str
    subject: str
    details: dict[str, Any]
    at: datetime
    read_at: datetime | None


class Notices(Struct, frozen=True):
    """One page of notices, the newest first; `next` is the id before which the following page begins."""

    notices: list[Notice]
    next: int | None


async def tell_members(connection: AsyncConnection[Any], rows: Sequence[NoticeRow]) -> int:
    """Tell members something; how many were told what they have not been told and left unread already."""
    statement = f"{insert_of('member_notice', NoticeRow)} ON CONFLICT DO NOTHING"
    return (await connection.execute(statement, (encode_rows(list(rows)),))).rowcount


async def list_notices(connection: AsyncConnection[Any], member_id: int, *, before: int | None = None) -> Notices:
    """The member's own notices, one page of them."""
    found = await fetch_all(connection, Notice, _LIST, {"member": member_id, "before": before, "size": PAGE_SIZE + 1})
    return Notices(found[:PAGE_SIZE], found[PAGE_SIZE - 1].id if len(found) > PAGE_SIZE else None)


async def mark_read(connection: AsyncConnection[Any], member_id: int, last: int, *, now: datetime) -> None:
    """Note that the member has read everything up to the notice `last`."""
    await connection.execute(_READ, {"member": member_id, "last": last, "now": now})


async def forget_old_notices(connection: AsyncConnection[Any], *, now: datetime) -> int:
    """Delete what was told more than `KEPT` ago; how many notices that were."""
    return (await connection.execute("DELETE FROM member_notice WHERE at < %s", (now - KEPT,))).rowcount
