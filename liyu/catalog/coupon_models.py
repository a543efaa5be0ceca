"""The table of what coupons go together with 叠加规则."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from liyu.core.database import Base


class CouponRule(Base):
    """How coupons of an item stack. An item without a row goes with nothing, one to a bill."""

    __tablename__ = "coupon_rule"
    __table_args__ = (
        CheckConstraint("combines IN ('nothing', 'listed', 'everything')", name="known_word"),
        CheckConstraint("(combines = 'listed') = (jsonb_array_length(combines_with) > 0)", name="listed_names_some"),
        CheckConstraint("most_per_bill BETWEEN 1 AND 10", name="most_is_small"),
        CheckConstraint("turn BETWEEN 1 AND 9", name="turn_is_a_digit"),
        CheckConstraint("threshold_of IN ('bill', 'rest')", name="known_threshold"),
        CheckConstraint("exclusive_group <> ''", name="group_has_a_name"),
    )

    item_id: Mapped[int] = mapped_column(ForeignKey("item.id"), primary_key=True, autoincrement=False)
    combines: Mapped[str]
    combines_with: Mapped[list[str]] = mapped_column(JSONB)
    """Purposes and forms of coupons, for `listed`."""
    most_per_bill: Mapped[int]
    """Coupons of the item on one bill."""
    exclusive_group: Mapped[str | None]
    """Of the coupons of a group one item's goes on a bill."""
    turn: Mapped[int]
    """The order in which coupons are taken off: lower ones first."""
    threshold_of: Mapped[str]
    """What the threshold is compared with: the whole `bill`, or the `rest` when it is this one's turn."""
    changed_by: Mapped[str]
    changed_at: Mapped[datetime]
