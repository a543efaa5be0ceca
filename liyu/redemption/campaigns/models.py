"""Tables of campaigns: what is given to whom, what became of each member, every step with who and why."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from liyu.core.database import Base


class Campaign(Base):
    """One item for many members, once or every year again."""

    __tablename__ = "campaign"
    __table_args__ = (
        CheckConstraint("kind IN ('once', 'birthday', 'birthday_month', 'anniversary')", name="known_kind"),
        CheckConstraint("state IN ('draft', 'asked', 'issuing', 'stopped', 'finished', 'refused')", name="known_state"),
        CheckConstraint("quantity BETWEEN 1 AND 10", name="quantity_is_small"),
        CheckConstraint("name <> '' AND reason <> ''", name="named_with_a_reason"),
        CheckConstraint("(kind = 'once') = (starts_on IS NULL)", name="yearly_ones_have_a_beginning"),
        CheckConstraint("ends_on >= starts_on", name="ends_after_it_begins"),
        CheckConstraint("decided_by <> asked_by", name="four_eyes"),
        CheckConstraint("state NOT IN ('draft', 'asked') OR decided_by IS NULL", name="decided_afterwards"),
        Index("ix_campaign_item", "item_id"),
        Index("ix_campaign_at_work", "id", postgresql_where="state = 'issuing'"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    item_id: Mapped[int] = mapped_column(ForeignKey("item.id"))
    quantity: Mapped[int]
    """Units for each member."""
    reason: Mapped[str]
    audience: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """How the people were chosen: in words, and for yearly ones the conditions that are asked every day."""
    skips_holders: Mapped[bool]
    """Whether members who hold a usable voucher of the item are left out."""
    state: Mapped[str]
    starts_on: Mapped[date | None]
    ends_on: Mapped[date | None]
    """The last day of a yearly one; None is for ever."""
    faults: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default="[]")
    """Rows of the list that could not be taken; they go with the end of the campaign."""
    units: Mapped[int] = mapped_column(server_default="0")
    """What was counted against the limit of who asked for it, when it was started."""
    made_by: Mapped[str]
    made_at: Mapped[datetime]
    asked_by: Mapped[str | None]
    """Who started it, or asked for a second person."""
    asked_at: Mapped[datetime | None]
    decided_by: Mapped[str | None]
    """The second person, where one was needed."""
    finished_at: Mapped[datetime | None]
    """When it was ended, or last; it stays while those left out are tried again."""


class CampaignTransition(Base):
    """Every change of a campaign's state, with who and why."""

    __tablename__ = "campaign_transition"
    __table_args__ = (Index("ix_campaign_transition_campaign", "campaign_id", "id"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id"))
    from_state: Mapped[str | None]
    to_state: Mapped[str]
    reason: Mapped[str]
    actor: Mapped[str]
    at: Mapped[datetime]


class CampaignGift(Base):
    """One member of a campaign, and what became of them. The key is what gives to each member once, and once a year."""

    __tablename__ = "campaign_gift"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'given', 'left_out')", name="known_state"),
        CheckConstraint("(state = 'given') = (redemption_id IS NOT NULL)", name="given_by_a_redemption"),
        CheckConstraint("(state = 'left_out') = (reason IS NOT NULL)", name="left_out_with_a_reason"),
        CheckConstraint("(period = '') = (day IS NULL)", name="a_year_has_its_day"),
        Index("ix_campaign_gift_waiting", "campaign_id", "member_id", postgresql_where="state = 'waiting'"),
        Index("ix_campaign_gift_member", "member_id"),
    )

    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id"), primary_key=True, autoincrement=False)
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"), primary_key=True, autoincrement=False)
    period: Mapped[str] = mapped_column(primary_key=True)
    """Empty for what is given once, the year for what is given every year."""
    day: Mapped[date | None]
    """The member's day in that year, whenever it was given."""
    state: Mapped[str]
    reason: Mapped[str | None]
    """Why the member was left out, as the desk names it."""
    redemption_id: Mapped[int | None] = mapped_column(
        ForeignKey("redemption.id", deferrable=True, initially="DEFERRED"), unique=True
    )
    at: Mapped[datetime]
    """When it was decided; before that, when it was noted."""
