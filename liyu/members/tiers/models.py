"""The table of growth value: every gain and loss, booked to the member's period in which it counts."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from liyu.core.database import Base


class GrowthEntry(Base):
    """Growth value 成长值 that came (> 0) or was taken back (< 0); append-only, and each source counts once for a period."""

    __tablename__ = "growth_entry"
    __table_args__ = (CheckConstraint("amount <> 0", name="amount_not_zero"),)

    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"), primary_key=True)
    period: Mapped[int] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    """`purchase:A-1001` for an event with its reference."""
    amount: Mapped[int]
    at: Mapped[datetime]
