"""Tables of vouchers and of every attempt to verify one."""

from datetime import datetime

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from liyu.core.database import Base


class Voucher(Base):
    """A right that a member holds. Its code is made from the id and a key, and stands nowhere in the database."""

    __tablename__ = "voucher"
    __table_args__ = (
        CheckConstraint("uses >= 0 AND uses <= uses_allowed", name="not_used_too_often"),
        # One key for all: a voucher is always of its redemption's member and item, also when two members are merged.
        ForeignKeyConstraint(
            ["member_id", "redemption_id", "item_id"],
            ["redemption.member_id", "redemption.id", "redemption.item_id"],
            onupdate="CASCADE",
        ),
        Index("ix_voucher_member", "member_id", "id"),
        Index("ix_voucher_redemption", "redemption_id"),
        {"postgresql_with": {"fillfactor": "80"}},
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    redemption_id: Mapped[int]
    member_id: Mapped[int]
    item_id: Mapped[int]
    partner_id: Mapped[int | None] = mapped_column(ForeignKey("partner.id"))
    agreement_line_id: Mapped[int | None] = mapped_column(ForeignKey("agreement_line.id"))
    """The version of the terms it was priced with."""
    state: Mapped[str]
    uses: Mapped[int] = mapped_column(default=0)
    uses_allowed: Mapped[int]
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class VoucherTransition(Base):
    """Every change of a voucher's state after its issue, with who and why."""

    __tablename__ = "voucher_transition"
    __table_args__ = (Index("ix_voucher_transition_voucher", "voucher_id", "id"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    voucher_id: Mapped[int] = mapped_column(ForeignKey("voucher.id"))
    from_state: Mapped[str]
    to_state: Mapped[str]
    reason: Mapped[str]
    actor: Mapped[str]
    at: Mapped[datetime]


class Verification(Base):
    """One use of a voucher at a store 核销. The nonce makes a repeat answer as before."""

    __tablename__ = "verification"
    __table_args__ = (
        UniqueConstraint("verifier", "nonce"),
        Index("ix_verification_voucher", "voucher_id", "id"),
        Index("ix_verification_partner", "partner_id", "verified_at"),
        CheckConstraint("(undone_at IS NULL) = (undo_reason IS NULL)", name="undo_has_a_reason"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    voucher_id: Mapped[int] = mapped_column(ForeignKey("voucher.id"))
    partner_id: Mapped[int | None] = mapped_column(ForeignKey("partner.id"))
    store_id: Mapped[int | None] = mapped_column(ForeignKey("store.id"))
    verifier: Mapped[str]
    """Who verified: `staff:12` or `key:3`."""
    nonce: Mapped[str]
    use_number: Mapped[int]
    verified_at: Mapped[datetime]
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[str | None]
    undo_reason: Mapped[str | None]


class VerificationRefusal(Base):
    """A refused attempt: what was refused and why. The scan itself is never kept."""

    __tablename__ = "verification_refusal"
    __table_args__ = (Index("ix_verification_refusal_verifier", "verifier", "at"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    verifier: Mapped[str]
    store_id: Mapped[int | None] = mapped_column(ForeignKey("store.id"))
    voucher_id: Mapped[int | None] = mapped_column(ForeignKey("voucher.id"))
    code: Mapped[str]
    at: Mapped[datetime]


class VoucherPrint(Base):
    """Vouchers of an item on their way to paper: a job with its progress, and for some days its file in storage."""

    __tablename__ = "voucher_print"
    __table_args__ = (
        CheckConstraint("layout IN ('a6', 'a4')", name="known_layout"),
        CheckConstraint("form IN ('pdf', 'zip')", name="known_form"),
        CheckConstraint("state IN ('printing', 'stopped', 'finished', 'gone')", name="known_state"),
        CheckConstraint("done BETWEEN 0 AND total AND total BETWEEN 1 AND 20000", name="done_within_total"),
        CheckConstraint("state <> 'finished' OR finished_at IS NOT NULL AND done = total", name="finished_is_whole"),
        Index("ix_voucher_print_kept", "made_at", postgresql_where="state IN ('finished', 'stopped')"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("item.id"))
    locale: Mapped[str]
    layout: Mapped[str]
    form: Mapped[str]
    voucher_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    """In the order of printing, fixed when it was ordered; none when the file is gone."""
    total: Mapped[int]
    done: Mapped[int]
    state: Mapped[str]
    problem: Mapped[str | None]
    """Why the worker stopped it."""
    folder: Mapped[str]
    made_by: Mapped[str]
    made_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
