"""The published catalog as immutable values, ready for pages in both languages."""

from datetime import datetime

from msgspec import Struct


class TierView(Struct, frozen=True, gc=False):
    """A tier that an item asks for."""

    id: int
    code: str
    rank: int
    name_zh: str
    name_en: str
    threshold: int


class PartnerView(Struct, frozen=True, gc=False):
    """The partner behind an item; `is_open` is false while the partner is suspended."""

    id: int
    code: str
    name_zh: str
    name_en: str
    category: str
    is_open: bool


class StoreView(Struct, frozen=True, gc=False):
    """A store that takes an item's vouchers."""

    id: int
    code: str
    name_zh: str
    name_en: str
    city_code: str | None
    city_zh: str
    city_en: str
    address_zh: str
    address_en: str
    opening_hours: str


class Stock(Struct, frozen=True, gc=False):
    """How many units were ever offered (None: unlimited) and how many are taken."""

    total: int | None
    taken: int

    @property
    def left(self) -> int | None:
        """Units left; None is unlimited."""
        return None if self.total is None else self.total - self.taken

    @property
    def is_gone(self) -> bool:
        """Whether nothing is left."""
        return self.total is not None and self.taken >= self.total


class ItemView(Struct, frozen=True, gc=False):
    """An item that is live. Its stock stands beside it, since it moves far more often."""

    id: int
    sku: str
    kind: str
    name_zh: str
    name_en: str
    summary_zh: str
    summary_en: str
    description_zh: str
    description_en: str
    rules_zh: tuple[str, ...]
    rules_en: tuple[str, ...]
    scene: str
    points: int
    cash_minor: int
    value_minor: int
    is_drop: bool
    on_sale_from: datetime | None
    on_sale_to: datetime | None
    per_member_limit: int | None
    per_day_limit: int | None
    voucher_days: int
    uses: int
    position: int
    created_at: datetime
    tier: TierView | None
    partner: PartnerView | None
    stores: tuple[StoreView, ...]
    """All stores at which its vouchers are taken: its own, or else all active ones of its partner."""

    def is_ended(self, now: datetime) -> bool:
        """Whether its sale is over."""
        return self.on_sale_to is not None and self.on_sale_to <= now

    def is_coming(self, now: datetime) -> bool:
        """Whether its sale has not begun yet."""
        return self.on_sale_from is not None and now < self.on_sale_from
