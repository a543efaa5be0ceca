"""Tables of shipping: parcels, and files of tracking numbers."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from liyu.core.database import Base


class Parcel(Base):
    """Units of an order on their way to its member. An order may go in several, and several orders in one box."""

    __tablename__ = "parcel"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity_is_positive"),
        CheckConstraint("(received_at IS NULL) = (received_by IS NULL)", name="received_by_somebody"),
        CheckConstraint("received_at >= sent_at", name="sent_before_received"),
        UniqueConstraint("redemption_id", "carrier", "tracking_number"),
        Index("ix_parcel_on_its_way", "sent_at", postgresql_where="received_at IS NULL"),
        Index("ix_parcel_tracking_number", "tracking_number"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    redemption_id: Mapped[int] = mapped_column(ForeignKey("redemption.id"))
    carrier: Mapped[str]
    """A code of `carriers.py`."""
    tracking_number: Mapped[str]
    quantity: Mapped[int]
    after_sale_id: Mapped[int | None] = mapped_column(ForeignKey("after_sale.id"))
    """The exchange for which it replaces what was sent before; None for what was ordered."""
    sent_at: Mapped[datetime]
    sent_by: Mapped[str]
    received_at: Mapped[datetime | None]
    received_by: Mapped[str | None]
    """The member who said so, or `system` when its days were over."""


class ShippingUpload(Base):
    """A file of tracking numbers between its upload and the yes or no."""

    __tablename__ = "shipping_upload"
    __table_args__ = (
        CheckConstraint("state IN ('ready', 'applied', 'discarded')", name="known_state"),
        Index("ix_shipping_upload_partner", "partner_id", "id"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    partner_id: Mapped[int | None] = mapped_column(ForeignKey("partner.id"))
    """Whose orders it may send; None for any."""
    file_name: Mapped[str]
    storage_name: Mapped[str]
    state: Mapped[str]
    made_by: Mapped[str]
    made_at: Mapped[datetime]
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """How many parcels it sent."""
