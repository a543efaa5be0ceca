"""An item as somebody wants it published: what is not given stays as it is, or takes its default."""

from datetime import datetime

from msgspec import UNSET, Struct, UnsetType


class ItemRecord(Struct, kw_only=True):
    """One item to publish. Money is in minor units, instants are aware; others are named by their codes."""

    row: int = 0
    """Where it stands in its file, for messages."""
    sku: str = ""
    kind: str | UnsetType = UNSET
    name_zh: str | UnsetType = UNSET
    name_en: str | UnsetType = UNSET
    summary_zh: str | UnsetType = UNSET
    summary_en: str | UnsetType = UNSET
    description_zh: str | UnsetType = UNSET
    description_en: str | UnsetType = UNSET
    rules_zh: list[str] | UnsetType = UNSET
    rules_en: list[str] | UnsetType = UNSET
    scene: str | UnsetType = UNSET
    points: int | UnsetType = UNSET
    cash_minor: int | UnsetType = UNSET
    value_minor: int | UnsetType = UNSET
    is_drop: bool | UnsetType = UNSET
    on_sale_from: datetime | UnsetType | None = UNSET
    on_sale_to: datetime | UnsetType | None = UNSET
    per_member_limit: int | UnsetType | None = UNSET
    per_day_limit: int | UnsetType | None = UNSET
    voucher_days: int | UnsetType = UNSET
    uses: int | UnsetType = UNSET
    position: int | UnsetType = UNSET
    stock: int | UnsetType | None = UNSET
    """The total ever offered; None is unlimited. Items with a code pool offer as many as they have codes."""
    tier: str | UnsetType | None = UNSET
    partner: str | UnsetType | None = UNSET
    agreement_line: str | UnsetType | None = UNSET
    stores: list[str] | UnsetType | None = UNSET
    visible_from: datetime | UnsetType | None = UNSET
    visible_to: datetime | UnsetType | None = UNSET
    per_order_limit: int | UnsetType | None = UNSET
    per_person_limit: int | UnsetType | None = UNSET
    tier_prices: dict[str, int] | UnsetType | None = UNSET
    """Points for each unit by the code of the tier."""
    tags: list[str] | UnsetType | None = UNSET
    cities: list[str] | UnsetType | None = UNSET
    variant_of: str | UnsetType | None = UNSET
    """The number of the item that this is a variant of."""
    variant_zh: str | UnsetType | None = UNSET
    variant_en: str | UnsetType | None = UNSET
    coupon_purpose: str | UnsetType | None = UNSET
    coupon_form: str | UnsetType | None = UNSET
    coupon_threshold_minor: int | UnsetType | None = UNSET
    coupon_benefit: int | UnsetType | None = UNSET
    ships_days: int | UnsetType | None = UNSET
    ships_not_to: list[str] | UnsetType | None = UNSET
    cancel_hours: int | UnsetType | None = UNSET
    return_days: int | UnsetType | None = UNSET
    giftable: bool | UnsetType = UNSET


class TierPrice(Struct, frozen=True):
    """The price of one unit for members of a tier."""

    tier_id: int
    points: int


class ItemRow(Struct, kw_only=True, forbid_unknown_fields=True):
    """The columns of an item that publishing writes."""

    sku: str
    kind: str
    name_zh: str
    name_en: str = ""
    summary_zh: str = ""
    summary_en: str = ""
    description_zh: str = ""
    description_en: str = ""
    rules_zh: list[str] = []
    rules_en: list[str] = []
    scene: str
    points: int
    cash_minor: int = 0
    value_minor: int = 0
    is_drop: bool = False
    on_sale_from: datetime | None = None
    on_sale_to: datetime | None = None
    per_member_limit: int | None = None
    per_day_limit: int | None = None
    tier_id: int | None = None
    partner_id: int | None = None
    agreement_line_id: int | None = None
    voucher_days: int = 90
    uses: int = 1
    position: int = 0
    visible_from: datetime | None = None
    visible_to: datetime | None = None
    per_order_limit: int | None = None
    per_person_limit: int | None = None
    tier_points: list[TierPrice] | None = None
    tag_ids: list[int] | None = None
    cities: list[str] | None = None
    variant_of: int | None = None
    variant_zh: str | None = None
    variant_en: str | None = None
    coupon_purpose: str | None = None
    coupon_form: str | None = None
    coupon_threshold_minor: int | None = None
    coupon_benefit: int | None = None
    ships_days: int | None = None
    ships_not_to: list[str] | None = None
    cancel_hours: int | None = None
    return_days: int | None = None
    giftable: bool = True


OWN_OF_A_VARIANT = frozenset(
    {
        "sku", "variant_of", "variant_zh", "variant_en", "points", "cash_minor", "value_minor", "tier_points", "position",
    }
)  # fmt: skip
"""What a variant has of its own, beside its stock; all else it shares with the item that it is a variant of."""

PLAIN_FIELDS = tuple(
    name for name in ItemRow.__struct_fields__ if name in ItemRecord.__struct_fields__ and name != "variant_of"
)
"""Fields that go from the record to the row as they are."""


class ImportResult(Struct, frozen=True):
    """What an import did."""

    created: int
    changed: int
    unchanged: int
    awaiting_codes: list[str] = []
    """Items of the kind `code` whose pool has fewer codes than the file gives stock: they offer what is there."""
