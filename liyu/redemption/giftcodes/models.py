"""Tables of gift codes: batches, codes by number as keyed hashes, and what was done with ranges of them."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index
from sqlalchemy.orm import Mapped, mapped_column

from liyu.core.database import Base


class GiftBatch(Base):
    """Codes with consecutive numbers that all give the same."""

    __tablename__ = "gift_batch"
    __table_args__ = (
        CheckConstraint("(item_id IS NULL) <> (points IS NULL)", name="an_item_or_points"),
        CheckConstraint("(item_id IS NULL) = (quantity IS NULL)", name="an_item_has_its_quantity"),
        CheckConstraint("points > 0 AND quantity BETWEEN 1 AND 10", name="gives_something"),
        CheckConstraint("codes > 0 AND per_member_limit > 0", name="counts_are_positive"),
        CheckConstraint("valid_from < valid_to", name="opens_before_it_closes"),
        CheckConstraint("(fetched_by IS NULL) = (fetched_at IS NULL)", name="fetched_by_somebody"),
        Index("ix_gift_batch_item", "item_id"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    item_id: Mapped[int | None] = mapped_column(ForeignKey("item.id"))
    quantity: Mapped[int | None]
    points: Mapped[int | None]
    codes: Mapped[int]
    valid_from: Mapped[datetime]
    valid_to: Mapped[datetime]
    per_member_limit: Mapped[int | None]
    """Codes of the batch that one natural person may redeem, over all memberships; None is any number."""
    storage_name: Mapped[str | None]
    """Where the sealed list of codes lies; forgotten when the file is deleted, after it was fetched or its days are over."""
    made_by: Mapped[str]
    made_at: Mapped[datetime]
    fetched_by: Mapped[str | None]
    fetched_at: Mapped[datetime | None]


class GiftCode(Base):
    """One code, by its number in the batch. The code itself stands nowhere."""

    __tablename__ = "gift_code"
    __table_args__ = (
        CheckConstraint("state IN ('made', 'active', 'redeemed', 'cancelled')", name="known_state"),
        CheckConstraint(
            "(state = 'redeemed') = (member_id IS NOT NULL) AND (member_id IS NULL) = (redeemed_at IS NULL)",
            name="redeemed_by_a_member",
        ),
        Index("ix_gift_code_member", "member_id", "batch_id", postgresql_where="member_id IS NOT NULL"),
    )

    batch_id: Mapped[int] = mapped_column(ForeignKey("gift_batch.id"), primary_key=True, autoincrement=False)
    serial: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    digest: Mapped[bytes] = mapped_column(unique=True)
    """The code's hash under a key of the installation."""
    state: Mapped[str]
    member_id: Mapped[int | None] = mapped_column(ForeignKey("member.id"))
    redeemed_at: Mapped[datetime | None]
    redemption_id: Mapped[int | None] = mapped_column(
        ForeignKey("redemption.id", deferrable=True, initially="DEFERRED"), unique=True
    )
    """The order that an item became; what points became stands in the ledger."""


class GiftBatchAct(Base):
    """What was done with a range of a batch: made, fetched, activated, cancelled; with who and why."""

    __tablename__ = "gift_batch_act"
    __table_args__ = (
        CheckConstraint("act IN ('made', 'fetched', 'activated', 'cancelled')", name="known_act"),
        CheckConstraint("first_serial <= last_serial AND codes >= 0", name="a_range"),
        Index("ix_gift_batch_act_batch", "batch_id", "id"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    batch_id: Mapped[int] = mapped_column(ForeignKey("gift_batch.id"))
    act: Mapped[str]
    first_serial: Mapped[int]
    last_serial: Mapped[int]
    codes: Mapped[int]
    """How many of the range it changed."""
    reason: Mapped[str]
    actor: Mapped[str]
    at: Mapped[datetime]
