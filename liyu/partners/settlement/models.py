"""Tables of settlement: payable entries, statements with their lines, payouts."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Identity, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from liyu.core.database import Base


class PayableEntry(Base):
    """What one event did to a partner's account under one agreement line; zero amounts stand here too, as memo lines.

    Entries are never changed. Which statement an entry is on follows from the bounds of the statements (`statement.py`).
    """

    __tablename__ = "payable_entry"
    __table_args__ = (
        CheckConstraint("(amount_minor = 0) = (transfer_id IS NULL)", name="money_moves_in_the_ledger"),
        CheckConstraint("free = (quota_month IS NOT NULL)", name="free_uses_count_in_a_month"),
        UniqueConstraint("source", "kind"),
        # One key for both: an entry is under an agreement of its own partner.
        ForeignKeyConstraint(["agreement_line_id", "partner_id"], ["agreement_line.id", "agreement_line.partner_id"]),
        Index("ix_payable_entry_period", "partner_id", "at"),
        Index("ix_payable_entry_recorded", "partner_id", "id"),
    )

    # Always from the sequence, inside the statement that inserts: the barrier of `compute.py` relies on it.
    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    partner_id: Mapped[int]
    agreement_line_id: Mapped[int]
    kind: Mapped[str]
    """`use` for a verification, `undo` for one taken back."""
    source: Mapped[str]
    quantity: Mapped[int]
    free: Mapped[bool]
    amount_minor: Mapped[int]
    """Positive: owed to the partner. Negative: owed by the partner. In the agreement line's currency."""
    transfer_id: Mapped[int | None] = mapped_column(ForeignKey("transfer.id"), unique=True)
    quota_month: Mapped[str | None]
    """The month whose free quota it used, `2026-10`."""
    at: Mapped[datetime]


class QuotaUse(Base):
    """How much of a free quota a month has used; the row is the lock that keeps the count exact."""

    __tablename__ = "quota_use"
    __table_args__ = (CheckConstraint("used >= 0", name="not_negative"),)

    agreement_line_id: Mapped[int] = mapped_column(ForeignKey("agreement_line.id"), primary_key=True)
    month: Mapped[str] = mapped_column(primary_key=True)
    used: Mapped[int]


class Statement(Base):
    """What a partner and the operator owe each other for one period; frozen from approval on."""

    __tablename__ = "statement"
    __table_args__ = (
        UniqueConstraint("partner_id", "period"),
        CheckConstraint("approved_by IS NULL OR approved_by <> prepared_by", name="four_eyes"),
        CheckConstraint("net_minor = payable_minor - receivable_minor", name="net_is_the_difference"),
        CheckConstraint("state IN ('draft', 'sent', 'confirmed', 'approved', 'paid', 'closed')", name="known_state"),
        CheckConstraint(
            "(approved_by IS NOT NULL) = (state IN ('approved', 'paid', 'closed'))", name="somebody_approved_it"
        ),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    number: Mapped[str] = mapped_column(unique=True)
    partner_id: Mapped[int] = mapped_column(ForeignKey("partner.id"))
    period: Mapped[str]
    """The month, `2026-10`, in the program's time zone."""
    currency: Mapped[str]
    state: Mapped[str]
    payable_minor: Mapped[int]
    receivable_minor: Mapped[int]
    net_minor: Mapped[int]
    entries: Mapped[int]
    ends_at: Mapped[datetime]
    """The instant at which the period ends."""
    watermark: Mapped[int]
    """The last payable entry that was looked at: together with the end of the period it fixes what is settled from here on."""
    previous_ends_at: Mapped[datetime | None]
    previous_watermark: Mapped[int]
    """The same two bounds of the partner's statement before; None and 0 for the first one."""
    digest: Mapped[str]
    prepared_by: Mapped[str]
    prepared_at: Mapped[datetime]
    approved_by: Mapped[str | None]
    approved_at: Mapped[datetime | None]


class StatementLine(Base):
    """One line: an agreement line's entries of the period, summed."""

    __tablename__ = "statement_line"
    __table_args__ = (UniqueConstraint("statement_id", "agreement_line_id", "position"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    statement_id: Mapped[int] = mapped_column(ForeignKey("statement.id", ondelete="CASCADE"))
    position: Mapped[int]
    agreement_line_id: Mapped[int] = mapped_column(ForeignKey("agreement_line.id"))
    quantity: Mapped[int]
    free_quantity: Mapped[int]
    unit_minor: Mapped[int]
    amount_minor: Mapped[int]


class StatementTransition(Base):
    """Every change of a statement's state, with who, when and why."""

    __tablename__ = "statement_transition"
    __table_args__ = (Index("ix_statement_transition_statement", "statement_id", "id"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    statement_id: Mapped[int] = mapped_column(ForeignKey("statement.id"))
    from_state: Mapped[str | None]
    to_state: Mapped[str]
    reason: Mapped[str]
    actor: Mapped[str]
    at: Mapped[datetime]


class Payout(Base):
    """Money sent to a partner for one approved statement; at most one per statement, by two people."""

    __tablename__ = "payout"
    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="amount_is_positive"),
        CheckConstraint("approved_by IS NULL OR approved_by <> prepared_by", name="four_eyes"),
        CheckConstraint("(state = 'paid') = (transfer_id IS NOT NULL)", name="paid_means_moved"),
        CheckConstraint("transfer_id IS NULL OR approved_by IS NOT NULL", name="somebody_approved_it"),
        CheckConstraint("carried_minor <= 0", name="only_debts_are_carried"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    statement_id: Mapped[int] = mapped_column(ForeignKey("statement.id"), unique=True)
    amount_minor: Mapped[int]
    """The statement's net and what is carried into it."""
    carried_minor: Mapped[int]
    """The partner's debt from statements closed without a payout, taken off here; 0 or negative."""
    currency: Mapped[str]
    state: Mapped[str]
    prepared_by: Mapped[str]
    prepared_at: Mapped[datetime]
    approved_by: Mapped[str | None]
    paid_at: Mapped[datetime | None]
    bank_reference: Mapped[str | None] = mapped_column(unique=True)
    transfer_id: Mapped[int | None] = mapped_column(ForeignKey("transfer.id"), unique=True)
    due_on: Mapped[date]
