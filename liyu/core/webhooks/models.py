"""Tables of webhooks: subscriptions, and messages to them."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from liyu.core.database import Base


class WebhookSubscription(Base):
    """An address that wants to hear of some events; a partner's hears of the partner's own."""

    __tablename__ = "webhook_subscription"
    __table_args__ = (
        CheckConstraint("jsonb_array_length(events) > 0", name="wants_something"),
        Index("ix_webhook_subscription_active", "id", postgresql_where="ended_at IS NULL"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    url: Mapped[str]
    secret: Mapped[bytes]
    """Signs what is sent, sealed with the installation's key."""
    events: Mapped[list[str]]
    partner_id: Mapped[int | None] = mapped_column(ForeignKey("partner.id"))
    made_by: Mapped[str]
    made_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class WebhookMessage(Base):
    """One event on its way to one address, written in the transaction of the event itself."""

    __tablename__ = "webhook_message"
    __table_args__ = (
        UniqueConstraint("subscription_id", "event"),
        CheckConstraint("delivered_at IS NULL OR next_at IS NULL", name="delivered_is_done"),
        Index("ix_webhook_message_due", "next_at", postgresql_where="next_at IS NOT NULL"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    subscription_id: Mapped[int] = mapped_column(ForeignKey("webhook_subscription.id"))
    event: Mapped[str]
    """Which event, the same for all its messages: `verified:12`."""
    type: Mapped[str]
    body: Mapped[str]
    created_at: Mapped[datetime]
    next_at: Mapped[datetime | None]
    """When it is tried next; None: delivered, given up or ended."""
    attempts: Mapped[int] = mapped_column(server_default="0")
    delivered_at: Mapped[datetime | None]
    last_status: Mapped[int | None]
    last_error: Mapped[str | None]
