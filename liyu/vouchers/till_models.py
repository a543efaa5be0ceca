"""Tables of what tills go by: the program's policy, rules of items, and how often something was used in a day."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Identity, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from liyu.core.database import Base


class TillPolicy(Base):
    """The program's policy for its tills: one row, made by its first change."""

    __tablename__ = "till_policy"
    __table_args__ = (
        CheckConstraint("id = 1", name="only_one"),
        CheckConstraint("undo_alone_minor >= 0", name="not_negative"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    undo_alone_minor: Mapped[int | None]
    """Up to this value of the item whoever verified may take it back themselves; None is any value."""


class TillRule(Base):
    """What an item says of its vouchers at the till, beside their validity; no row says nothing."""

    __tablename__ = "till_rule"
    __table_args__ = (
        CheckConstraint(
            "uses_a_day > 0 AND member_uses_a_day > 0 AND store_uses_a_day > 0", name="limits_are_positive"
        ),
    )

    item_id: Mapped[int] = mapped_column(ForeignKey("item.id"), primary_key=True)
    usable_from: Mapped[datetime | None]
    """None is from their issue on."""
    uses_a_day: Mapped[int | None]
    """How often one voucher may be used in a day of the program's zone; None is as often as it allows."""
    member_uses_a_day: Mapped[int | None]
    """The same for all vouchers of the item that a member holds."""
    store_uses_a_day: Mapped[int | None]
    """The same for all vouchers of the item at one store; another store has a count of its own."""
    paper_confirmed: Mapped[bool] = mapped_column(server_default="false")
    """Whether its holder confirms in the wallet before it is used by a code that does not renew: on paper, or typed."""


class TillDayUse(Base):
    """How often something that has a limit was used in a day; the check is what two tills meet at that read the same count."""

    __tablename__ = "till_day_use"
    __table_args__ = (CheckConstraint("used BETWEEN 0 AND cap", name="within_the_day"),)

    item_id: Mapped[int] = mapped_column(ForeignKey("item.id"), primary_key=True)
    counted: Mapped[str] = mapped_column(primary_key=True)
    """Whose uses: `voucher:12`, `member:7` or `store:3`."""
    day: Mapped[date] = mapped_column(primary_key=True)
    used: Mapped[int]
    cap: Mapped[int]


class TillBill(Base):
    """A bill on which several coupons were used together."""

    __tablename__ = "till_bill"
    __table_args__ = (
        UniqueConstraint("verifier", "nonce"),
        CheckConstraint("0 <= saved_minor AND saved_minor <= amount_minor", name="takes_off_what_is_there"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    partner_id: Mapped[int | None] = mapped_column(ForeignKey("partner.id"))
    store_id: Mapped[int | None] = mapped_column(ForeignKey("store.id"))
    verifier: Mapped[str]
    nonce: Mapped[str]
    amount_minor: Mapped[int]
    saved_minor: Mapped[int]
    at: Mapped[datetime]


class TillBillUse(Base):
    """A coupon of a bill, in its turn, and what it took off."""

    __tablename__ = "till_bill_use"
    __table_args__ = (
        UniqueConstraint("bill_id", "turn"),
        CheckConstraint("saved_minor >= 0", name="takes_off_something_or_nothing"),
    )

    verification_id: Mapped[int] = mapped_column(ForeignKey("verification.id"), primary_key=True)
    bill_id: Mapped[int] = mapped_column(ForeignKey("till_bill.id"))
    turn: Mapped[int]
    saved_minor: Mapped[int]
