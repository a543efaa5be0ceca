"""What staff did: one event for every write, and for reads of secrets (DESIGN §9)."""

from datetime import datetime
from typing import Any

from sqlalchemy import Identity, Index
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
