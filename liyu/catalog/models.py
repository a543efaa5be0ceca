"""Tables of the catalog: items, the stock they have, the stores that take them, and pools of third-party codes."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from liyu.core.database import Base

ITEM_KINDS = ("goods", "coupon", "partner_right", "code", "top_up", "draw", "donation")
VOUCHER_KINDS = ("coupon", "partner_right")
SCENES = ("travel", "dining", "hotel", "car", "health", "coffee", "shopping", "entertainment", "home", "charity")


class Item(Base):
    """Something to redeem. Texts come in Chinese and English; English falls back to Chinese."""

    __tablename__ = "item"
    __table_args__ = (
        CheckConstraint("points >= 0 AND cash_minor >= 0 AND value_minor >= 0", name="not_negative"),
        CheckConstraint(
            "on_sale_to IS NULL OR on_sale_from IS NULL OR on_sale_from < on_sale_to", name="window_opens_first"
        ),
        CheckConstraint("per_member_limit > 0 AND per_day_limit > 0", name="limits_are_positive"),
        CheckConstraint("uses > 0 AND voucher_days > 0", name="voucher_terms_are_positive"),
        Index("ix_item_partner", "partner_id"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    sku: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    state: Mapped[str]
    name_zh: Mapped[str]
    name_en: Mapped[str]
    summary_zh: Mapped[str] = mapped_column(default="")
    summary_en: Mapped[str] = mapped_column(default="")
    description_zh: Mapped[str] = mapped_column(default="")
    description_en: Mapped[str] = mapped_column(default="")
    rules_zh: Mapped[list[str]] = mapped_column(default=list)
    rules_en: Mapped[list[str]] = mapped_column(default=list)
    scene: Mapped[str]
    points: Mapped[int]
    cash_minor: Mapped[int] = mapped_column(default=0)
    value_minor: Mapped[int] = mapped_column(default=0)
    is_drop: Mapped[bool] = mapped_column(default=False)
    on_sale_from: Mapped[datetime | None]
    on_sale_to: Mapped[datetime | None]
    per_member_limit: Mapped[int | None]
    per_day_limit: Mapped[int | None]
    tier_id: Mapped[int | None] = mapped_column(ForeignKey("tier.id"))
    """The lowest tier that may redeem it."""
    partner_id: Mapped[int | None] = mapped_column(ForeignKey("partner.id"))
    agreement_line_id: Mapped[int | None] = mapped_column(ForeignKey("agreement_line.id"))
    voucher_days: Mapped[int] = mapped_column(default=90)
    uses: Mapped[int] = mapped_column(default=1)
    position: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]


class ItemStateChange(Base):
    """Every change of an item's state, with who and why."""

    __tablename__ = "item_state_change"
    __table_args__ = (Index("ix_item_state_change_item", "item_id", "id"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("item.id"))
    from_state: Mapped[str | None]
    to_state: Mapped[str]
    reason: Mapped[str]
    actor: Mapped[str]
    at: Mapped[datetime]


class ItemStock(Base):
    """How many units an item ever had and how many are taken; the check is the last guard against overselling."""

    __tablename__ = "item_stock"
    __table_args__ = (
        CheckConstraint("taken >= 0 AND (total IS NULL OR taken <= total)", name="never_oversold"),
        {"postgresql_with": {"fillfactor": "10"}},
    )

    item_id: Mapped[int] = mapped_column(ForeignKey("item.id"), primary_key=True)
    total: Mapped[int | None]
    """None: as many as anyone wants."""
    taken: Mapped[int] = mapped_column(default=0)


class ItemStore(Base):
    """The stores at which an item's vouchers are taken; an item without rows is taken at all stores of its partner."""

    __tablename__ = "item_store"

    item_id: Mapped[int] = mapped_column(ForeignKey("item.id"), primary_key=True)
    store_id: Mapped[int] = mapped_column(ForeignKey("store.id"), primary_key=True)


class PoolCode(Base):
    """A third party's secret code, encrypted; its keyed hash keeps it from being sold twice."""

    __tablename__ = "pool_code"
    __table_args__ = (Index("ix_pool_code_free", "item_id", "id", postgresql_where="redemption_id IS NULL"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("item.id"))
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    redemption_id: Mapped[int | None] = mapped_column(ForeignKey("redemption.id"), index=True)
    assigned_at: Mapped[datetime | None]
