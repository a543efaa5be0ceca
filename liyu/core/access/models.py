"""Tables of access. Only hashes of tokens, codes and keys stand here; none of them can be turned back."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from liyu.core.database import Base

MEMBER = "member"
PARTNER = "partner"
OPERATOR = "operator"


class Staff(Base):
    """A person who works for the operator or for a partner and signs in with e-mail and password."""

    __tablename__ = "staff"
    __table_args__ = (
        CheckConstraint("email = lower(email)", name="email_is_lower_case"),
        CheckConstraint("audience IN ('partner', 'operator')", name="known_audience"),
        CheckConstraint("(audience = 'partner') = (partner_id IS NOT NULL)", name="partner_staff_have_a_partner"),
        Index("ix_staff_partner", "partner_id"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    password_hash: Mapped[str]
    totp_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Encrypted; None while two-step sign-in is off."""
    totp_step: Mapped[int | None]
    """The last time step whose code was used: a code works once."""
    audience: Mapped[str]
    partner_id: Mapped[int | None] = mapped_column(ForeignKey("partner.id"))
    role: Mapped[str]
    store_id: Mapped[int | None] = mapped_column(ForeignKey("store.id"))
    """The store at whose till this person works; None for all stores of the partner."""
    active: Mapped[bool] = mapped_column(default=True)
    locale: Mapped[str | None]
    created_at: Mapped[datetime]


class AccessSession(Base):
    """One signed-in browser. The token itself is only in its cookie."""

    __tablename__ = "session"
    __table_args__ = (
        CheckConstraint("(audience = 'member') = (member_id IS NOT NULL)", name="members_come_as_members"),
        CheckConstraint("(member_id IS NULL) <> (staff_id IS NULL)", name="one_person"),
        Index("ix_session_member", "member_id", postgresql_where="member_id IS NOT NULL"),
        Index("ix_session_staff", "staff_id", postgresql_where="staff_id IS NOT NULL"),
    )

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    audience: Mapped[str]
    member_id: Mapped[int | None] = mapped_column(ForeignKey("member.id"))
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    address: Mapped[str]
    user_agent: Mapped[str]
    revoked_at: Mapped[datetime | None]


class LoginCode(Base):
    """A code sent to a phone for one purpose. It works once, for five minutes and for five attempts."""

    __tablename__ = "login_code"
    __table_args__ = (
        CheckConstraint("attempts >= 0 AND attempts <= 5", name="five_attempts"),
        Index("ix_login_code_phone", "phone", "id"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    phone: Mapped[str]
    purpose: Mapped[str]
    """`login`, or what else the code is to prove (`phone:12`, for the new number of member 12)."""
    code_hash: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    used_at: Mapped[datetime | None]


class ApiKey(Base):
    """A host system's or a partner's key. The prefix tells keys apart on screens."""

    __tablename__ = "api_key"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str]
    key_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    prefix: Mapped[str]
    scopes: Mapped[list[str]]
    partner_id: Mapped[int | None] = mapped_column(ForeignKey("partner.id"))
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
