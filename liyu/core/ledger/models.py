"""Accounts and transfers. A transfer balances by construction and is never changed or deleted: the database refuses it."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Identity, Index, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from liyu.core.database import Base

SYSTEM_ACCOUNTS: dict[str, str] = {
    "points_issued": "PTS",
    "points_redeemed": "PTS",
    "points_lapsed": "PTS",
    "points_clawed_back": "PTS",
    "points_adjusted": "PTS",
    "points_compensation": "PTS",
    "points_opening": "PTS",
    "points_extended": "PTS",
    "points_gifts": "PTS",
    "rights_cost": "CNY",
    "bank": "CNY",
}
"""System accounts by kind, with their unit. They hold no cached balance, so that no row of theirs is ever contended."""

MEMBER_POINTS = "member_points"
MEMBER_PENDING = "member_pending"
MEMBER_DEBT = "member_debt"


class Account(Base):
    """A place where points or money are. Member accounts cache their balance; all others are summed from transfers."""

    __tablename__ = "account"
    __table_args__ = (
        UniqueConstraint("id", "unit"),
        CheckConstraint("(member_id IS NULL) = (balance IS NULL)", name="members_cache_their_balance"),
        CheckConstraint(
            "CASE kind WHEN 'member_debt' THEN balance <= 0 ELSE balance >= 0 END", name="balance_has_its_sign"
        ),
        CheckConstraint("member_id IS NULL OR partner_id IS NULL", name="one_owner"),
        Index("uq_account_member", "member_id", "kind", unique=True, postgresql_where="member_id IS NOT NULL"),
        Index(
            "uq_account_partner", "partner_id", "kind", "unit", unique=True, postgresql_where="partner_id IS NOT NULL"
        ),
        Index(
            "uq_account_system",
            "kind",
            "unit",
            unique=True,
            postgresql_where="member_id IS NULL AND partner_id IS NULL",
        ),
        # Balances change with every movement: room on the page keeps those updates off the indexes.
        {"postgresql_with": {"fillfactor": "70"}},
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    kind: Mapped[str]
    unit: Mapped[str]
    member_id: Mapped[int | None] = mapped_column(ForeignKey("member.id"))
    partner_id: Mapped[int | None] = mapped_column(ForeignKey("partner.id"))
    balance: Mapped[int | None]


class Transfer(Base):
    """One movement from the debit account to the credit account (docs/rules.md 2)."""

    __tablename__ = "transfer"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount_is_positive"),
        CheckConstraint("debit_account_id <> credit_account_id", name="two_accounts"),
        ForeignKeyConstraint(["debit_account_id", "unit"], ["account.id", "account.unit"]),
        ForeignKeyConstraint(["credit_account_id", "unit"], ["account.id", "account.unit"]),
        Index("ix_transfer_debit", "debit_account_id", "id"),
        Index("ix_transfer_credit", "credit_account_id", "id"),
        Index("uq_transfer_reversal_of", "reversal_of", unique=True, postgresql_where="reversal_of IS NOT NULL"),
        # Rows come in the order of their recording: a few pages tell where the latest days begin.
        Index("ix_transfer_recorded", "recorded_at", postgresql_using="brin"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    debit_account_id: Mapped[int]
    credit_account_id: Mapped[int]
    amount: Mapped[int]
    unit: Mapped[str]
    event: Mapped[str]
    source: Mapped[str]
    reason: Mapped[str]
    actor: Mapped[str]
    key: Mapped[str] = mapped_column(unique=True)
    reversal_of: Mapped[int | None] = mapped_column(ForeignKey("transfer.id"))
    at: Mapped[datetime]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.now())


class AccountTotal(Base):
    """What came to and went from all accounts of a kind before `counted_to`; the latest instant holds for all kinds."""

    __tablename__ = "account_total"

    kind: Mapped[str] = mapped_column(primary_key=True)
    unit: Mapped[str] = mapped_column(primary_key=True)
    came: Mapped[int]
    went: Mapped[int]
    counted_to: Mapped[datetime]


class Proof(Base):
    """One run of the proof that the books balance; the console shows the last one."""

    __tablename__ = "proof"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    at: Mapped[datetime]
    balanced: Mapped[bool]
    accounts: Mapped[int]
    lots: Mapped[int]
    transfers: Mapped[int]
    offenders: Mapped[list[dict[str, object]]]
    milliseconds: Mapped[int]
