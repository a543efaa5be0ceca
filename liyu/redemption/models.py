"""Tables of redemptions, their transitions, the limits they use and the answers to idempotent requests."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, PrimaryKeyConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from liyu.core.database import Base


class Redemption(Base):
    """One member's order of one item for points."""

    __tablename__ = "redemption"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity_is_positive"),
        UniqueConstraint("member_id", "id", "item_id"),
        Index("ix_redemption_item", "item_id", "id"),
        {"postgresql_with": {"fillfactor": "85"}},
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    number: Mapped[str] = mapped_column(unique=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    item_id: Mapped[int] = mapped_column(ForeignKey("item.id"))
    quantity: Mapped[int]
    points: Mapped[int]
    """Points paid for all units together."""
    cash_minor: Mapped[int]
    state: Mapped[str]
    channel: Mapped[str]
    """`mall` or `api`; `draw`, `campaign` and `gift_code` for what was given for nothing."""
    created_at: Mapped[datetime]


class RedemptionAddress(Base):
    """Where the goods of an order are to go: a copy of what the chosen address said then. It goes when the member is erased."""

    __tablename__ = "redemption_address"
    __table_args__ = (
        CheckConstraint("recipient <> '' AND phone <> '' AND province <> '' AND detail <> ''", name="complete"),
    )

    redemption_id: Mapped[int] = mapped_column(ForeignKey("redemption.id"), primary_key=True, autoincrement=False)
    recipient: Mapped[str]
    phone: Mapped[str]
    province: Mapped[str]
    city: Mapped[str]
    district: Mapped[str]
    detail: Mapped[str]


class RedemptionTransition(Base):
    """Every change of a redemption's state, with who, when and why."""

    __tablename__ = "redemption_transition"
    __table_args__ = (PrimaryKeyConstraint("redemption_id", "id"),)

    id: Mapped[int] = mapped_column(Identity())
    redemption_id: Mapped[int] = mapped_column(ForeignKey("redemption.id"))
    from_state: Mapped[str | None]
    to_state: Mapped[str]
    reason: Mapped[str]
    actor: Mapped[str]
    at: Mapped[datetime]


class LimitUse(Base):
    """How much of an item's limit a member has used: period `` for a lifetime, `2026-11-22` for a day.

    It is written only together with a redemption of the same member and item, which has the foreign keys.
    """

    __tablename__ = "limit_use"
    __table_args__ = (
        CheckConstraint("used >= 0 AND used <= cap", name="within_limit"),
        {"postgresql_with": {"fillfactor": "85"}},
    )

    item_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    member_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    period: Mapped[str] = mapped_column(primary_key=True)
    used: Mapped[int]
    cap: Mapped[int]
