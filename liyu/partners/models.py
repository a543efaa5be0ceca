"""Tables of partner companies, their stores and their agreements."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from liyu.core.database import Base

COOPERATION_MODES = ("concierge", "bulk_purchase", "member_discount", "free_quota")
OFFLINE_LOSSES = ("partner", "operator", "capped")


class Partner(Base):
    """A company whose rights members redeem."""

    __tablename__ = "partner"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    code: Mapped[str] = mapped_column(unique=True)
    name_zh: Mapped[str]
    name_en: Mapped[str]
    category: Mapped[str]
    state: Mapped[str]
    credit_code: Mapped[str | None] = mapped_column(unique=True)
    registered_capital_minor: Mapped[int | None]
    founded_on: Mapped[date | None]
    service_phone: Mapped[str | None]
    created_at: Mapped[datetime]


class PartnerStateChange(Base):
    """Every change of a partner's state, with who and why."""

    __tablename__ = "partner_state_change"
    __table_args__ = (Index("ix_partner_state_change_partner", "partner_id", "id"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    partner_id: Mapped[int] = mapped_column(ForeignKey("partner.id"))
    from_state: Mapped[str | None]
    to_state: Mapped[str]
    reason: Mapped[str]
    actor: Mapped[str]
    at: Mapped[datetime]


class Store(Base):
    """A place where vouchers are verified."""

    __tablename__ = "store"
    __table_args__ = (
        CheckConstraint("(latitude IS NULL) = (longitude IS NULL)", name="both_coordinates"),
        CheckConstraint("latitude BETWEEN -90 AND 90 AND longitude BETWEEN -180 AND 180", name="on_earth"),
        Index("ix_store_partner", "partner_id"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    partner_id: Mapped[int] = mapped_column(ForeignKey("partner.id"))
    code: Mapped[str] = mapped_column(unique=True)
    name_zh: Mapped[str]
    name_en: Mapped[str]
    city_code: Mapped[str | None]
    city_zh: Mapped[str]
    city_en: Mapped[str]
    address_zh: Mapped[str]
    address_en: Mapped[str]
    opening_hours: Mapped[str]
    active: Mapped[bool] = mapped_column(default=True)
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
    """In degrees, WGS 84, both or neither."""


class AgreementLine(Base):
    """One version of one cooperation mode agreed with a partner; a redemption pins the version it was priced with."""

    __tablename__ = "agreement_line"
    __table_args__ = (
        UniqueConstraint("partner_id", "code", "version"),
        UniqueConstraint("id", "partner_id"),
        CheckConstraint("mode IN ('concierge', 'bulk_purchase', 'member_discount', 'free_quota')", name="known_mode"),
        CheckConstraint("unit_price_minor >= 0 AND commission_minor >= 0 AND free_quota >= 0", name="not_negative"),
        CheckConstraint(
            "offline_loss IN ('partner', 'operator', 'capped') AND offline_loss_cap_minor >= 0",
            name="known_offline_loss",
        ),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    partner_id: Mapped[int] = mapped_column(ForeignKey("partner.id"))
    code: Mapped[str]
    version: Mapped[int]
    mode: Mapped[str]
    title_zh: Mapped[str]
    title_en: Mapped[str]
    currency: Mapped[str]
    unit_price_minor: Mapped[int]
    """Concierge: fee per verified voucher. Free quota: price of each use beyond the quota. Bulk purchase: for information."""
    commission_minor: Mapped[int]
    """Member discount: what the partner owes per verified voucher."""
    free_quota: Mapped[int]
    """Free quota: uses per calendar month that cost nothing."""
    tax_rate_basis_points: Mapped[int]
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]
    offline_loss: Mapped[str] = mapped_column(server_default="partner")
    """Who bears what a till took without a network and the books refuse: partner, operator, or the operator up to the cap."""
    offline_loss_cap_minor: Mapped[int] = mapped_column(server_default="0")
    """Capped: so much the operator bears in a calendar month."""
