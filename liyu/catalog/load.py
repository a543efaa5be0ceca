"""Loading the published catalog: set-based queries on one consistent view of the database."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, LiteralString, TypeVar

from msgspec import Struct
from psycopg import Connection

from liyu.catalog.restrictions import NamedTag
from liyu.catalog.views import ItemView, PartnerView, PictureView, Stock, StoreView, TierPriceView, TierView

_ITEMS = """
    SELECT i.id, i.sku, i.kind, i.name_zh, i.name_en, i.summary_zh, i.summary_en, i.description_zh, i.description_en,
        i.rules_zh, i.rules_en, i.scene, i.points, i.cash_minor, i.value_minor, i.is_drop, i.on_sale_from, i.on_sale_to,
        i.per_member_limit, i.per_day_limit, i.voucher_days, i.uses, i.position, i.created_at, i.visible_from, i.visible_to,
        i.per_order_limit, i.per_person_limit, i.variant_of, i.variant_zh, i.variant_en, i.coupon_purpose, i.coupon_form,
        i.coupon_threshold_minor, i.coupon_benefit, i.ships_days, i.cancel_hours, i.return_days, i.ships_not_to, i.cities,
        i.tag_ids, i.tier_points, i.tier_id, i.partner_id
    FROM item i WHERE i.state = 'live' AND (%(items)s::bigint[] IS NULL OR i.id = ANY(%(items)s))"""
_STOCK = """
    SELECT s.item_id, s.total, s.taken FROM item_stock s JOIN item i ON i.id = s.item_id
    WHERE i.state = 'live' AND (%(items)s::bigint[] IS NULL OR s.item_id = ANY(%(items)s))"""
_TIERS = "SELECT id, code, rank, name_zh, name_en, threshold FROM tier"
_PICTURES = """
    SELECT i.item_id, p.digest, p.width, p.height, i.alt_zh, i.alt_en FROM item_picture i JOIN picture p ON p.digest = i.digest
    WHERE %(items)s::bigint[] IS NULL OR i.item_id = ANY(%(items)s) ORDER BY i.position, i.digest"""
_TAGS = "SELECT id, name_zh, name_en FROM tag"
_PARTNERS = "SELECT id, code, name_zh, name_en, category, state = 'active' FROM partner"
_STORES = """
    SELECT partner_id, id, code, name_zh, name_en, city_code, city_zh, city_en, address_zh, address_en, opening_hours
    FROM store WHERE active ORDER BY id"""
_ITEM_STORES = """
    SELECT item_id, store_id FROM item_store
    WHERE %(items)s::bigint[] IS NULL OR item_id = ANY(%(items)s) ORDER BY store_id"""

Owned = TypeVar("Owned")

ROWS_AT_ONCE = 50
"""So many rows are made in one go; more would hold up whoever waits for the interpreter."""

OWN_COLUMNS = ItemView.__struct_fields__.index("tier")
"""So many columns of an item stand before its tier, its partner and its stores."""


class Loaded(Struct):
    """Items that are live, with their stock."""

    items: dict[int, ItemView]
    stock: dict[int, Stock]


def load_items(
    connection: Connection[Any], item_ids: list[int] | None = None, *, pause: Callable[[], None] = lambda: None
) -> Loaded:
    """Load those of these items, or of all, that are live. The connection is in autocommit.

    `pause` is called between small steps: whoever loads beside others lets them go on.
    """
    values = {"items": item_ids}
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        tiers, tags, partners, stores, item_stores, pictures = [
            list(_fetch(connection, query, values, pause))
            for query in (_TIERS, _TAGS, _PARTNERS, _STORES, _ITEM_STORES, _PICTURES)
        ]
        shelf = _Shelf(tiers, tags, partners, stores, item_stores)
        shelf.pictures = _collect((row[0], PictureView(*row[1:])) for row in pictures)
        items = {row[0]: shelf.make_item(row) for row in _fetch(connection, _ITEMS, values, pause)}
        stock = {row[0]: Stock(row[1], row[2]) for row in _fetch(connection, _STOCK, values, pause)}
    return Loaded(items, stock)


def _fetch(connection: Connection[Any], query: LiteralString, values: Any, pause: Callable[[], None]) -> Iterator[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        while rows := cursor.fetchmany(ROWS_AT_ONCE):
            pause()
            yield from rows


def load_stock(connection: Connection[Any], item_ids: list[int]) -> Mapping[int, Stock]:
    """Load the stock of those of these items that are live."""
    rows = connection.execute(_STOCK, {"items": item_ids}).fetchall()
    return {item_id: Stock(total, taken) for item_id, total, taken in rows}


class _Shelf:
    """What many items share: each tier, partner and list of stores exists once."""

    def __init__(
        self, tiers: list[Any], tags: list[Any], partners: list[Any], stores: list[Any], item_stores: list[Any]
    ) -> None:
        self.tags = {row[0]: NamedTag(*row) for row in tags}
        self.tiers = {row[0]: TierView(*row) for row in tiers}
        self.partners = {row[0]: PartnerView(*row) for row in partners}
        self.pictures: dict[int, tuple[PictureView, ...]] = {}
        views = {row[1]: StoreView(*row[1:]) for row in stores}
        self.of_partner = _collect((row[0], views[row[1]]) for row in stores)
        # An item with stores of its own keeps to them even when all of them are closed.
        self.of_item = {item_id: () for item_id, _ in item_stores} | _collect(
            (item_id, views[store_id]) for item_id, store_id in item_stores if store_id in views
        )

    def make_item(self, row: Any) -> ItemView:
        *values, ships_not_to, cities, tag_ids, prices, tier_id, partner_id = row
        values[9], values[10] = tuple(values[9]), tuple(values[10])
        stores = self.of_item.get(row[0]) if row[0] in self.of_item else self.of_partner.get(partner_id)
        values[OWN_COLUMNS:OWN_COLUMNS] = [self.tiers.get(tier_id), self.partners.get(partner_id), stores or ()]
        values += [
            tuple(ships_not_to or ()),
            tuple(cities) if cities else None,
            tuple(self.tags[tag_id] for tag_id in tag_ids) if tag_ids else None,
            self._prices(prices) if prices else (),
            self.pictures.get(row[0], ()),
        ]
        return ItemView(*values)

    def _prices(self, prices: list[dict[str, int]]) -> tuple[TierPriceView, ...]:
        views = []
        for price in prices:
            tier = self.tiers[price["tier_id"]]
            views.append(TierPriceView(tier.code, tier.rank, price["points"], tier.name_zh, tier.name_en))
        return tuple(sorted(views, key=lambda view: view.rank))


def _collect(pairs: Iterable[tuple[int, Owned]]) -> dict[int, tuple[Owned, ...]]:
    found: dict[int, list[Owned]] = {}
    for owner, one in pairs:
        found.setdefault(owner, []).append(one)
    return {owner: tuple(ones) for owner, ones in found.items()}
