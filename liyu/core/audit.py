"""What staff did: one event for every write, and for reads of secrets."""

from datetime import datetime
from typing import Any

from sqlalchemy import Identity, Index, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from liyu.core.database import Base


class AuditEvent(Base):
    """One act: `action` is `noun.verb` (`items.publish`), `object` is `noun:id` (`item:12`)."""

    __tablename__ = "audit_event"
    __table_args__ = (
        Index("ix_audit_event_object", "object", "id"),
        Index("ix_audit_event_actor", "actor", "id"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    at: Mapped[datetime]
    actor: Mapped[str]
    action: Mapped[str]
    object: Mapped[str]
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]
    request_id: Mapped[str | None]
    address: Mapped[str | None]


async def record(
    session: AsyncSession,
    *,
    at: datetime,
    actor: str,
    action: str,
    object: str,  # noqa: A002 - the column's own word
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    request_id: str | None = None,
    address: str | None = None,
) -> None:
    """Write an event in the caller's transaction, so that act and event stand or fall together. Pass no secrets."""
    session.add(
        AuditEvent(
            at=at,
            actor=actor,
            action=action,
            object=object,
            before=before,
            after=after,
            request_id=request_id,
            address=address,
        )
    )
    await session.flush()


async def list_events(
    session: AsyncSession,
    *,
    actor: str | None = None,
    action: str | None = None,
    subject: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    before: int | None = None,
    limit: int = 50,
) -> tuple[list[AuditEvent], int | None]:
    """One page of events, the newest first, and the cursor of the next page; `subject` is an object, `item:12`."""
    wanted = select(AuditEvent).order_by(AuditEvent.id.desc()).limit(limit + 1)
    conditions = {
        AuditEvent.actor: actor,
        AuditEvent.action: action,
        AuditEvent.object: subject,
    }
    for column, value in conditions.items():
        if value:
            wanted = wanted.where(column == value)
    if since is not None and until is not None:
        wanted = wanted.where(AuditEvent.at >= since, AuditEvent.at < until)
    if before is not None:
        wanted = wanted.where(AuditEvent.id < before)
    found = list(await session.scalars(wanted))
    return found[:limit], found[limit - 1].id if len(found) > limit else None
