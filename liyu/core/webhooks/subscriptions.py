"""Subscriptions: made, listed and ended by those whose events they hear of; and the messages to them."""

import secrets
from base64 import b64encode
from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from liyu.core.database import fetch_all
from liyu.core.errors import InvalidInputError, NotFoundError
from liyu.core.i18n import N_, Message
from liyu.core.outgoing import SECRET_PREFIX, is_web_address
from liyu.core.sealing import seal

EVENTS = ("voucher.verified", "voucher.undone")
SECRET_PURPOSE = "webhook"  # noqa: S105 - what the key is for
MOST_LISTED = 100
_SECRET_BYTES = 32


class Subscription(Struct):
    """An address and what it hears of."""

    id: int
    url: str
    events: list[str]
    made_at: datetime


class MessageLine(Struct):
    """A message and what became of it: `delivered`, `waiting` or `given_up`."""

    id: int
    type: str
    status: str
    attempts: int
    created_at: datetime
    delivered_at: datetime | None
    last_status: int | None
    last_error: str | None


_OWN = "(%(partner)s::bigint IS NULL OR partner_id = %(partner)s) AND ended_at IS NULL"
_MESSAGES = f"""
    SELECT m.id, m.type, CASE WHEN m.delivered_at IS NOT NULL THEN 'delivered' WHEN m.next_at IS NOT NULL THEN 'waiting'
            ELSE 'given_up' END AS status,
        m.attempts, m.created_at, m.delivered_at, m.last_status, m.last_error
    FROM webhook_message m WHERE m.subscription_id = %(id)s
    ORDER BY m.id DESC LIMIT {MOST_LISTED}"""
_RESEND = f"""
    UPDATE webhook_message m SET next_at = %(now)s, delivered_at = NULL, attempts = 0
    FROM webhook_subscription WHERE webhook_subscription.id = m.subscription_id AND m.id = %(message)s
        AND m.subscription_id = %(id)s AND {_OWN}"""


async def subscribe(
    connection: AsyncConnection[Any],
    *,
    url: str,
    events: list[str],
    partner_id: int | None,
    secret_key: str,
    allow_private: bool,
    actor: str,
    now: datetime,
) -> tuple[Subscription, str]:
    """A new subscription with its secret, which is shown this once. Raises InvalidInputError that names every faulty field."""
    faults = {}
    if not is_web_address(url, allow_private=allow_private):
        faults["url"] = Message(N_("Messages are sent to addresses that begin with https:// only."))
    unknown = sorted(set(events) - set(EVENTS))
    if unknown or not events:
        words = Message(
            N_("Unknown events: %(unknown)s. Known events: %(known)s."),
            {"unknown": ", ".join(unknown) or "-", "known": ", ".join(EVENTS)},
        )
        faults["events"] = words
    if faults:
        raise InvalidInputError.of_fields(faults)
    secret = SECRET_PREFIX + b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
    wanted = sorted(set(events))
    made = await connection.execute(
        "INSERT INTO webhook_subscription (url, secret, events, partner_id, made_by, made_at) "
        "VALUES (%s, %s, %s, %s, %s, %s) RETURNING id",
        (url, seal(secret_key, SECRET_PURPOSE, secret), Jsonb(wanted), partner_id, actor, now),
    )
    row = await made.fetchone()
    assert row is not None
    return Subscription(row[0], url, wanted, now), secret


async def list_subscriptions(connection: AsyncConnection[Any], partner_id: int | None) -> list[Subscription]:
    """A partner's own subscriptions; None is the host, who sees all."""
    return await fetch_all(
        connection,
        Subscription,
        f"SELECT id, url, events, made_at FROM webhook_subscription WHERE {_OWN} ORDER BY id",
        {"partner": partner_id},
    )


async def unsubscribe(
    connection: AsyncConnection[Any], subscription_id: int, *, partner_id: int | None, now: datetime
) -> None:
    """End a subscription; what waits for it is not sent any more. Raises NotFoundError, also for another partner's."""
    values = {"id": subscription_id, "partner": partner_id, "now": now}
    ended = await connection.execute(
        f"UPDATE webhook_subscription SET ended_at = %(now)s WHERE id = %(id)s AND {_OWN}", values
    )
    if not ended.rowcount:
        raise NotFoundError
    await connection.execute("UPDATE webhook_message SET next_at = NULL WHERE subscription_id = %(id)s", values)


async def list_messages(
    connection: AsyncConnection[Any], subscription_id: int, *, partner_id: int | None
) -> list[MessageLine]:
    """The newest messages of a subscription. Raises NotFoundError, also for another partner's."""
    values = {"id": subscription_id, "partner": partner_id}
    own = await connection.execute(f"SELECT FROM webhook_subscription WHERE id = %(id)s AND {_OWN}", values)
    if not own.rowcount:
        raise NotFoundError
    return await fetch_all(connection, MessageLine, _MESSAGES, values)


async def resend(
    connection: AsyncConnection[Any], subscription_id: int, message_id: int, *, partner_id: int | None, now: datetime
) -> None:
    """Send a message once more, with the same id. Raises NotFoundError, also for another partner's."""
    values = {"id": subscription_id, "message": message_id, "partner": partner_id, "now": now}
    if not (await connection.execute(_RESEND, values)).rowcount:
        raise NotFoundError
