"""Tables of drops: the announcement, its waves, who waits, what is kept for whom, and what was asked of it."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from liyu.core.database import Base


class Drop(Base):
    """Units of one item given away at announced instants to those who come first."""

    __tablename__ = "drop"
    __table_args__ = (
        CheckConstraint("state IN ('planned', 'announced', 'ended', 'called_off')", name="known_state"),
        CheckConstraint("offer_minutes > 0", name="offers_last"),
        # What is kept for the list of one drop must not be taken for another's.
        Index("uq_drop_one_at_a_time", "item_id", unique=True, postgresql_where="state IN ('planned', 'announced')"),
        Index("ix_drop_item", "item_id", "id"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    number: Mapped[str] = mapped_column(unique=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("item.id"))
    state: Mapped[str]
    ends_at: Mapped[datetime]
    """When the sale ends; what is released later is handed on to nobody."""
    offer_minutes: Mapped[int]
    """How long a released unit is kept for whom it is handed on to."""
    asks_attention: Mapped[bool]
    """Whether a question has to be answered while the rush is on."""
    created_by: Mapped[str]
    created_at: Mapped[datetime]


class DropTransition(Base):
    """Every change of a drop's state, with who, when and why."""

    __tablename__ = "drop_transition"
    __table_args__ = (Index("ix_drop_transition_drop", "drop_id", "id"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    drop_id: Mapped[int] = mapped_column(ForeignKey("drop.id"))
    from_state: Mapped[str | None]
    to_state: Mapped[str]
    reason: Mapped[str]
    actor: Mapped[str]
    at: Mapped[datetime]


class DropWave(Base):
    """Units of a drop that become available at one instant."""

    __tablename__ = "drop_wave"
    __table_args__ = (
        CheckConstraint("units > 0", name="units_are_positive"),
        UniqueConstraint("drop_id", "number"),
        UniqueConstraint("drop_id", "opens_at"),
        Index("ix_drop_wave_due", "opens_at", postgresql_where="stocked_at IS NULL"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    drop_id: Mapped[int] = mapped_column(ForeignKey("drop.id"))
    number: Mapped[int]
    opens_at: Mapped[datetime]
    units: Mapped[int]
    stocked_at: Mapped[datetime | None]
    """When its units joined the item's stock: those of the first wave with the announcement, since the sale opens with it."""


class DropEntry(Base):
    """A member's place on the waiting list of a drop; the list is in the order of the ids."""

    __tablename__ = "drop_entry"
    __table_args__ = (
        CheckConstraint("units > 0", name="units_are_positive"),
        CheckConstraint("state IN ('waiting', 'offered', 'served', 'lapsed', 'left', 'over')", name="known_state"),
        Index(
            "uq_drop_entry_one_place",
            "drop_id",
            "member_id",
            unique=True,
            postgresql_where="state IN ('waiting', 'offered')",
        ),
        Index("ix_drop_entry_waiting", "drop_id", "id", postgresql_where="state = 'waiting'"),
        Index("ix_drop_entry_member", "member_id"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    drop_id: Mapped[int] = mapped_column(ForeignKey("drop.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    units: Mapped[int]
    state: Mapped[str]
    joined_at: Mapped[datetime]


class DropOffer(Base):
    """Released units kept for the first in line until the deadline.

    Its units count as taken in the item's stock while it is open, so nobody else can have them. It is decided once.
    """

    __tablename__ = "drop_offer"
    __table_args__ = (
        CheckConstraint("units > 0", name="units_are_positive"),
        CheckConstraint("state IN ('open', 'taken', 'lapsed', 'declined')", name="known_state"),
        CheckConstraint("(state = 'open') = (decided_at IS NULL)", name="decided_at_an_instant"),
        CheckConstraint("(state = 'taken') = (redemption_id IS NOT NULL)", name="taken_by_a_redemption"),
        Index("ix_drop_offer_open", "item_id", "deadline", postgresql_where="state = 'open'"),
        Index("ix_drop_offer_drop", "drop_id", "id"),
        Index("ix_drop_offer_member", "member_id", "drop_id"),
        Index("uq_drop_offer_entry", "entry_id", unique=True, postgresql_where="state = 'open'"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    drop_id: Mapped[int] = mapped_column(ForeignKey("drop.id"))
    item_id: Mapped[int] = mapped_column(ForeignKey("item.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    entry_id: Mapped[int] = mapped_column(ForeignKey("drop_entry.id"))
    units: Mapped[int]
    state: Mapped[str]
    made_at: Mapped[datetime]
    deadline: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    redemption_id: Mapped[int | None] = mapped_column(ForeignKey("redemption.id"))


class DropNote(Base):
    """Why a member got something of a drop or did not: what happened to them, beside the answers kept for their attempts."""

    __tablename__ = "drop_note"
    __table_args__ = (
        Index("ix_drop_note_drop", "drop_id", "id"),
        Index("ix_drop_note_member", "member_id", "drop_id"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    drop_id: Mapped[int] = mapped_column(ForeignKey("drop.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    what: Mapped[str]
    details: Mapped[dict[str, Any]]
    at: Mapped[datetime]


class DropTally(Base):
    """How often something came of an attempt, by the minute: `granted`, or a refusal by name.

    `subject` is empty, or the account or address that was held back as a robot might be.
    """

    __tablename__ = "drop_tally"
    __table_args__ = (CheckConstraint("count > 0", name="count_is_positive"),)

    drop_id: Mapped[int] = mapped_column(ForeignKey("drop.id"), primary_key=True, autoincrement=False)
    minute: Mapped[datetime] = mapped_column(primary_key=True)
    what: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]


class DeskLine(Base):
    """How far a process's desk is while requests wait at it. Written about once a second, by desks with a line only."""

    __tablename__ = "desk_line"

    desk: Mapped[str] = mapped_column(primary_key=True)
    joined: Mapped[int]
    settled: Mapped[int]
    rate: Mapped[int]
    """Requests that it settled in the last second."""
    told_at: Mapped[datetime]
