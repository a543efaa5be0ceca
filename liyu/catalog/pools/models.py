"""Tables of code pools: the codes, the imports they came with, recalls of bad ones, who looked, and when to warn."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from liyu.core.database import Base

FREE = "c.redemption_id IS NULL AND c.recall_id IS NULL AND NOT c.kept"
"""Whether a code `c` is given to whoever comes next."""


class PoolImport(Base):
    """A list of codes that somebody brought in, and how many got which answer."""

    __tablename__ = "pool_import"
    __table_args__ = (Index("ix_pool_import_item", "item_id", "id"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("item.id"))
    file_name: Mapped[str]
    """Empty where the codes were pasted."""
    ok: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0)
    existing: Mapped[int] = mapped_column(default=0)
    duplicate: Mapped[int] = mapped_column(default=0)
    made_by: Mapped[str]
    made_at: Mapped[datetime]


class PoolImportFault(Base):
    """A row of an import that was not added, and why; its text is as secret as a code."""

    __tablename__ = "pool_import_fault"
    __table_args__ = (CheckConstraint("status IN ('failed', 'existing', 'duplicate')", name="known_status"),)

    import_id: Mapped[int] = mapped_column(ForeignKey("pool_import.id"), primary_key=True)
    row: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    status: Mapped[str]
    fault: Mapped[str | None]
    """What made it unreadable, for those that failed."""
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    other_item_id: Mapped[int | None] = mapped_column(ForeignKey("item.id"))
    """The item in whose pool the code was already."""


class PoolRecall(Base):
    """A bad batch that was taken back: its free codes are given to nobody, those of members are replaced."""

    __tablename__ = "pool_recall"
    __table_args__ = (Index("ix_pool_recall_item", "item_id", "id"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("item.id"))
    import_id: Mapped[int | None] = mapped_column(ForeignKey("pool_import.id"))
    """The import that was recalled as a whole; None where single codes were named."""
    reason: Mapped[str]
    made_by: Mapped[str]
    made_at: Mapped[datetime]


class PoolCode(Base):
    """A third party's secret code, encrypted; its keyed hash keeps it from being sold twice."""

    __tablename__ = "pool_code"
    __table_args__ = (
        Index(
            "ix_pool_code_free",
            "item_id",
            "id",
            postgresql_where="redemption_id IS NULL AND recall_id IS NULL AND NOT kept",
        ),
        Index("ix_pool_code_kept", "item_id", "id", postgresql_where="kept"),
        # Members who hold a recalled code and wait for another one.
        Index(
            "ix_pool_code_waiting",
            "item_id",
            "id",
            postgresql_where="recall_id IS NOT NULL AND redemption_id IS NOT NULL AND replaced_by IS NULL",
        ),
        Index("ix_pool_code_recall", "recall_id", postgresql_where="recall_id IS NOT NULL"),
        CheckConstraint(
            "replaced_by IS NULL OR (recall_id IS NOT NULL AND redemption_id IS NOT NULL AND replaced_by <> id)",
            name="what_was_recalled_is_replaced",
        ),
        CheckConstraint("NOT (kept AND redemption_id IS NOT NULL)", name="kept_or_given"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("item.id"))
    import_id: Mapped[int] = mapped_column(ForeignKey("pool_import.id"), index=True)
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    redemption_id: Mapped[int | None] = mapped_column(ForeignKey("redemption.id"), index=True)
    assigned_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]
    """When somebody said that it had been used; a recall leaves it alone."""
    recall_id: Mapped[int | None] = mapped_column(ForeignKey("pool_recall.id"))
    replaced_by: Mapped[int | None] = mapped_column(ForeignKey("pool_code.id"), unique=True)
    """The code that its member got instead."""
    kept: Mapped[bool] = mapped_column(server_default="false")
    """Set aside for whoever wins it: nobody can redeem it, and its unit counts as taken."""


class PoolReveal(Base):
    """Somebody looked at the codes of a redemption: its member, or one of the staff with a reason."""

    __tablename__ = "pool_reveal"
    __table_args__ = (
        Index("ix_pool_reveal_item", "item_id", "id"),
        Index("ix_pool_reveal_redemption", "redemption_id"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("item.id"))
    redemption_id: Mapped[int] = mapped_column(ForeignKey("redemption.id"))
    codes: Mapped[int]
    by_staff: Mapped[bool]
    actor: Mapped[str]
    reason: Mapped[str]
    at: Mapped[datetime]


class PoolWatch(Base):
    """When a pool is low, and whether that has been said."""

    __tablename__ = "pool_watch"
    __table_args__ = (
        CheckConstraint("low_at >= 0", name="not_negative"),
        CheckConstraint("lead_days BETWEEN 1 AND 365", name="a_year_at_most"),
    )

    item_id: Mapped[int] = mapped_column(ForeignKey("item.id"), primary_key=True)
    low_at: Mapped[int | None]
    """With so many free codes or fewer it is low; None leaves it to the forecast."""
    lead_days: Mapped[int] = mapped_column(server_default="14")
    """It is low when it is likely to run out within so many days."""
    told_at: Mapped[datetime | None]
