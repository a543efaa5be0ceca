"""Tables of the program, its tiers and its members."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from liyu.core.database import Base

MEMBER_STATES = ("pre_registered", "active", "frozen", "closed", "merged")


class Program(Base):
    """The one loyalty program of this installation and its stated policies."""

    __tablename__ = "program"
    __table_args__ = (
        CheckConstraint("id = 1", name="only_one"),
        CheckConstraint("tier_fall IN ('one_step', 'matching') AND tier_grace_days >= 0", name="known_tier_policy"),
        CheckConstraint("return_policy IN ('pending_only', 'down_to_zero', 'into_debt')", name="known_return_policy"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=1)
    name_zh: Mapped[str]
    name_en: Mapped[str]
    currency: Mapped[str]
    expiry_policy: Mapped[str]
    """`year_end` (the end of the year after the year of earning), `rolling` (expiry_months, to the month's end) or `never`."""
    expiry_months: Mapped[int]
    lapsed_grace_days: Mapped[int]
    """Days for which points of a lapsed lot live again after a cancellation; 0 means that they stay lapsed.

    An operator may put lapsed points back within as many days, and they live as long (docs/rules.md 4)."""
    reminder_days: Mapped[int] = mapped_column(server_default="60")
    """How long before their last day members are told of points that lapse; 0 means never."""
    inactive_days: Mapped[int] = mapped_column(server_default="0")
    """After so many days without earning or redeeming a member's points lapse; 0 means never (`points/inactivity.py`)."""
    undo_minutes: Mapped[int]
    """How long after a verification the till may take it back."""
    points_per_currency_unit: Mapped[int]
    """What points cost: this many are worth one unit of the currency (10 points = 1 CNY)."""
    support_phone: Mapped[str]
    tier_fall: Mapped[str] = mapped_column(server_default="one_step")
    """Where those fall who have not kept their tier: `one_step` or `matching` (the tier that the period's growth reaches)."""
    tier_grace_days: Mapped[int] = mapped_column(server_default="0")
    """Days after the end of a validity in which the missing growth can still come."""
    demo: Mapped[bool] = mapped_column(default=False)
    return_policy: Mapped[str] = mapped_column(default="into_debt")
    """What a return takes back: `pending_only`, `down_to_zero` or `into_debt`; see `points/returns.py`."""
    points_part_earns: Mapped[bool] = mapped_column(server_default="false")
    """Whether the part of a purchase that was paid with points earns points, too."""
    birthday_change_days: Mapped[int]
    """Members may change their birthday once in so many days: it brings points."""
    phone_change_days: Mapped[int]
    """Members may change their phone once in so many days."""
    adjustment_limit: Mapped[int] = mapped_column(server_default="10000")
    """Points that one person may give to or take from a member in a day; more than that is for two people."""
    issue_limit: Mapped[int] = mapped_column(server_default="1000")
    """Units that one person may give away by campaigns in a day; more than that is for two people."""
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
    rights: Mapped[list[dict[str, object]]] = mapped_column(default=list, server_default="[]")
    """What members of the tier get, as lines with an icon (`liyu.members.tiers.rights.TierRight`)."""


class Member(Base):
    """A person enrolled in the program."""

    __tablename__ = "member"
    __table_args__ = (
        CheckConstraint("state IN ('pre_registered', 'active', 'frozen', 'closed', 'merged')", name="known_state"),
        CheckConstraint("growth >= 0 AND period_growth >= 0", name="growth_not_negative"),
        CheckConstraint("num_nulls(tier_earned_id, tier_paid_id, tier_paid_until) IN (0, 3)", name="paid_or_not"),
        CheckConstraint(
            "erased_at IS NULL OR (state IN ('closed', 'merged') AND phone IS NULL AND email IS NULL AND name IS NULL "
            "AND birthday IS NULL AND city IS NULL)",
            name="erased_is_empty",
        ),
        CheckConstraint("(state = 'merged') = (merged_into IS NOT NULL)", name="merged_into_somebody"),
        Index("ix_member_tier", "tier_id", "id"),
        Index("ix_member_tier_until", "tier_until", postgresql_where="tier_until IS NOT NULL"),
        Index("ix_member_paid_until", "tier_paid_until", postgresql_where="tier_paid_until IS NOT NULL"),
        Index("ix_member_nears", "tier_id", "id", postgresql_where="nears_next"),
        Index("ix_member_state", "state", "id"),
        Index("ix_member_joined", "joined_at"),
        CheckConstraint("person_id <> id", name="person_is_another"),
        Index("ix_member_person", "person_id", postgresql_where="person_id IS NOT NULL"),
        Index("ix_member_merged", "merged_into", postgresql_where="merged_into IS NOT NULL"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    external_id: Mapped[str] = mapped_column(unique=True)
    phone: Mapped[str | None] = mapped_column(unique=True)
    card_number: Mapped[str | None] = mapped_column(unique=True)
    """The one valid card; None from the report of its loss until another is issued."""
    email: Mapped[str | None]
    name: Mapped[str | None]
    birthday: Mapped[date | None]
    city: Mapped[str | None]
    locale: Mapped[str | None]
    state: Mapped[str]
    tier_id: Mapped[int] = mapped_column(ForeignKey("tier.id"))
    tier_since: Mapped[date | None]
    """First day of the tier's period; None is the day of joining."""
    tier_until: Mapped[date | None]
    """Last day of the tier's validity; None for the lowest, which has no end, and while pre-registered."""
    tier_period: Mapped[int] = mapped_column(server_default="1")
    tier_fallback_id: Mapped[int | None] = mapped_column(ForeignKey("tier.id"))
    """Set while the tier was set by hand: the tier from before."""
    tier_earned_id: Mapped[int | None] = mapped_column(ForeignKey("tier.id"))
    """Set while a tier is bought: that of the growth value, to which all the columns above belong (`tiers/overlay.py`)."""
    tier_paid_id: Mapped[int | None] = mapped_column(ForeignKey("tier.id"))
    """The tier that was bought; `tier_id` is the higher of the two."""
    tier_paid_until: Mapped[date | None]
    growth: Mapped[int] = mapped_column(default=0)
    """Growth value 成长值 that counts towards rising: since joining, or since a validity was last decided."""
    growth_counted_from: Mapped[int] = mapped_column(server_default="1")
    """The first period whose growth counts towards rising."""
    period_growth: Mapped[int] = mapped_column(server_default="0")
    """Growth value that counts towards keeping the tier: of the running period."""
    nears_next: Mapped[bool] = mapped_column(server_default="false")
    """Whether the growth value is near the threshold of the next tier (`tiers/near.py`)."""
    joined_at: Mapped[datetime]
    activated_at: Mapped[datetime | None]
    birthday_changed_at: Mapped[datetime | None]
    """When the member last set their birthday themselves."""
    erased_at: Mapped[datetime | None]
    """When everything personal was taken out of the record; the books stay."""
    merged_into: Mapped[int | None] = mapped_column(ForeignKey("member.id"))
    """The member who lives on with all that was this one's; id, phone and card of this row lead there. Never to a merged one."""
    person_id: Mapped[int | None] = mapped_column(ForeignKey("member.id"))
    """The membership that stands for the natural person behind this one, where they have several; limits for each person count
    there. None: it stands for itself. Never leads to one that leads on."""


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
    period_growth: Mapped[int] = mapped_column(server_default="0")
    """Growth value of the period that ended with this change."""
    needed: Mapped[int | None]
    """The growth value that was asked for."""
    period: Mapped[int] = mapped_column(server_default="1")
    """The period that began with this change."""
    since: Mapped[date | None]
    until: Mapped[date | None]
    actor: Mapped[str] = mapped_column(server_default="system")
    note: Mapped[str] = mapped_column(server_default="")
    """What the person wrote who set the tier by hand."""
    at: Mapped[datetime]


class CardChange(Base):
    """Every card that was blocked, and every one that took its place; a blocked number is never valid again."""

    __tablename__ = "card_change"
    __table_args__ = (
        CheckConstraint("change IN ('blocked', 'issued')", name="known_change"),
        UniqueConstraint("number", "change"),
        Index("ix_card_change_member", "member_id", "id"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    number: Mapped[str]
    change: Mapped[str]
    reason: Mapped[str]
    actor: Mapped[str]
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
