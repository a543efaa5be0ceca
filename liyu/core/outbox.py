"""Mail and SMS wait here until they are sent: written in the caller's transaction, delivered by a job afterwards."""

import asyncio
import smtplib
from collections.abc import Sequence
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from msgspec import Struct
from psycopg import AsyncConnection
from sqlalchemy import CheckConstraint, Identity, Index, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from liyu.core.bulk import encode_rows, insert_of
from liyu.core.clock import Clock
from liyu.core.database import Base, Sessions, unit_of_work

MAIL = "mail"
SMS = "sms"
ATTEMPTS = 8
_TIMEOUT_SECONDS = 20


class OutboxMessage(Base):
    """One message to one recipient."""

    __tablename__ = "outbox_message"
    __table_args__ = (
        CheckConstraint("channel IN ('mail', 'sms')", name="known_channel"),
        Index("ix_outbox_message_due", "channel", "due_at", postgresql_where="sent_at IS NULL"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    channel: Mapped[str]
    recipient: Mapped[str]
    subject: Mapped[str]
    body: Mapped[str]
    locale: Mapped[str]
    created_at: Mapped[datetime]
    due_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str | None]


async def post(
    session: AsyncSession, *, channel: str, recipient: str, body: str, locale: str, now: datetime, subject: str = ""
) -> None:
    """Put a message into the outbox; it leaves only if the caller's transaction commits."""
    session.add(
        OutboxMessage(
            channel=channel,
            recipient=recipient,
            subject=subject,
            body=body,
            locale=locale,
            created_at=now,
            due_at=now,
        )
    )
    await session.flush()


class OutboxRow(Struct):
    """A message where many are written at once."""

    channel: str
    recipient: str
    subject: str
    body: str
    locale: str
    created_at: datetime
    due_at: datetime
    attempts: int = 0


async def post_many(connection: AsyncConnection[Any], rows: Sequence[OutboxRow]) -> None:
    """Put messages into the outbox in one statement; they leave only if the caller's transaction commits."""
    await connection.execute(insert_of("outbox_message", OutboxRow), (encode_rows(rows),))


async def latest_messages(session: AsyncSession, *, limit: int = 50) -> Sequence[OutboxMessage]:
    """The newest messages first, for the development page."""
    return (await session.scalars(select(OutboxMessage).order_by(OutboxMessage.id.desc()).limit(limit))).all()


async def deliver_due(sessions: Sessions, clock: Clock, smtp_url: str, *, limit: int = 50) -> int:
    """Send the mail that is due over `smtp_url` (`smtp://user:password@host:port?from=…`); returns how many were sent.

    Each message is taken in one short transaction and marked in another, with the network in between: after a crash
    between the two it is sent once more rather than never.
    """
    async with unit_of_work(sessions) as session:
        messages = await _take_due(session, clock.now(), limit)
    sent = 0
    for message in messages:
        error = await asyncio.to_thread(_try_send, smtp_url, message)
        async with unit_of_work(sessions) as session:
            await session.execute(
                update(OutboxMessage)
                .where(OutboxMessage.id == message.id)
                .values(sent_at=None if error else clock.now(), last_error=error)
            )
        sent += error is None
    return sent


async def _take_due(session: AsyncSession, now: datetime, limit: int) -> Sequence[OutboxMessage]:
    rows = (
        await session.scalars(
            select(OutboxMessage)
            .where(
                OutboxMessage.channel == MAIL,
                OutboxMessage.sent_at.is_(None),
                OutboxMessage.due_at <= now,
                OutboxMessage.attempts < ATTEMPTS,
            )
            .order_by(OutboxMessage.due_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
    ).all()
    for row in rows:
        row.attempts += 1
        row.due_at = now + timedelta(minutes=2**row.attempts)
    return rows


def _try_send(smtp_url: str, message: OutboxMessage) -> str | None:
    try:
        _send(urlsplit(smtp_url), message)
    except (OSError, smtplib.SMTPException) as error:
        return f"{type(error).__name__}: {error}"[:500]
    return None


def _send(url: SplitResult, message: OutboxMessage) -> None:
    host = url.hostname or "localhost"
    sender = parse_qs(url.query).get("from", [unquote(url.username or "") or f"liyu@{host}"])[0]
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = sender, message.recipient, message.subject
    mail.set_content(message.body)
    kind = smtplib.SMTP_SSL if url.scheme == "smtps" else smtplib.SMTP
    with kind(host, url.port or (465 if url.scheme == "smtps" else 25), timeout=_TIMEOUT_SECONDS) as server:
        if url.scheme == "smtp" and server.has_extn("starttls"):
            server.starttls()
        if url.username:
            server.login(unquote(url.username), unquote(url.password or ""))
        server.send_message(mail)
