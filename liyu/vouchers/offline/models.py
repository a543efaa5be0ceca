"""Tables of tills that go on without a network (docs/algorithms/offline.md)."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from liyu.core.database import Base


class TillDevice(Base):
    """A phone or tablet of a store that may take paper vouchers without a network, within bounds."""

    __tablename__ = "till_device"
    __table_args__ = (
        CheckConstraint("quota BETWEEN 1 AND 500 AND cap_minor > 0 AND hours BETWEEN 1 AND 168", name="sensible"),
        CheckConstraint("(revoked_at IS NULL) = (revoked_by IS NULL)", name="revoked_by_somebody"),
        CheckConstraint("(pairing_hash IS NULL) = (pairing_until IS NULL)", name="pairing_ends"),
        Index("ix_till_device_partner", "partner_id", "id"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    partner_id: Mapped[int] = mapped_column(ForeignKey("partner.id"))
    store_id: Mapped[int] = mapped_column(ForeignKey("store.id"))
    name: Mapped[str]
    pairing_hash: Mapped[bytes | None] = mapped_column(unique=True)
    """Of the code that binds a browser to it; gone when it was typed."""
    pairing_until: Mapped[datetime | None]
    token_hash: Mapped[bytes | None] = mapped_column(unique=True)
    """Of the cookie of the browser that is bound to it."""
    quota: Mapped[int]
    """So many vouchers it may take between two contacts."""
    cap_minor: Mapped[int]
    """So much they may be worth together, in minor units of CNY."""
    hours: Mapped[int]
    """So long after a contact it may take any."""
    added_by: Mapped[str]
    added_at: Mapped[datetime]
    seen_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[str | None]


class OfflineLease(Base):
    """What a device may take on its own until its next contact. Over, it was followed by another."""

    __tablename__ = "offline_lease"
    __table_args__ = (
        CheckConstraint("issued_at < expires_at", name="ends"),
        Index("ix_offline_lease_device", "device_id", "id"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    device_id: Mapped[int] = mapped_column(ForeignKey("till_device.id"))
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    """Who was signed in on the device."""
    quota: Mapped[int]
    cap_minor: Mapped[int]
    issued_at: Mapped[datetime]
    """What was used, cancelled or frozen before, the device was told together with it."""
    expires_at: Mapped[datetime]
    over_at: Mapped[datetime | None]
    """When the device said that it holds another one."""


class OfflineUse(Base):
    """A voucher that a device took without a network, as it came in later: verified, or in conflict with what the books say."""

    __tablename__ = "offline_use"
    __table_args__ = (
        UniqueConstraint("device_id", "nonce"),
        CheckConstraint("(verification_id IS NULL) = (conflict IS NOT NULL)", name="verified_or_in_conflict"),
        CheckConstraint("(bearer IS NULL) = (conflict IS NULL)", name="somebody_bears_a_conflict"),
        CheckConstraint("bearer IN ('partner', 'operator')", name="known_bearer"),
        Index("ix_offline_use_device", "device_id", "id"),
        Index("ix_offline_use_lease", "lease_id"),
        Index("ix_offline_use_conflict", "id", postgresql_where="conflict IS NOT NULL"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    device_id: Mapped[int] = mapped_column(ForeignKey("till_device.id"))
    nonce: Mapped[str]
    lease_id: Mapped[int | None] = mapped_column(ForeignKey("offline_lease.id"))
    voucher_id: Mapped[int | None] = mapped_column(ForeignKey("voucher.id"))
    used_at: Mapped[datetime]
    received_at: Mapped[datetime]
    value_minor: Mapped[int]
    """What the item was worth, as it counts towards the cap."""
    verification_id: Mapped[int | None] = mapped_column(ForeignKey("verification.id"), unique=True)
    conflict: Mapped[str | None]
    """Why it could not be verified."""
    bearer: Mapped[str | None]
    """Who bears the loss by the last decision."""


class OfflineDecision(Base):
    """Who bears the loss of a conflict, by the rule of the agreement or by somebody; the last one is in force."""

    __tablename__ = "offline_decision"
    __table_args__ = (
        CheckConstraint("bearer IN ('partner', 'operator')", name="known_bearer"),
        CheckConstraint("bearer = 'operator' OR amount_minor = 0", name="only_the_operator_pays"),
        Index("ix_offline_decision_use", "offline_use_id", "id"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    offline_use_id: Mapped[int] = mapped_column(ForeignKey("offline_use.id"))
    bearer: Mapped[str]
    amount_minor: Mapped[int]
    """What the partner's account gets for it, in the agreement's currency."""
    reason: Mapped[str]
    actor: Mapped[str]
    at: Mapped[datetime]
