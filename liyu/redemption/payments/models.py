"""Tables of points + cash: the hold of an order, the money received for it, the money given back, and the provider's events."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index
from sqlalchemy.orm import Mapped, mapped_column

from liyu.core.database import Base


class PaymentHold(Base):
    """Points, stock and codes that are kept for an order until its cash part is paid (docs/rules.md 10).

    The outcome is decided once: the database refuses to change it.
    """

    __tablename__ = "payment_hold"
    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="amount_is_positive"),
        CheckConstraint("outcome IN ('captured', 'released')", name="known_outcome"),
        CheckConstraint("(outcome IS NULL) = (decided_at IS NULL)", name="decided_at_an_instant"),
        Index("ix_payment_hold_due", "deadline", postgresql_where="outcome IS NULL"),
        Index("ix_payment_hold_open_at_provider", "redemption_id", postgresql_where="closed_at IS NULL"),
    )

    redemption_id: Mapped[int] = mapped_column(ForeignKey("redemption.id"), primary_key=True, autoincrement=False)
    amount_minor: Mapped[int]
    currency: Mapped[str]
    deadline: Mapped[datetime]
    agreement_line_id: Mapped[int | None] = mapped_column(ForeignKey("agreement_line.id"))
    """With the next two: the terms of the vouchers, as they were when the order was made."""
    uses: Mapped[int]
    voucher_days: Mapped[int]
    outcome: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    intent_id: Mapped[str | None] = mapped_column(unique=True)
    """The PaymentIntent that was made with the order's number as idempotency key."""
    checkout_id: Mapped[str | None] = mapped_column(unique=True)
    closed_at: Mapped[datetime | None]
    """Since when the provider takes no more money for it."""


class Payment(Base):
    """Money received for an order: one row for each PaymentIntent that succeeded. One of them captures; others go back."""

    __tablename__ = "payment"
    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="amount_is_positive"),
        CheckConstraint("refunded_minor BETWEEN 0 AND amount_minor", name="never_more_back_than_paid"),
        Index("uq_payment_captures", "redemption_id", unique=True, postgresql_where="captures"),
        Index("ix_payment_redemption", "redemption_id"),
    )

    intent_id: Mapped[str] = mapped_column(primary_key=True)
    redemption_id: Mapped[int] = mapped_column(ForeignKey("redemption.id"))
    amount_minor: Mapped[int]
    currency: Mapped[str]
    captures: Mapped[bool]
    refunded_minor: Mapped[int]
    """What was given back or is on its way back."""
    received_at: Mapped[datetime]


class PaymentRefund(Base):
    """Money that goes back: wanted, then made by the provider, or failed with its word why."""

    __tablename__ = "payment_refund"
    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="amount_is_positive"),
        CheckConstraint("state IN ('wanted', 'made', 'failed')", name="known_state"),
        CheckConstraint("(state = 'wanted') = (done_at IS NULL)", name="done_at_an_instant"),
        Index("ix_payment_refund_payment", "intent_id", "id"),
        Index("ix_payment_refund_wanted", "id", postgresql_where="state = 'wanted'"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    """The idempotency key at the provider."""
    intent_id: Mapped[str] = mapped_column(ForeignKey("payment.intent_id"))
    amount_minor: Mapped[int]
    points: Mapped[int]
    """Points that went back together with it, by the rule of `split.py`; those of a whole order are counted with its cancelling."""
    reason: Mapped[str]
    actor: Mapped[str]
    state: Mapped[str]
    provider_id: Mapped[str | None]
    fault: Mapped[str | None]
    wanted_at: Mapped[datetime]
    done_at: Mapped[datetime | None]


class PaymentEvent(Base):
    """What the provider told us, once for each event id; only what we need of it, nothing about the person who paid."""

    __tablename__ = "payment_event"
    __table_args__ = (
        Index("ix_payment_event_number", "number", "at", postgresql_where="number IS NOT NULL"),
        CheckConstraint("(result IS NULL) = (handled_at IS NULL)", name="handled_with_a_result"),
    )

    event_id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    at: Mapped[datetime]
    """When it happened, by the provider's clock."""
    number: Mapped[str | None]
    """The order's number, as we gave it to the provider."""
    intent_id: Mapped[str | None]
    amount_minor: Mapped[int]
    refunded_minor: Mapped[int]
    currency: Mapped[str]
    received_at: Mapped[datetime]
    handled_at: Mapped[datetime | None]
    result: Mapped[str | None]
