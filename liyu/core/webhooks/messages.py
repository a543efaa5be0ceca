"""Messages: written with the event itself, sent by the worker until they are heard or given up."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog
from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.bulk import encode_rows, record_of
from liyu.core.database import fetch_all
from liyu.core.outgoing import UnansweredError, UnreachedError, post, sign
from liyu.core.sealing import unseal
from liyu.core.webhooks.subscriptions import SECRET_PURPOSE

WAITS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 300, 600, 840, 1_440))
"""After each attempt that was not heard; after the last one the message is given up."""
LEASE = timedelta(minutes=2)
"""Another worker takes a message up after so long when one has died with it."""
MOST_AT_ONCE = 50

log = structlog.get_logger()


class Event(Struct):
    """Something that happened. `event` names it for ever, so that it is written once for each subscription."""

    event: str
    type: str
    partner_id: int | None
    body: str


class _Due(Struct):
    id: int
    url: str
    secret: bytes
    body: str
    attempts: int


HEARS_ANYBODY = "EXISTS (SELECT FROM webhook_subscription WHERE ended_at IS NULL)"
"""Whether there is any subscription, to stand in a statement that loads more."""

_WRITE = f"""
    INSERT INTO webhook_message (subscription_id, event, type, body, created_at, next_at)
    SELECT s.id, r.event, r.type, r.body, %(now)s, %(now)s
    FROM {record_of(Event, "%(events)s")} JOIN webhook_subscription s
        ON s.ended_at IS NULL AND s.events ? r.type AND (s.partner_id IS NULL OR s.partner_id = r.partner_id)
    ON CONFLICT (subscription_id, event) DO NOTHING"""
_TAKE = f"""
    UPDATE webhook_message m SET next_at = %(lease)s, attempts = attempts + 1
    FROM webhook_subscription s
    WHERE s.id = m.subscription_id AND m.id IN (
        SELECT id FROM webhook_message WHERE next_at <= %(now)s ORDER BY next_at LIMIT {MOST_AT_ONCE} FOR UPDATE SKIP LOCKED)
    RETURNING m.id, s.url, s.secret, m.body, m.attempts"""
_NOTE = """
    UPDATE webhook_message SET next_at = %(next)s, delivered_at = %(delivered)s, last_status = %(status)s, last_error = %(error)s
    WHERE id = %(id)s AND next_at IS NOT NULL"""


def make_event(kind: str, event: str, partner_id: int | None, at: datetime, data: Any) -> Event:
    """An event in the form of Standard Webhooks: type, timestamp, data."""
    body = msgspec.json.encode({"type": kind, "timestamp": at, "data": data}).decode()
    return Event(event, kind, partner_id, body)


async def write_messages(connection: AsyncConnection[Any], events: Sequence[Event], now: datetime) -> None:
    """Write what subscribers are to hear, in the transaction of the events."""
    await connection.execute(_WRITE, {"events": encode_rows(list(events)), "now": now})


async def send_due(connection: AsyncConnection[Any], *, secret_key: str, allow_private: bool, now: datetime) -> int:
    """Send what is due; how many were heard. The connection is in autocommit, and no transaction is open while it is sent.

    After a crash between sending and noting a message is sent once more rather than never; its id is the same.
    """
    due = await fetch_all(connection, _Due, _TAKE, {"now": now, "lease": now + LEASE})
    heard = 0
    for one in sorted(due, key=lambda message: message.id):
        status, error = await _send(one, secret_key, now, allow_private=allow_private)
        is_heard = error is None
        wait = None if is_heard or one.attempts >= len(WAITS) else WAITS[one.attempts - 1]
        note = {
            "id": one.id, "next": now + wait if wait else None, "delivered": now if is_heard else None, "status": status,
            "error": error,
        }  # fmt: skip
        await connection.execute(_NOTE, note)
        heard += is_heard
        log.info("webhook_sent", message=one.id, attempt=one.attempts, status=status, error=error)
    return heard


async def _send(one: _Due, secret_key: str, now: datetime, *, allow_private: bool) -> tuple[int | None, str | None]:
    """The status that came back, and what was wrong; only a status of 2xx is heard."""
    body = one.body.encode()
    headers = sign(unseal(secret_key, SECRET_PURPOSE, bytes(one.secret)), f"msg_{one.id}", body, now)
    try:
        answered = await post(one.url, body, headers, allow_private=allow_private)
    except (UnreachedError, UnansweredError) as fault:
        return None, (str(fault) or type(fault).__name__)[:200]
    is_heard = 200 <= answered.status < 300
    return answered.status, None if is_heard else f"answered {answered.status}"
