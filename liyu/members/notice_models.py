"""The table of notices 站内消息: what a member is told inside the mall."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from liyu.core.database import Base


class MemberNotice(Base):
    """One notice. Its words are made when it is read, from the topic and the details, in the language that is spoken then."""

    __tablename__ = "member_notice"
    __table_args__ = (
        CheckConstraint(
            "topic IN ('drop_offered', 'drop_lapsed', 'drop_over', 'drop_called_off', "
            "'item_affordable', 'item_available', 'code_replaced', 'code_recalled', 'code_refunded', "
            "'order_sent', 'order_ready', 'order_topped_up', 'order_given_back', 'after_sale_changed', "
            "'draw_won', 'draw_offered', 'draw_waiting', 'draw_missed', 'draw_lapsed', 'draw_called_off', "
            "'gift_accepted', 'gift_lapsed', 'voucher_ends', "
            "'campaign_once', 'campaign_birthday', 'campaign_birthday_month', 'campaign_anniversary')",
            name="known_topic",
        ),
        Index("ix_member_notice_member", "member_id", "id"),
        # One word on a subject is enough until it has been read.
        Index(
            "uq_member_notice_unread", "member_id", "topic", "subject", unique=True, postgresql_where="read_at IS NULL"
        ),
        Index("ix_member_notice_at", "at"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    topic: Mapped[str]
    subject: Mapped[str]
    """What it is about, by a name that tells it from others of the topic: an item's number."""
    details: Mapped[dict[str, object]] = mapped_column(JSONB)
    """What its words name: an item in both languages, points."""
    at: Mapped[datetime]
    read_at: Mapped[datetime | None]
