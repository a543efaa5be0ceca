"""Tables of after-sale requests, their photos and their changes of state."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index
from sqlalchemy.orm import Mapped, mapped_column

from liyu.core.database import Base


class AfterSale(Base):
    """A member's wish to give units of an order back, to get them exchanged, or to get the points back without a return."""

    __tablename__ = "after_sale"
    __table_args__ = (
        CheckConstraint("kind IN ('return', 'refund', 'exchange')", name="known_kind"),
        CheckConstraint("quantity > 0", name="quantity_is_positive"),
        CheckConstraint("points >= 0 AND cash_minor >= 0", name="not_negative"),
        CheckConstraint("(state = 'refunded') OR (points = 0 AND cash_minor = 0)", name="only_refunds_give_back"),
        CheckConstraint("(closed_at IS NULL) = (due_at IS NOT NULL)", name="due_while_open"),
        CheckConstraint("(carrier IS NULL) = (tracking_number IS NULL)", name="sent_back_with_a_carrier"),
        Index("uq_after_sale_open", "redemption_id", unique=True, postgresql_where="closed_at IS NULL"),
        Index("ix_after_sale_redemption", "redemption_id", "id"),
        Index("ix_after_sale_due", "due_at", postgresql_where="closed_at IS NULL"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    number: Mapped[str] = mapped_column(unique=True)
    redemption_id: Mapped[int] = mapped_column(ForeignKey("redemption.id"))
    kind: Mapped[str]
    reason: Mapped[str]
    """A code of `reasons.py`."""
    words: Mapped[str]
    """The member's own."""
    quantity: Mapped[int]
    state: Mapped[str]
    due_at: Mapped[datetime | None]
    """Until when the next step is due; None once it is closed."""
    carrier: Mapped[str | None]
    """With the next one: the parcel with which the member sends it back."""
    tracking_number: Mapped[str | None]
    points: Mapped[int]
    """What went back with it."""
    cash_minor: Mapped[int]
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class AfterSaleTransition(Base):
    """Every change of a request's state, with who, when and what they said."""

    __tablename__ = "after_sale_transition"
    __table_args__ = (Index("ix_after_sale_transition_after_sale", "after_sale_id", "id"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    after_sale_id: Mapped[int] = mapped_column(ForeignKey("after_sale.id"))
    from_state: Mapped[str | None]
    to_state: Mapped[str]
    reason: Mapped[str]
    actor: Mapped[str]
    at: Mapped[datetime]


class AfterSalePhoto(Base):
    """A photo that shows what is wrong, encoded anew. `erased_at` orders that its file goes, too."""

    __tablename__ = "after_sale_photo"
    __table_args__ = (
        CheckConstraint("width > 0 AND height > 0", name="has_a_size"),
        Index("ix_after_sale_photo_erased", "erased_at", postgresql_where="erased_at IS NOT NULL"),
    )

    after_sale_id: Mapped[int] = mapped_column(ForeignKey("after_sale.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    storage_name: Mapped[str]
    width: Mapped[int]
    height: Mapped[int]
    erased_at: Mapped[datetime | None]
