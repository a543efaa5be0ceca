"""Top-ups as operators see them."""

from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.database import fetch_all, fetch_one

PAGE_SIZE = 50


class Attempt(Struct, frozen=True):
    """One message and what came of it."""

    result: str
    status: int | None
    detail: str
    milliseconds: int
    at: datetime


class TopUpView(Struct, frozen=True):
    """The top-up of an order."""

    state: str
    phone: str | None
    attempts: int
    next_at: datetime | None
    ordered_at: datetime
    changed_at: datetime
    endpoint: str | None


class OpenTopUp(Struct, frozen=True):
    """A top-up that is not decided, in a list."""

    number: str
    member: str
    member_name: str | None
    name_zh: str
    name_en: str
    state: str
    attempts: int
    next_at: datetime | None
    ordered_at: datetime
    endpoint: str | None


_FIND = """
    SELECT t.state, t.phone, t.attempts, t.next_at, t.ordered_at, t.changed_at, e.name AS endpoint
    FROM top_up t JOIN redemption r ON r.id = t.redemption_id LEFT JOIN top_up_item x ON x.item_id = r.item_id
    LEFT JOIN top_up_endpoint e ON e.id = x.endpoint_id WHERE t.redemption_id = %s"""
_OPEN = """
    SELECT r.number, m.external_id AS member, m.name AS member_name, i.name_zh, i.name_en, t.state, t.attempts, t.next_at,
        t.ordered_at, e.name AS endpoint
    FROM top_up t JOIN redemption r ON r.id = t.redemption_id JOIN member m ON m.id = r.member_id JOIN item i ON i.id = r.item_id
    LEFT JOIN top_up_item x ON x.item_id = i.id LEFT JOIN top_up_endpoint e ON e.id = x.endpoint_id
    WHERE t.state IN ('waiting', 'unknown') ORDER BY t.next_at NULLS FIRST, t.redemption_id LIMIT %s"""


async def find_top_up(connection: AsyncConnection[Any], redemption_id: int) -> TopUpView | None:
    """The top-up of an order; None where there is none. Whose order it is, the caller has found out."""
    return await fetch_one(connection, TopUpView, _FIND, (redemption_id,))


async def list_attempts(connection: AsyncConnection[Any], redemption_id: int) -> list[Attempt]:
    """The attempts for an order, the latest first."""
    return await fetch_all(
        connection,
        Attempt,
        "SELECT result, status, detail, milliseconds, at FROM top_up_attempt WHERE redemption_id = %s ORDER BY id DESC",
        (redemption_id,),
    )


async def list_open(connection: AsyncConnection[Any]) -> list[OpenTopUp]:
    """Top-ups that are not decided, those that wait for people first."""
    return await fetch_all(connection, OpenTopUp, _OPEN, (PAGE_SIZE,))
