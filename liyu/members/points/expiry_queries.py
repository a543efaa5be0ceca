"""What operators and members see of changed last days and of reminders."""

from datetime import date, datetime, timedelta
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.database import fetch_all


class ChangeLine(Struct, frozen=True):
    """One order for another last day; the member's fields are None where it was for everybody."""

    id: int
    kind: str
    external_id: str | None
    member_name: str | None
    from_day: date | None
    to_day: date
    reason: str
    actor: str
    at: datetime
    finished_at: datetime | None
    lots: int
    points: int


class LapsedDay(Struct, frozen=True):
    """Points of one member that lapsed after a day and were not put back."""

    day: date
    points: int


class ReminderLine(Struct, frozen=True):
    """What a member was told of."""

    month: date
    first_day: date
    points: int
    channel: str
    at: datetime


_CHANGES = """
    SELECT c.id, c.kind, m.external_id, m.name AS member_name, c.from_day, c.to_day, c.reason, c.actor, c.at, c.finished_at, c.lots,
        c.points
    FROM expiry_change c LEFT JOIN member m ON m.id = c.member_id
    WHERE (%(member)s::bigint IS NULL OR c.member_id = %(member)s)
        AND (%(before)s::bigint IS NULL OR c.id < %(before)s)
    ORDER BY c.id DESC LIMIT %(most)s"""

_LAPSED = """
    SELECT l.expires_on AS day, sum(t.amount)::bigint AS points
    FROM account o JOIN lot l ON l.account_id = o.id
    JOIN lot_entry e ON e.lot_id = l.id JOIN transfer t ON t.id = e.transfer_id AND t.event = 'lapse'
    WHERE o.member_id = %(member)s AND l.expires_on >= %(since)s
        AND NOT EXISTS (SELECT FROM transfer r WHERE r.reversal_of = t.id)
    GROUP BY 1 ORDER BY 1 DESC"""

_REMINDERS = """
    SELECT month, first_day, points, channel, at FROM lapse_reminder WHERE member_id = %s ORDER BY month DESC LIMIT %s"""


async def list_changes(
    connection: AsyncConnection[Any], *, member_id: int | None = None, before: int | None = None, size: int = 20
) -> tuple[list[ChangeLine], int | None]:
    """One page of orders, the newest first, and the cursor of the next page."""
    values = {"member": member_id, "before": before, "most": size + 1}
    found = await fetch_all(connection, ChangeLine, _CHANGES, values)
    return found[:size], found[size - 1].id if len(found) > size else None


async def list_lapsed(
    connection: AsyncConnection[Any], member_id: int, today: date, grace_days: int
) -> list[LapsedDay]:
    """What a member lost so lately that it can be put back; nothing without days of grace."""
    if grace_days <= 0:
        return []
    return await fetch_all(
        connection, LapsedDay, _LAPSED, {"member": member_id, "since": today - timedelta(days=grace_days)}
    )


async def list_reminders(connection: AsyncConnection[Any], member_id: int, most: int = 12) -> list[ReminderLine]:
    """What a member was told of, the latest month first."""
    return await fetch_all(connection, ReminderLine, _REMINDERS, (member_id, most))
