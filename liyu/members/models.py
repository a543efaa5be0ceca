"""Tables of the program, its tiers and its members."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index
from sqlalchemy.orm import Mapped, mapped_column

from liyu.core.database import Base

MEMBER_STATES = ("pre_registered", "active", "frozen", "closed")


class Program(Base):
    """The one loyalty program of this installation and its stated policies."""

    __tablename__ = "program"
    __table_args__ = (CheckConstraint("id = 1", name="only_one"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=1)
    name_zh: Mapped[str]
    name_en: Mapped[str]
    currency: Mapped[str]
    expiry_policy: Mapped[str]
    """`year_end` (the end of the year after the year of earning), `rolling` (expiry_months, to the month's end) or `never`."""
    expiry_months: Mapped[int]
    lapsed_grace_days: Mapped[int]
    """Days for which points of a lapsed lot live again after a cancellation; 0 means that they stay lapsed.

    An operator may put lapsed points back within as many days, and they live as long (DESIGN rule 4)."""
    reminder_days: Mapped[int] = mapped_column(server_default="60")
    """How long before their last day members are told of points that lapse; 0 means never."""
    undo_minutes: Mapped[int]
    """How long after a verification the till may take it back."""
    points_per_currency_unit: Mapped[int]
    """What points cost: this many are worth one unit of the currency (10 points = 1 CNY)."""
    support_phone: Mapped[str]
    demo: Mapped[bool] = mapped_column(default=False)
    birthday_change_days: Mapped[int]
    """Members may change their birthday once in so many days: it brings points."""
    phone_change_days: Mapped[int]
    """Members may change their phone once in so many days."""
    closing_days: Mapped[int]
    """Days between the wish to close an account and its erasure, in which the member may think again."""


class Tier(Base):
    """A named level, reached by growth value 成长值 (not spendable)."""

    __tablename__ = "tier"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    code: Mapped[str] = mapped_column(unique=True)
    rank: Mapped[int] = mapped_column(unique=True)
    name_zh: Mapped[str]
    name_en: Mapped[str]
    threshold: Mapped[int]
    multiplier_basis_points: Mapped[int]
    validity_months: Mapped[int]
    rights_zh: Mapped[str]
    rights_en: Mapped[str]


class Member(Base):
    """A person enrolled in the program."""

    __tablename__ = "member"
    __table_args__ = (
        CheckConstraint("state IN ('pre_registered', 'active', 'frozen', 'closed')", name="known_state"),
        CheckConstraint("growth >= 0", name="growth_not_negative"),
        CheckConstraint(
            "erased_at IS NULL OR (state = 'closed' AND phone IS NULL AND email IS NULL AND name IS NULL "
            "AND birthday IS NULL AND city IS NULL)",
            name="erased_is_empty",
        ),
        Index("ix_member_tier", "tier_id"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    external_id: Mapped[str] = mapped_column(unique=True)
    phone: Mapped[str | None] = mapped_column(unique=True)
    card_number: Mapped[str] = mapped_column(unique=True)
    email: Mapped[str | None]
    name: Mapped[str | None]
    birthday: Mapped[date | None]
    city: Mapped[str | None]
    locale: Mapped[str | None]
    state: Mapped[str]
    tier_id: Mapped[int] = mapped_column(ForeignKey("tier.id"))
    tier_until: Mapped[date | None]
    growth: Mapped[int] = mapped_column(default=0)
    joined_at: Mapped[datetime]
    activated_at: Mapped[datetime | None]
    birthday_changed_at: Mapped[datetime | None]
    """When the member last set their birthday themselves."""
    erased_at: Mapped[datetime | None]
    """When everything personal was taken out of the record; the books stay."""


class TierChange(Base):
    """Why a member is in their tier: every change with its reason and the growth at that time."""

    __tablename__ = "tier_change"
    __table_args__ = (Index("ix_tier_change_member", "member_id", "id"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    from_tier_id: Mapped[int | None] = mapped_column(ForeignKey("tier.id"))
    to_tier_id: Mapped[int] = mapped_column(ForeignKey("tier.id"))
    reason: Mapped[str]
    growth: Mapped[int]
    at: Mapped[datetime]


class MemberStateChange(Base):
    """Every change of a member's state, with who and why."""

    __tablename__ = "member_state_change"
    __table_args__ = (Index("ix_member_state_change_member", "member_id", "id"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    from_state: Mapped[str | None]
    to_state: Mapped[str]
    reason: Mapped[str]
    actor: Mapped[str]
    at: Mapped[datetime]
