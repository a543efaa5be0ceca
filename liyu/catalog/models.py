"""Tables of the catalog: items, the stock they have, the stores that take them."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from liyu.core.database import Base

ITEM_KINDS = ("goods", "pick_up", "coupon", "partner_right", "code", "top_up", "draw", "donation")
VOUCHER_KINDS = ("pick_up", "coupon", "partner_right")
"""What a store hands over: goods to pick up are verified at the till as a voucher is."""
GIVEN_BACK_KINDS = ("goods",)
"""What can be given back once the member has it; what a store hands over, the store takes back."""
POSTED_KINDS = ("goods",)
"""What goes by post, to an address."""
COUPON_PURPOSES = ("ordinary", "marketing", "care")
COUPON_FORMS = ("discount", "cash", "gift")
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
        CheckConstraint("per_order_limit > 0 AND per_person_limit > 0", name="further_limits_are_positive"),
        CheckConstraint("uses > 0 AND voucher_days > 0", name="voucher_terms_are_positive"),
        CheckConstraint(
            "visible_to IS NULL OR visible_from IS NULL OR visible_from < visible_to", name="visible_window_opens_first"
        ),
        # What is not shown yet cannot be had: the desk then needs to look at the sale's window alone.
        CheckConstraint(
            "visible_from IS NULL OR (on_sale_from IS NOT NULL AND visible_from <= on_sale_from)",
            name="shown_before_sold",
        ),
        CheckConstraint(
            "visible_to IS NULL OR (on_sale_to IS NOT NULL AND on_sale_to <= visible_to)", name="sold_while_shown"
        ),
        CheckConstraint(
            "jsonb_array_length(tier_points) > 0 AND jsonb_array_length(tag_ids) > 0 AND jsonb_array_length(cities) > 0",
            name="restrictions_are_not_empty",
        ),
        CheckConstraint(
            "coupon_purpose IN ('ordinary', 'marketing', 'care') AND coupon_form IN ('discount', 'cash', 'gift')",
            name="known_coupon",
        ),
        CheckConstraint(
            "(coupon_form IS NULL) = (coupon_purpose IS NULL) AND (coupon_form IS NULL OR kind = 'coupon')",
            name="only_coupons_have_coupon_terms",
        ),
        CheckConstraint(
            "(coupon_form IS NULL OR coupon_form = 'gift') = (coupon_benefit IS NULL) AND coupon_benefit > 0 "
            "AND (coupon_form <> 'discount' OR coupon_benefit < 10000) AND coupon_threshold_minor >= 0",
            name="coupon_benefit_fits_its_form",
        ),
        CheckConstraint("variant_of <> id", name="variant_of_another"),
        CheckConstraint("ships_days > 0", name="ships_days_are_positive"),
        CheckConstraint("cancel_hours >= 0 AND return_days >= 0", name="giving_back_is_not_negative"),
        Index("ix_item_variant", "variant_of", postgresql_where="variant_of IS NOT NULL"),
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
    visible_from: Mapped[datetime | None]
    visible_to: Mapped[datetime | None]
    per_order_limit: Mapped[int | None]
    per_person_limit: Mapped[int | None]
    """Units for each natural person in a lifetime, over all memberships of theirs (`member.person_id`)."""
    tier_points: Mapped[list[dict[str, object]] | None] = mapped_column(JSONB(none_as_null=True))
    """Prices of tiers, as `tier_id` and `points`; who is above a tier without a price of its own pays that of the next one down."""
    tag_ids: Mapped[list[int] | None] = mapped_column(JSONB(none_as_null=True))
    """Members need one of these tags; None is no restriction."""
    cities: Mapped[list[str] | None] = mapped_column(JSONB(none_as_null=True))
    """Members live in one of these cities; None is no restriction."""
    variant_of: Mapped[int | None] = mapped_column(ForeignKey("item.id"))
    """The item whose variant (colour, size) this is: an item of its own with its own stock, under the other's limits."""
    variant_zh: Mapped[str | None]
    variant_en: Mapped[str | None]
    coupon_purpose: Mapped[str | None]
    coupon_form: Mapped[str | None]
    coupon_threshold_minor: Mapped[int | None]
    """The bill from which the coupon counts, in minor units; None or 0 is any."""
    coupon_benefit: Mapped[int | None]
    """What it takes off: minor units for `cash`, basis points for `discount` (1500 is 15 % off); none for a `gift`."""
    ships_days: Mapped[int | None]
    """Working days within which goods are sent."""
    ships_not_to: Mapped[list[str] | None] = mapped_column(JSONB(none_as_null=True))
    """Provinces to which goods are not sent."""
    cancel_hours: Mapped[int | None]
    """Hours after redeeming within which a member may cancel; 0 is never, None is until it was sent or used."""
    return_days: Mapped[int | None]
    """Days after they were received within which goods may be given back; None is as the program says, 0 is never."""
    giftable: Mapped[bool] = mapped_column(server_default="true")
    """Whether a member may give its vouchers to another."""


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


