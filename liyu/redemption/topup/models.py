"""Tables of top-ups: where they are sent, what is to be sent, and every attempt."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index
from sqlalchemy.orm import Mapped, mapped_column

from liyu.core.database import Base


class TopUpEndpoint(Base):
    """A system that carries top-ups out."""

    __tablename__ = "top_up_endpoint"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    url: Mapped[str]
    secret: Mapped[bytes]
    """Signs what is sent, sealed with the installation's key."""
    active: Mapped[bool]
    changed_at: Mapped[datetime]


class TopUpItem(Base):
    """Which system carries out the top-ups of an item; without one they are done by hand."""

    __tablename__ = "top_up_item"
    __table_args__ = (Index("ix_top_up_item_endpoint", "endpoint_id"),)

    item_id: Mapped[int] = mapped_column(ForeignKey("item.id"), primary_key=True)
    endpoint_id: Mapped[int] = mapped_column(ForeignKey("top_up_endpoint.id"))


class TopUp(Base):
    """What is to be credited for an order. `unknown`: an attempt may have reached the other side, which has not said so."""

    __tablename__ = "top_up"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'unknown', 'delivered', 'given_up')", name="known_state"),
        CheckConstraint("next_at IS NULL OR state IN ('waiting', 'unknown')", name="tried_while_open"),
        Index("ix_top_up_due", "next_at", postgresql_where="next_at IS NOT NULL"),
        Index("ix_top_up_open", "redemption_id", postgresql_where="state IN ('waiting', 'unknown')"),
    )

    redemption_id: Mapped[int] = mapped_column(ForeignKey("redemption.id"), primary_key=True, autoincrement=False)
    phone: Mapped[str | None]
    """What is credited: the member's phone when it was ordered, so that every attempt says the same."""
    state: Mapped[str]
    attempts: Mapped[int] = mapped_column(server_default="0")
    next_at: Mapped[datetime | None]
    """When it is tried next; None: not by itself any more."""
    ordered_at: Mapped[datetime]
    changed_at: Mapped[datetime]


class TopUpAttempt(Base):
    """One message that was sent, or could not be, and what came of it."""

    __tablename__ = "top_up_attempt"
    __table_args__ = (Index("ix_top_up_attempt_redemption", "redemption_id", "id"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    redemption_id: Mapped[int] = mapped_column(ForeignKey("redemption.id"))
    result: Mapped[str]
    status: Mapped[int | None]
    """Of HTTP; None without an answer."""
    detail: Mapped[str]
    milliseconds: Mapped[int]
    at: Mapped[datetime]
