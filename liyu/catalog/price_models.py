"""The table of prices that are to hold from an instant on."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from liyu.core.database import Base


class PlannedPrice(Base):
    """A price of an item from an instant on: planned, then published by the worker, refused with its fault, or withdrawn."""

    __tablename__ = "planned_price"
    __table_args__ = (
        CheckConstraint("points >= 0 AND cash_minor >= 0", name="not_negative"),
        CheckConstraint("state IN ('planned', 'published', 'refused', 'withdrawn')", name="known_state"),
        CheckConstraint("(state = 'planned') = (decided_at IS NULL)", name="decided_at_an_instant"),
        CheckConstraint("(state = 'refused') = (fault IS NOT NULL)", name="refused_with_a_fault"),
        CheckConstraint("begins_at > planned_at", name="planned_ahead"),
        Index("uq_planned_price_instant", "item_id", "begins_at", unique=True, postgresql_where="state = 'planned'"),
        Index("ix_planned_price_due", "begins_at", "id", postgresql_where="state = 'planned'"),
        Index("ix_planned_price_item", "item_id", "begins_at"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("item.id"))
    points: Mapped[int]
    cash_minor: Mapped[int]
    tier_prices: Mapped[dict[str, int] | None] = mapped_column(JSONB(none_as_null=True))
    """Points by the code of the tier."""
    begins_at: Mapped[datetime]
    reason: Mapped[str]
    planned_by: Mapped[str]
    planned_at: Mapped[datetime]
    state: Mapped[str]
    decided_at: Mapped[datetime | None]
    fault: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """Why it could not be published: the text and the values of the message."""
