"""The published catalog as immutable values, ready for pages in both languages."""

from datetime import datetime

from msgspec import Struct

from liyu.catalog.models import POSTED_KINDS
from liyu.catalog.prices import price_for
from liyu.catalog.restrictions import NamedTag


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
    latitude: float | None = None
    longitude: float | None = None


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


class TierPriceView(Struct, frozen=True, gc=False):
    """The price in points from a tier upwards, until the next tier with a price of its own."""

    code: str
    rank: int
    points: int
    name_zh: str
    name_en: str


class PictureView(Struct, frozen=True, gc=False):
    """A picture of an item: the names under which its sizes are kept, by width, and what it shows in words."""

    digest: str
    width: int
    height: int
    alt_zh: str
    alt_en: str


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
    visible_from: datetime | None = None
    visible_to: datetime | None = None
    per_order_limit: int | None = None
    per_person_limit: int | None = None
    variant_of: int | None = None
    variant_zh: str | None = None
    variant_en: str | None = None
    coupon_purpose: str | None = None
    coupon_form: str | None = None
    coupon_threshold_minor: int | None = None
    coupon_benefit: int | None = None
    ships_days: int | None = None
    cancel_hours: int | None = None
    """Hours within which a member may cancel; 0 is never, None is until it was sent or used."""
    return_days: int | None = None
    """Days within which goods may be given back; 0 is never, None is as the program says."""
    ships_not_to: tuple[str, ...] = ()
    cities: tuple[str, ...] | None = None
    """Members live in one of these; None is no restriction."""
    tags: tuple[NamedTag, ...] | None = None
    """Members need one of these; None is no restriction."""
    tier_points: tuple[TierPriceView, ...] = ()
    """By rank, the lowest first."""
    pictures: tuple[PictureView, ...] = ()

    @property
    def limits_id(self) -> int:
        """The item under whose limits it stands: its own, or that of which it is a variant."""
        return self.variant_of or self.id

    @property
    def is_posted(self) -> bool:
        """Whether it goes by post, to an address."""
        return self.kind in POSTED_KINDS

    def price_for(self, rank: int | None) -> int:
        """The price in points of one unit for a member of the tier with this rank; None is nobody known."""
        return self.points if rank is None else price_for(self.points, self.tier_points, rank)

    def is_shown(self, now: datetime) -> bool:
        """Whether it is to be seen at all."""
        return (self.visible_from is None or self.visible_from <= now) and (
            self.visible_to is None or now < self.visible_to
        )

    def is_ended(self, now: datetime) -> bool:
        """Whether its sale is over."""
        return self.on_sale_to is not None and self.on_sale_to <= now

    def is_coming(self, now: datetime) -> bool:
        """Whether its sale has not begun yet."""
        return self.on_sale_from is not None and now < self.on_sale_from
