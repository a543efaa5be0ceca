"""Tables of the points account: lots, what every transfer did to them, earning rules and earning events."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Computed, ForeignKey, Identity, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from liyu.core.database import Base


class Lot(Base):
    """Points of one account with the same funder and the same last day 批次; pending lots also by the day they mature."""

    __tablename__ = "lot"
    __table_args__ = (
        CheckConstraint("remaining >= 0", name="never_below_zero"),
        UniqueConstraint("account_id", "expires_on", "funder", "matures_on", postgresql_nulls_not_distinct=True),
        Index("ix_lot_open_expiry", "expires_on", postgresql_where="is_open"),
        {"postgresql_with": {"fillfactor": "70"}},
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    funder: Mapped[str]
    expires_on: Mapped[date | None]
    """The last day on which these points can be used; they lapse at the midnight that ends it. None never lapses."""
    matures_on: Mapped[date | None]
    """For pending points: the day from which they can be used."""
    remaining: Mapped[int]
    is_open: Mapped[bool] = mapped_column(Computed("remaining > 0", persisted=True))
    """What the index asks. Asked about `remaining` itself, it would have to be written anew with every point that moves."""


class LotEntry(Base):
    """What one transfer put into (> 0) or took from (< 0) one lot; append-only like the transfer."""

    __tablename__ = "lot_entry"
    __table_args__ = (
        CheckConstraint("amount <> 0", name="amount_not_zero"),
        Index("ix_lot_entry_lot", "lot_id"),
    )

    transfer_id: Mapped[int] = mapped_column(ForeignKey("transfer.id"), primary_key=True)
    lot_id: Mapped[int] = mapped_column(ForeignKey("lot.id"), primary_key=True)
    amount: Mapped[int]


class EarningRule(Base):
    """How points arise from one type of event; versions are told apart by their validity, never edited."""

    __tablename__ = "earning_rule"
    __table_args__ = (
        CheckConstraint("points >= 0 AND growth >= 0", name="not_negative"),
        CheckConstraint("per_minor IS NULL OR per_minor > 0", name="rate_needs_a_divisor"),
        CheckConstraint(
            "condition IN ('always', 'birthday', 'birthday_month', 'first_time', 'streak')", name="known_condition"
        ),
        CheckConstraint("(condition = 'streak') = (every_days IS NOT NULL)", name="streak_has_its_days"),
        CheckConstraint(
            "(birthday_basis_points = 10000) = (birthday_span IS NULL)", name="birthday_multiplier_has_its_span"
        ),
        CheckConstraint("valid_to >= valid_from", name="ends_after_it_begins"),
        UniqueConstraint("code", "version"),
        Index("ix_earning_rule_type", "event_type", "valid_from"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    code: Mapped[str]
    version: Mapped[int]
    event_type: Mapped[str]
    name_zh: Mapped[str]
    name_en: Mapped[str]
    points: Mapped[int]
    """Points per `per_minor` of the amount, or per event where `per_minor` is None."""
    growth: Mapped[int]
    """Growth value, counted like the points but without the tier's multiplier."""
    per_minor: Mapped[int | None]
    tier_multiplied: Mapped[bool]
    daily_cap: Mapped[int | None]
    yearly_cap: Mapped[int | None]
    pending_days: Mapped[int]
    valid_from: Mapped[datetime]
    valid_to: Mapped[datetime | None]
    """Excluded. A planned version that was withdrawn ends when it would have begun."""
    condition: Mapped[str]
    """When it gives something: `always`, or only on a `birthday`, in the `birthday_month`, the `first_time`, for a `streak`."""
    every_days: Mapped[int | None]
    """Of a streak: on every so many-th day in a row."""
    birthday_basis_points: Mapped[int]
    birthday_span: Mapped[str | None]
    """Where the birthday multiplies: on the `day` or all through its `month`."""
    lifetime_cap: Mapped[int | None]


class EarningEvent(Base):
    """What a host system told us, once per type and reference, with the rule lines that gave its points ("why")."""

    __tablename__ = "earning_event"
    __table_args__ = (
        UniqueConstraint("type", "reference"),
        Index("ix_earning_event_member", "member_id", "id"),
        Index("ix_earning_event_check_in", "member_id", "occurred_at", postgresql_where="type = 'check_in'"),
        Index("ix_earning_event_purchase", "purchase_reference", postgresql_where="purchase_reference IS NOT NULL"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    type: Mapped[str]
    reference: Mapped[str]
    amount_minor: Mapped[int | None]
    currency: Mapped[str | None]
    occurred_at: Mapped[datetime]
    received_at: Mapped[datetime]
    points: Mapped[int]
    growth: Mapped[int]
    lines: Mapped[list[dict[str, object]]] = mapped_column(JSONB)
    body_hash: Mapped[str]
    purchase_reference: Mapped[str | None]
    """Of a return: the purchase that it is of, whether that is known or not."""
    points_part_minor: Mapped[int | None]
    """Of a purchase: the part of the amount that was paid with points."""


class EarningUse(Base):
    """How much of a rule's cap a member has used in a period: `2026-11-22` for a day, `2026` for a year, `ever` for all time."""

    __tablename__ = "earning_use"
    __table_args__ = (CheckConstraint("used <= cap", name="within_cap"),)

    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"), primary_key=True)
    rule_code: Mapped[str] = mapped_column(primary_key=True)
    period: Mapped[str] = mapped_column(primary_key=True)
    used: Mapped[int]
    cap: Mapped[int]
