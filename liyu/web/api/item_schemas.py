"""What the calls of the catalog take and give."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from liyu.catalog.models import ITEM_KINDS, SCENES
from liyu.web.api.schemas import ExternalId, Instant

Points = Annotated[int, Meta(ge=0)]
Minor = Annotated[int, Meta(description="In minor units.")]


class StoreAnswer(Struct):
    """A store that takes the item's vouchers."""

    code: str
    name: str
    city: str


class TierPriceAnswer(Struct):
    """The price from a tier upwards, until the next tier with a price of its own."""

    tier: Annotated[str, Meta(description="The code of the tier.")]
    points: int


class VariantAnswer(Struct):
    """A colour, size or the like: an item of its own, with its own number, price and stock."""

    sku: str
    name: Annotated[str, Meta(description="What tells it apart.")]
    points: int
    stock: Annotated[int | None, Meta(description="Units left; null is unlimited.")]


class CouponAnswer(Struct):
    """What a coupon takes off: fen for `cash`, basis points for `discount`, nothing for `gift`."""

    purpose: Annotated[str, Meta(description="ordinary, marketing or care")]
    form: Annotated[str, Meta(description="cash, discount or gift")]
    benefit: int | None
    threshold_minor: Annotated[int | None, Meta(description="The least bill, in minor units.")]


class PictureAnswer(Struct):
    """A picture; the largest size."""

    url: str
    width: int
    height: int
    alt: str


class ItemAnswer(Struct):
    """A published item. Names are in the language asked for (`lang`, else Accept-Language, else the installation's)."""

    sku: str
    kind: Annotated[str, Meta(description=", ".join(ITEM_KINDS))]
    name: str
    points: int
    cash_minor: Minor
    stock: Annotated[int | None, Meta(description="Units left; null is unlimited.")]
    partner: Annotated[str | None, Meta(description="The partner's code.")]
    stores: list[StoreAnswer]
    name_zh: str
    name_en: str
    summary: str
    scene: Annotated[str, Meta(description=", ".join(SCENES))]
    tier: Annotated[str | None, Meta(description="The lowest tier that may redeem it.")]
    per_member_limit: int | None
    on_sale_from: Instant | None
    on_sale_to: Instant | None
    description: str
    rules: list[str]
    value_minor: Annotated[int, Meta(description="The price elsewhere, in minor units; 0 is not said.")]
    worth_per_point: Annotated[
        str | None,
        Meta(examples=["12.5"], description="Minor units that one point is worth here; null cannot be said."),
    ]
    is_drop: Annotated[bool, Meta(description="Whether it is limited and opens at an hour.")]
    tier_prices: list[TierPriceAnswer]
    member_points: Annotated[int | None, Meta(description="The price for `member`; null without one.")]
    tags: Annotated[list[str], Meta(description="Members need one of these; none is no restriction.")]
    cities: Annotated[list[str], Meta(description="Members live in one of these; none is no restriction.")]
    visible_from: Instant | None
    visible_to: Instant | None
    per_order_limit: int | None
    per_day_limit: int | None
    per_person_limit: Annotated[int | None, Meta(description="Over all memberships of a natural person.")]
    coupon: CouponAnswer | None
    voucher_days: Annotated[int | None, Meta(description="Of what is verified at a store: days from redeeming.")]
    uses: Annotated[int | None, Meta(description="Of what is verified at a store: how often.")]
    ships_days: Annotated[int | None, Meta(description="Of goods: working days until they are sent.")]
    ships_not_to: Annotated[list[str], Meta(description="Of goods: provinces that they are not sent to.")]
    cancel_hours: Annotated[
        int | None,
        Meta(description="Hours within which a member may cancel; 0 is never, null is until it was sent or used."),
    ]
    return_days: Annotated[
        int | None,
        Meta(description="Days within which goods may be given back; 0 is never, null is as the program says."),
    ]
    variant_of: Annotated[str | None, Meta(description="The number of the item that leads this one.")]
    variants: Annotated[list[VariantAnswer], Meta(description="All choices, itself among them; none without a choice.")]
    pictures: list[PictureAnswer]


class ItemsAnswer(Struct):
    """One page of items, how many there are on all pages, and what was searched where nothing fits the words."""

    items: list[ItemAnswer]
    next: Annotated[str | None, Meta(description="The cursor of the next page; null on the last one.")]
    total: int
    correction: Annotated[
        str | None, Meta(description="Nothing was found for `q` as typed; these are for these words. Else null.")
    ]
    is_near: Annotated[bool, Meta(description="Nothing has all of the words; these come close.")]


class LanguageQuery(Struct):
    """The language of names."""

    lang: Annotated[str | None, Meta(description="zh-CN or en")] = None


class ItemQuery(LanguageQuery):
    """For whom, and in which language."""

    member: Annotated[
        ExternalId | None,
        Meta(description="Prices are said for this member, too. Needs the scope `members:read`."),
    ] = None


class ItemsQuery(ItemQuery):
    """What to look for."""

    q: Annotated[str, Meta(max_length=200, description="Words, pinyin or initials, as in the mall's search.")] = ""
    kind: Annotated[str | None, Meta(description="Only items of this kind.")] = None
    scene: Annotated[str | None, Meta(description="Only items of this scene.")] = None
    partner: Annotated[str | None, Meta(description="Only items of the partner with this code.")] = None
    tier: Annotated[str | None, Meta(description="Only items for which this is the lowest tier.")] = None
    city: Annotated[str | None, Meta(description="Only items with a store in this city, by its Chinese name.")] = None
    points_from: Annotated[Points | None, Meta(description="Only items that cost so many points or more.")] = None
    points_to: Annotated[Points | None, Meta(description="Only items that cost so many points or fewer.")] = None
    affordable: Annotated[bool, Meta(description="Only what `member` can pay today, at the price of their tier.")] = (
        False
    )
    sort: Annotated[
        Literal["recommended", "points_up", "points_down", "newest"],
        Meta(description="The order; with `q` what fits best comes first where nothing else is said."),
    ] = "recommended"
    limit: Annotated[int, Meta(ge=1, le=100, description="Items on a page.")] = 24
    cursor: Annotated[str | None, Meta(description="`next` of the page before.")] = None
