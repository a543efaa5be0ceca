"""Tables of the member's own corner: extra fields, addresses, consents, changes of the phone, exports, closing."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from liyu.core.database import Base

FIELD_KINDS = ("text", "number", "date", "choice")


class ProfileField(Base):
    """A question of the operator's own in the profile; its key and kind never change, since answers stand under them."""

    __tablename__ = "profile_field"
    __table_args__ = (
        CheckConstraint("kind IN ('text', 'number', 'date', 'choice')", name="known_kind"),
        CheckConstraint("(kind = 'choice') = (jsonb_array_length(options) > 0)", name="choices_have_options"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    name_zh: Mapped[str]
    name_en: Mapped[str]
    kind: Mapped[str]
    options: Mapped[list[dict[str, str]]] = mapped_column(JSONB)
    """For choices: `{"value", "name_zh", "name_en"}` in their order."""
    required: Mapped[bool]
    counts: Mapped[bool]
    """Whether the profile is complete only with it."""
    position: Mapped[int]
    active: Mapped[bool] = mapped_column(default=True)


class ProfileValue(Base):
    """A member's answer, as text in the form of its kind: `12.5`, `2026-11-22`, the value of an option."""

    __tablename__ = "profile_value"
    __table_args__ = (CheckConstraint("value <> ''", name="something_was_said"),)

    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"), primary_key=True)
    field_id: Mapped[int] = mapped_column(ForeignKey("profile_field.id"), primary_key=True)
    value: Mapped[str]


class MemberAddress(Base):
    """Where goods are to go. Divisions are kept by name: they are renamed and merged every year."""

    __tablename__ = "member_address"
    __table_args__ = (
        Index("ix_member_address_member", "member_id", "id"),
        Index("uq_member_address_default", "member_id", unique=True, postgresql_where="is_default"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    recipient: Mapped[str]
    phone: Mapped[str]
    province: Mapped[str]
    city: Mapped[str]
    district: Mapped[str]
    division_code: Mapped[str | None]
    """GB/T 2260, or nine digits for a township; Hong Kong, Macao and Taiwan have none at this level."""
    detail: Mapped[str]
    label: Mapped[str]
    is_default: Mapped[bool]
    changed_at: Mapped[datetime]


class ConsentText(Base):
    """A version of what members are asked to agree to; a new wording is a new version."""

    __tablename__ = "consent_text"
    __table_args__ = (
        UniqueConstraint("purpose", "version"),
        CheckConstraint("purpose IN ('sms', 'mail', 'personal')", name="known_purpose"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    purpose: Mapped[str]
    version: Mapped[int]
    text_zh: Mapped[str]
    text_en: Mapped[str]
    published_at: Mapped[datetime]
    published_by: Mapped[str]


class ConsentEntry(Base):
    """A member said yes or took it back, to one version of one text; append-only."""

    __tablename__ = "consent_entry"
    __table_args__ = (Index("ix_consent_entry_member", "member_id", "id"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    text_id: Mapped[int] = mapped_column(ForeignKey("consent_text.id"))
    given: Mapped[bool]
    at: Mapped[datetime]
    actor: Mapped[str]


class PhoneChange(Base):
    """A member's phone became another one. The numbers go when the member is erased."""

    __tablename__ = "phone_change"
    __table_args__ = (Index("ix_phone_change_member", "member_id", "id"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    old_phone: Mapped[str | None]
    new_phone: Mapped[str | None]
    reason: Mapped[str]
    """Empty when the member proved both numbers; an operator who helps says why."""
    actor: Mapped[str]
    at: Mapped[datetime]


class ClosingRequest(Base):
    """A member wants to leave. Until `due_at` they may take it back; then the account is closed and erased."""

    __tablename__ = "closing_request"
    __table_args__ = (
        Index(
            "uq_closing_request_open",
            "member_id",
            unique=True,
            postgresql_where="cancelled_at IS NULL AND done_at IS NULL",
        ),
        Index("ix_closing_request_due", "due_at", postgresql_where="cancelled_at IS NULL AND done_at IS NULL"),
        CheckConstraint("cancelled_at IS NULL OR done_at IS NULL", name="not_both"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    reason: Mapped[str]
    actor: Mapped[str]
    requested_at: Mapped[datetime]
    due_at: Mapped[datetime]
    cancelled_at: Mapped[datetime | None]
    done_at: Mapped[datetime | None]


class DataExport(Base):
    """Somebody took a copy of everything that is held about a member; append-only."""

    __tablename__ = "data_export"
    __table_args__ = (Index("ix_data_export_member", "member_id", "id"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    actor: Mapped[str]
    rows: Mapped[int]
    bytes: Mapped[int]
    at: Mapped[datetime]
