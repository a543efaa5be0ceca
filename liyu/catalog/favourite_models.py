"""Tables of what members keep an eye on: their favourites, and the items that they looked at last."""

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from liyu.core.database import Base


class Favourite(Base):
    """An item that a member wants to have one day, and how it stood for them when it was last looked at."""

    __tablename__ = "favourite"

    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"), primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("item.id"), primary_key=True)
    at: Mapped[datetime]
    is_available: Mapped[bool]
    """On sale with a unit left."""
    is_affordable: Mapped[bool]
    """The member's points and tier are enough."""


class ItemSeen(Base):
    """An item whose page a member opened, and when the last time was."""

    __tablename__ = "item_seen"

    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"), primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("item.id"), primary_key=True)
    at: Mapped[datetime]
