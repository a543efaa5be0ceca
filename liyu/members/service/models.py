"""Tables of member service: merges, notes, adjustments that wait for a second person, and the terms members are found by."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from liyu.core.database import Base

REQUEST_STATES = ("requested", "approved", "refused")


class MemberMerge(Base):
    """Two memberships of one person became one: the source lives on in the target, for ever and only once."""

    __tablename__ = "member_merge"
    __table_args__ = (
        CheckConstraint("source_id <> target_id", name="two_members"),
        CheckConstraint("reason <> ''", name="has_a_reason"),
        Index("ix_member_merge_target", "target_id", "id"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    source_id: Mapped[int] = mapped_column(ForeignKey("member.id"), unique=True)
    target_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    reason: Mapped[str]
    actor: Mapped[str]
    at: Mapped[datetime]
    moved: Mapped[dict[str, Any]]
    """What went over, in figures."""


class MemberNote(Base):
    """What somebody of the staff wrote down about a member; notes are never changed."""

    __tablename__ = "member_note"
    __table_args__ = (
        CheckConstraint("text <> ''", name="not_empty"),
        Index("ix_member_note_member", "member_id", "id"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    text: Mapped[str]
    author: Mapped[str]
    at: Mapped[datetime]


class AdjustmentRequest(Base):
    """Points above what one person may move: somebody else decides, and only then they move."""

    __tablename__ = "adjustment_request"
    __table_args__ = (
        CheckConstraint("state IN ('requested', 'approved', 'refused')", name="known_state"),
        CheckConstraint("points <> 0", name="moves_something"),
        CheckConstraint("reason <> ''", name="has_a_reason"),
        CheckConstraint(
            "(state = 'requested') = (decided_by IS NULL) AND (decided_by IS NULL) = (decided_at IS NULL)",
            name="decided_by_somebody",
        ),
        CheckConstraint("decided_by <> requested_by", name="four_eyes"),
        CheckConstraint("state <> 'refused' OR decision <> ''", name="refused_with_a_reason"),
        Index("ix_adjustment_request_member", "member_id", "id"),
        Index("ix_adjustment_request_state", "state", "id"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    points: Mapped[int]
    reason: Mapped[str]
    requested_by: Mapped[str]
    requested_at: Mapped[datetime]
    state: Mapped[str]
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    decision: Mapped[str]
    """What who decided said."""


class MemberTerms(Base):
    """The terms a member is found by; they go with the name and the phone that they were made of, and are due to be made anew."""

    __tablename__ = "member_terms"
    __table_args__ = (
        Index("ix_member_terms_terms", "terms", postgresql_using="gin"),
        Index("ix_member_terms_due", "member_id", postgresql_where="terms IS NULL"),
    )

    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"), primary_key=True, autoincrement=False)
    terms: Mapped[Any | None] = mapped_column(TSVECTOR, nullable=True)