class ItemVersion(Base):
    """What an item said after each change, so that it can be looked at and taken back."""

    __tablename__ = "item_version"
    __table_args__ = (UniqueConstraint("item_id", "number"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("item.id"))
    number: Mapped[int]
    facts: Mapped[dict[str, Any]]
    """The columns of `item` that publishing writes, its stock as `total`, its stores as `stores`."""
    reason: Mapped[str]
    actor: Mapped[str]
    at: Mapped[datetime]


class Picture(Base):
    """A picture that was uploaded, checked and encoded anew; its files are named by the digest and never change."""

    __tablename__ = "picture"
    __table_args__ = (CheckConstraint("width > 0 AND height > 0", name="has_a_size"),)

    digest: Mapped[str] = mapped_column(primary_key=True)
    width: Mapped[int]
    """Of the largest size, in pixels."""
    height: Mapped[int]
    made_by: Mapped[str]
    made_at: Mapped[datetime]


class ItemPicture(Base):
    """A picture of an item; the first one is its cover."""

    __tablename__ = "item_picture"
    __table_args__ = (Index("ix_item_picture_digest", "digest"),)

    item_id: Mapped[int] = mapped_column(ForeignKey("item.id"), primary_key=True)
    digest: Mapped[str] = mapped_column(ForeignKey("picture.digest"), primary_key=True)
    position: Mapped[int]
    alt_zh: Mapped[str]
    """What is to be seen, for those who do not see it."""
    alt_en: Mapped[str]


class Collection(Base):
    """A hand-picked list of items, in an order of its own."""

    __tablename__ = "collection"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    code: Mapped[str] = mapped_column(unique=True)
    title_zh: Mapped[str]
    title_en: Mapped[str]
    intro_zh: Mapped[str]
    intro_en: Mapped[str]
    active: Mapped[bool]
    changed_at: Mapped[datetime]


class CollectionItem(Base):
    """An item's place in a collection."""

    __tablename__ = "collection_item"
    __table_args__ = (Index("ix_collection_item_item", "item_id"),)

    collection_id: Mapped[int] = mapped_column(ForeignKey("collection.id"), primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("item.id"), primary_key=True)
    position: Mapped[int]


class Banner(Base):
    """A large card on the home page that leads somewhere in the mall."""

    __tablename__ = "banner"
    __table_args__ = (
        CheckConstraint("shown_from IS NULL OR shown_to IS NULL OR shown_from < shown_to", name="window_opens_first"),
        CheckConstraint("href LIKE '/%' AND href NOT LIKE '//%'", name="stays_in_the_mall"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    title_zh: Mapped[str]
    title_en: Mapped[str]
    text_zh: Mapped[str]
    text_en: Mapped[str]
    href: Mapped[str]
    digest: Mapped[str | None] = mapped_column(ForeignKey("picture.digest"))
    active: Mapped[bool]
    shown_from: Mapped[datetime | None]
    shown_to: Mapped[datetime | None]
    position: Mapped[int]
    changed_at: Mapped[datetime]


class HomeSection(Base):
    """A row of items on the home page: a collection, a scene, or the newest."""

    __tablename__ = "home_section"
    __table_args__ = (
        CheckConstraint(
            "(kind = 'collection' AND collection_id IS NOT NULL AND scene IS NULL) "
            "OR (kind = 'scene' AND scene IS NOT NULL AND collection_id IS NULL) "
            "OR (kind = 'newest' AND scene IS NULL AND collection_id IS NULL)",
            name="kind_has_its_own",
        ),
        CheckConstraint("most BETWEEN 1 AND 24", name="a_row_of_items"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    kind: Mapped[str]
    collection_id: Mapped[int | None] = mapped_column(ForeignKey("collection.id"))
    scene: Mapped[str | None]
    most: Mapped[int]
    position: Mapped[int]


class ItemProposal(Base):
    """What a partner wants to change of an item that members can have: applied by rule, or after a review."""

    __tablename__ = "item_proposal"
    __table_args__ = (
        CheckConstraint("state IN ('submitted', 'approved', 'returned', 'withdrawn')", name="known_state"),
        CheckConstraint("(state = 'submitted') = (decided_at IS NULL)", name="decided_once"),
        Index("uq_item_proposal_open", "item_id", unique=True, postgresql_where="state = 'submitted'"),
        Index("ix_item_proposal_partner", "partner_id", "id"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("item.id"))
    partner_id: Mapped[int] = mapped_column(ForeignKey("partner.id"))
    given: Mapped[dict[str, Any]]
    """The fields that are to change, as `ItemRecord` names them."""
    before: Mapped[dict[str, Any]]
    """What they said when it was proposed."""
    state: Mapped[str]
    by_rule: Mapped[bool]
    """Whether the rule let it pass without a review."""
    note: Mapped[str]
    made_by: Mapped[str]
    made_at: Mapped[datetime]
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    reason: Mapped[str]


class ListingRule(Base):
    """What partners may change of their items without a review; one row."""

    __tablename__ = "listing_rule"
    __table_args__ = (
        CheckConstraint("id = 1", name="only_one"),
        CheckConstraint("price_percent BETWEEN 0 AND 100", name="percent"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=1)
    price_percent: Mapped[int] = mapped_column(server_default="0")
    """A price in points may move by so many percent of itself; 0: every change of a price is reviewed."""
    stock_may_rise: Mapped[bool] = mapped_column(server_default="true")
    stock_may_fall: Mapped[bool] = mapped_column(server_default="false")
    changed_at: Mapped[datetime | None]


class ItemUpload(Base):
    """A file of items between its upload and the yes or no."""

    __tablename__ = "item_upload"
    __table_args__ = (CheckConstraint("state IN ('ready', 'applied', 'discarded')", name="known_state"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    file_name: Mapped[str]
    storage_name: Mapped[str]
    state: Mapped[str]
    made_by: Mapped[str]
    made_at: Mapped[datetime]
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """What importing it did."""
