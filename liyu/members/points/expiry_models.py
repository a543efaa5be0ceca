"""Tables of expiry and points health: changes of last days, reminders sent, and the roll-ups that the health page reads."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from liyu.core.database import Base

EXTEND = "extend"
REINSTATE = "reinstate"
ACTIVATE = "activate"


class ExpiryChange(Base):
    """An order to give points another last day: who, why, which lots. It is carried out portion by portion (ADR 0019)."""

    __tablename__ = "expiry_change"
    __table_args__ = (
        CheckConstraint("kind IN ('extend', 'reinstate', 'activate')", name="known_kind"),
        CheckConstraint("to_day > from_day", name="only_later"),
        CheckConstraint("kind <> 'activate' OR (from_day IS NULL AND member_id IS NOT NULL)", name="activation_of_one"),
        CheckConstraint("kind = 'activate' OR from_day IS NOT NULL", name="from_a_day"),
        CheckConstraint("lots >= 0 AND points >= 0", name="not_negative"),
        Index("ix_expiry_change_member", "member_id", "id"),
        Index("ix_expiry_change_unfinished", "id", postgresql_where="finished_at IS NULL"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    """`extend` 延期 of open lots, `reinstate` 恢复 of lapsed points, `activate`: validity begins with the membership."""
    member_id: Mapped[int | None] = mapped_column(ForeignKey("member.id"))
    """One member, or everybody who has lots of this day."""
    from_day: Mapped[date | None]
    to_day: Mapped[date]
    reason: Mapped[str]
    actor: Mapped[str]
    at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    lots: Mapped[int] = mapped_column(default=0)
    points: Mapped[int] = mapped_column(default=0)


class LapseReminder(Base):
    """A member was told once what lapses in a month; `channel` notice stands on the page of notices alone."""

    __tablename__ = "lapse_reminder"
    __table_args__ = (
        CheckConstraint("channel IN ('mail', 'sms', 'notice')", name="known_channel"),
        CheckConstraint("cause IN ('last_day', 'inactive')", name="known_cause"),
    )

    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"), primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    """The first day of the month in which the points lapse."""
    first_day: Mapped[date]
    """The earliest last day of that month."""
    points: Mapped[int]
    channel: Mapped[str]
    at: Mapped[datetime]
    cause: Mapped[str] = mapped_column(primary_key=True, server_default="last_day")
    """`last_day`, or `inactive`: the member has done nothing for too long."""


class PointsRollup(Base):
    """What came to members' points and went from them, by the day of recording, the month of the event, and its kind."""

    __tablename__ = "points_rollup"

    recorded_on: Mapped[date] = mapped_column(primary_key=True)
    """UTC day on which the transfers were written: only the latest days can still change."""
    month: Mapped[date] = mapped_column(primary_key=True)
    """First day of the month in which it happened, in the program's time zone."""
    event: Mapped[str] = mapped_column(primary_key=True)
    type: Mapped[str] = mapped_column(primary_key=True)
    """The type of the earning event; empty for other movements."""
    came: Mapped[int]
    went: Mapped[int]
    first_id: Mapped[int]
    last_id: Mapped[int]
    """Between which of all transfers these are."""


class PointsHealth(Base):
    """What members held on a day, as the last count of that day found it."""

    __tablename__ = "points_health"

    day: Mapped[date] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    members: Mapped[int]
    member_days: Mapped[int]
    """Days of membership within the last 365, over all members: what caps of a year are measured against."""
    holders: Mapped[int]
    usable: Mapped[int]
    pending: Mapped[int]
    debt: Mapped[int]
    days: Mapped[list[dict[str, object]]] = mapped_column(JSONB)
    """Points by their last day; `day` null for those that never lapse."""
    milliseconds: Mapped[int]
