"""Tables of paid membership: what can be bought, and what was."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index
from sqlalchemy.orm import Mapped, mapped_column

from liyu.core.database import Base


class PaidPlan(Base):
    """An offer 套餐: a tier for so many months. What was bought keeps its own terms when the offer changes."""

    __tablename__ = "paid_plan"
    __table_args__ = (
        CheckConstraint("months BETWEEN 1 AND 36", name="known_length"),
        CheckConstraint("points > 0 AND price_minor > 0", name="prices_above_zero"),
        CheckConstraint("num_nonnulls(points, price_minor) > 0", name="has_a_price"),
        CheckConstraint("return_days BETWEEN 0 AND 30", name="known_return_days"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    code: Mapped[str] = mapped_column(unique=True)
    tier_id: Mapped[int] = mapped_column(ForeignKey("tier.id"))
    name_zh: Mapped[str]
    name_en: Mapped[str]
    months: Mapped[int]
    points: Mapped[int | None]
    """What it costs in the mall; None: it is not sold there."""
    price_minor: Mapped[int | None]
    """What the host system asks for it; None: it is sold for points only."""
    return_days: Mapped[int]
    """For so many days after buying, a member's first purchase goes back whole; 0 is never."""
    offered: Mapped[bool]


class PaidPeriod(Base):
    """A tier bought by one member for the days `begins_on` to `ends_on`, both included, and paid once."""

    __tablename__ = "paid_period"
    __table_args__ = (
        CheckConstraint("ends_on >= begins_on - 1 AND days > 0", name="known_days"),
        CheckConstraint("points >= 0 AND paid_minor >= 0", name="prices_not_negative"),
        CheckConstraint(
            "num_nulls(returned_at, returned_points, returned_minor, returned_by, return_reason) IN (0, 5)",
            name="returned_or_not",
        ),
        CheckConstraint(
            "returned_points BETWEEN 0 AND points AND returned_minor BETWEEN 0 AND paid_minor", name="no_more_than_paid"
        ),
        Index("ix_paid_period_member", "member_id", "ends_on"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    plan_id: Mapped[int] = mapped_column(ForeignKey("paid_plan.id"))
    tier_id: Mapped[int] = mapped_column(ForeignKey("tier.id"))
    reference: Mapped[str] = mapped_column(unique=True)
    """The seller's own number of the sale; the same one again sells nothing more."""
    begins_on: Mapped[date]
    ends_on: Mapped[date]
    """The last day; what was given back ends on the day before."""
    days: Mapped[int]
    """How many days were bought."""
    points: Mapped[int]
    paid_minor: Mapped[int]
    """What the seller took in money, outside of Liyu."""
    return_days: Mapped[int]
    bought_on: Mapped[date]
    bought_at: Mapped[datetime]
    actor: Mapped[str]
    returned_at: Mapped[datetime | None]
    returned_points: Mapped[int | None]
    returned_minor: Mapped[int | None]
    returned_by: Mapped[str | None]
    return_reason: Mapped[str | None]
