"""What the desk knows when it decides: plain values loaded under lock, moved on as the batch goes through."""

from collections.abc import Iterator
from datetime import date, datetime
from zoneinfo import ZoneInfo

from msgspec import Struct, field

from liyu.catalog.prices import TierPoints
from liyu.catalog.restrictions import NamedTag
from liyu.members.points.lots import Draw, OpenLot
from liyu.redemption.addresses import Delivery
from liyu.redemption.drops.offers import Offer

LARGEST_QUANTITY = 100
"""The most units that one request may ask for; the ids of as many vouchers are reserved before it is decided."""


class RedeemRequest(Struct, frozen=True):
    """One wish to redeem. `scope` and `key` make it idempotent; `body_hash` tells two bodies apart."""

    scope: str
    key: str
    body_hash: str
    member: str
    """The member's external id."""
    sku: str
    quantity: int
    channel: str
    actor: str
    delivery: Delivery | None = None
    """Where goods are to go; nothing else is sent, and keeps none."""
    offer: int | None = None
    """What is kept for the member at a drop, by id; it is taken instead of free stock."""


class MemberState(Struct, array_like=True):
    """A member under lock."""

    id: int
    account_id: int
    state: str
    growth: int
    tier_rank: int
    tier_zh: str
    tier_en: str
    lots: list[OpenLot]


class ItemState(Struct, array_like=True):
    """An item whose stock is under lock. `total` None means unlimited."""

    id: int
    sku: str
    kind: str
    state: str
    points: int
    cash_minor: int
    total: int | None
    taken: int
    on_sale_from: datetime | None
    on_sale_to: datetime | None
    per_member_limit: int | None
    per_day_limit: int | None
    tier_rank: int
    tier_threshold: int
    tier_zh: str
    tier_en: str
    partner_id: int | None
    partner_open: bool
    agreement_line_id: int | None
    voucher_days: int
    uses: int
    variant_of: int | None = None
    per_order_limit: int | None = None
    per_person_limit: int | None = None
    tier_points: list[TierPoints] | None = None
    """Prices of tiers by rank, the lowest first."""
    tags: list[NamedTag] | None = None
    """Members need one of these; None is no restriction."""
    cities: list[str] | None = None
    """Members live in one of these; None is no restriction."""

    @property
    def limits_id(self) -> int:
        """The item under whose limits it stands: its own, or that of which it is a variant."""
        return self.variant_of or self.id

    @property
    def asks_who_it_is(self) -> bool:
        """Whether deciding needs to know the person behind the membership, and what is known of them."""
        return self.per_person_limit is not None or self.tags is not None or self.cities is not None


class PersonState(Struct, array_like=True):
    """What is known of a member beyond the account; loaded only for items that ask for it."""

    person_id: int
    """The membership that stands for the natural person."""
    city: str | None
    tag_ids: list[int]


class LimitUsed(Struct, frozen=True):
    """A limit of an item: whom it counts for, in which period, and up to how many units."""

    holder_id: int
    period: str
    cap: int


class Granted(Struct):
    """The redemption goes through: what is taken from whom."""

    member_id: int
    account_id: int
    item: ItemState
    quantity: int
    points: int
    draws: list[Draw]
    pool_codes: list[int]
    limits: list[LimitUsed]
    offer: Offer | None = None
    """What was kept for the member: its units are taken already."""

    @property
    def claimed(self) -> int:
        """Units that have to come out of the free stock."""
        return self.quantity - (self.offer.units if self.offer else 0)


class Refused(Struct):
    """The redemption does not go through: every failed condition by name, with its figures."""

    reasons: list[tuple[str, dict[str, object]]]


class Answer(Struct, omit_defaults=True):
    """A first answer kept for its idempotency key. Codes are not in it: they are made anew from the voucher ids."""

    refused: list[tuple[str, dict[str, object]]] | None = None
    redemption_id: int | None = None
    number: str = ""
    state: str = ""
    points: int = 0
    voucher_ids: list[int] = field(default_factory=list)
    expires_at: datetime | None = None


class KeptAnswer(Struct, array_like=True):
    """A first answer with the body that it answered."""

    body_hash: str
    answer: Answer


class Ids(Struct, array_like=True):
    """Ids reserved for a batch, so that its rows can refer to each other before they are written; each is used once."""

    redemptions: list[int]
    transfers: list[int]
    vouchers: list[int]


class DeskState(Struct):
    """Everything a batch needs, by external id, by stock-keeping number and by idempotency key."""

    now: datetime
    today: date
    members: dict[str, MemberState]
    items: dict[str, ItemState]
    used: dict[tuple[int, int, str], int]
    """Units used of a limit, by item id, member id and period (`` for a lifetime, a date for a day, `person` for the
    lifetime of the natural person whom that member stands for)."""
    answers: dict[tuple[str, str], KeptAnswer]
    pool_codes: dict[int, Iterator[int]]
    """Free codes of each item that comes from a pool, in order."""
    zone: ZoneInfo
    payments_available: bool = False
    people: dict[str, PersonState] = field(default_factory=dict)
    """By external id; filled for batches with an item that asks who it is."""
    offers: dict[int, Offer] = field(default_factory=dict)
    """What is kept for members, by id; filled for batches with a request that names an offer."""
