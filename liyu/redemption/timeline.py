"""Everything that happened to a member, newest first, in pages: each package contributes the events that it knows."""

from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.database import fetch_all
from liyu.members.service import timeline as members
from liyu.vouchers import timeline as vouchers

PAGE_SIZE = 30

_ORDERS = """
    SELECT t.at, t.id, t.actor, jsonb_build_object('state', t.to_state, 'reason', t.reason, 'number', r.number,
        'name_zh', i.name_zh, 'name_en', i.name_en, 'quantity', r.quantity, 'points', r.points) AS data
    FROM redemption r JOIN redemption_transition t ON t.redemption_id = r.id JOIN item i ON i.id = r.item_id
    WHERE r.member_id = %(member)s"""

EVENTS = {
    "points": members.EVENTS["points"],
    "orders": _ORDERS,
    **vouchers.EVENTS,
    **{kind: query for kind, query in members.EVENTS.items() if kind != "points"},
}
"""The query of each kind, in the order in which they are offered."""


_BEHIND = "(%(at)s::timestamptz IS NULL OR (e.at, e.kind, e.id) < (%(at)s, %(kind)s::text, %(id)s::bigint))"


class TimelineEvent(Struct, frozen=True):
    """One event; what `data` holds depends on the kind."""

    kind: str
    at: datetime
    id: int
    actor: str | None
    data: dict[str, Any]


class Place(Struct, frozen=True):
    """Where a page ends: the event behind which the next one begins."""

    at: datetime
    kind: str
    id: int


class TimelinePage(Struct, frozen=True):
    """One page of events, the newest first; `next` is None on the last one."""

    events: list[TimelineEvent]
    next: Place | None


async def read_timeline(
    connection: AsyncConnection[Any],
    member_id: int,
    *,
    kinds: list[str] | None = None,
    after: Place | None = None,
    size: int = PAGE_SIZE,
) -> TimelinePage:
    """One page of what happened to a member and to those merged into them; `kinds` None is everything."""
    values = {
        "member": member_id, "most": size + 1, "at": after and after.at, "kind": after and after.kind, "id": after and after.id,
    }  # fmt: skip
    parts = [
        f"(SELECT * FROM (SELECT '{kind}' AS kind, q.* FROM ({EVENTS[kind]}) AS q) AS e WHERE {_BEHIND} "
        "ORDER BY at DESC, id DESC LIMIT %(most)s)"
        for kind in kinds or EVENTS
    ]
    statement = f"SELECT * FROM ({' UNION ALL '.join(parts)}) AS e ORDER BY at DESC, kind DESC, id DESC LIMIT %(most)s"
    events = await fetch_all(connection, TimelineEvent, statement, values)
    last = events[size - 1] if len(events) > size else None
    return TimelinePage(events[:size], Place(last.at, last.kind, last.id) if last else None)
