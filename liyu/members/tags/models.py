"""Tables of tags, badges and segments."""

from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, CheckConstraint, ForeignKey, ForeignKeyConstraint, Identity, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from liyu.core.database import Base


class Tag(Base):
    """A kind of member, for operators; as a badge 徽章 it is shown to the member with what it needs."""

    __tablename__ = "tag"
    __table_args__ = (
        CheckConstraint("by_rule = (rule IS NOT NULL)", name="rule_of_its_own"),
        UniqueConstraint("id", "by_rule"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    code: Mapped[str] = mapped_column(unique=True)
    name_zh: Mapped[str]
    name_en: Mapped[str]
    is_badge: Mapped[bool]
    icon: Mapped[str]
    needs_zh: Mapped[str]
    """What a badge needs, for the member."""
    needs_en: Mapped[str]
    by_rule: Mapped[bool]
    rule: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """The conditions that give the tag; None for one that is given by hand."""
    active: Mapped[bool] = mapped_column(default=True)
    evaluated_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class MemberTag(Base):
    """A member has a tag. The foreign key sees to it that only its rule gives a rule's tag, and only people give the others."""

    __tablename__ = "member_tag"
    __table_args__ = (
        ForeignKeyConstraint(["tag_id", "by_rule"], ["tag.id", "tag.by_rule"]),
        Index("ix_member_tag_tag", "tag_id", "member_id"),
    )

    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"), primary_key=True)
    tag_id: Mapped[int] = mapped_column(primary_key=True)
    by_rule: Mapped[bool] = mapped_column(Boolean)
    import_id: Mapped[int | None] = mapped_column(ForeignKey("member_import.id"))
    """The file that brought it, which may take it back."""
    actor: Mapped[str]
    at: Mapped[datetime]


class MemberTagChange(Base):
    """Every tag given and taken, with who, when and why."""

    __tablename__ = "member_tag_change"
    __table_args__ = (Index("ix_member_tag_change_member", "member_id", "id"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    tag_id: Mapped[int] = mapped_column(ForeignKey("tag.id"))
    given: Mapped[bool]
    reason: Mapped[str]
    actor: Mapped[str]
    at: Mapped[datetime]


class Segment(Base):
    """A saved filter over members 用户分群; who is in it is found out each time."""

    __tablename__ = "segment"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    conditions: Mapped[dict[str, Any]]
    made_by: Mapped[str]
    changed_at: Mapped[datetime]
