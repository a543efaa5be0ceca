"""Tables of the order desk: the rules of orders."""

from datetime import datetime

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from liyu.core.database import Base


class OrderRule(Base):
    """The program's rules of orders; one row, which `orderdesk/rules.py` reads."""

    __tablename__ = "order_rule"
    __table_args__ = (
        CheckConstraint("id = 1", name="only_one"),
        CheckConstraint(
            "received_after_days BETWEEN 1 AND 90 AND return_days BETWEEN 0 AND 365 AND decide_hours BETWEEN 1 AND 720 "
            "AND send_back_days BETWEEN 1 AND 90 AND cancel_unsent_days BETWEEN 1 AND 365",
            name="sensible",
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=1)
    received_after_days: Mapped[int]
    """A parcel counts as received so many days after it was sent."""
    return_days: Mapped[int]
    """Goods may be given back for so many days after they were received, where their item says nothing else."""
    decide_hours: Mapped[int]
    """A request is decided, and what came back is looked at, within so many hours."""
    send_back_days: Mapped[int]
    """What is to be given back is sent within so many days, or the request lapses."""
    cancel_unsent_days: Mapped[int | None]
    """Orders that were not sent for so many days are cancelled by themselves; None is never."""
    changed_at: Mapped[datetime]
