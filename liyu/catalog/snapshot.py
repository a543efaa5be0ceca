"""The published catalog in memory: loaded by a handful of queries, indexed for lists, never changed, only replaced."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from itertools import chain
from typing import Any

from liyu.catalog.search_index import SearchIndex
from liyu.catalog.views import ItemView, Stock

SortKey = tuple[int, ...]

SORTS: dict[str, Callable[[ItemView], SortKey]] = {
    "recommended": lambda item: (item.position, item.id),
    "points_up": lambda item: (item.points, item.cash_minor, item.id),
    "points_down": lambda item: (-item.points, -item.cash_minor, item.id),
    "newest": lambda item: (-int(item.created_at.timestamp()), -item.id),
}
"""How lists can be sorted. Keys are whole numbers that end with the id, so that every place in a list has one name."""

RECOMMENDED = "recommended"
FACETS: dict[str, Callable[[ItemView], str | None]] = {
    "kind": lambda item: item.kind,
    "scene": lambda item: item.scene,
    "partner": lambda item: item.partner.code if item.partner else None,
    "tier": lambda item: item.tier.code if item.tier else None,
}
"""What lists can be filtered by."""

Items = tuple[ItemView, ...]


class Snapshot:
    """The catalog at one moment. `version` grows with every change of items, `stock_version` with those of stock too.

    Items whose sale is over, whose partner is suspended, or which are variants are found by their number, but stand in no list.
    Items that are not shown yet, or no more, are not found at all. `next_ending` says when the lists will have to be made anew
    because a sale ends, or an item comes or goes.
    """

    def __init__(
        self, items: Iterable[ItemView], stock: Mapping[int, Stock], now: datetime, version: int, stock_version: int
    ) -> None:
        self.by_id: Mapping[int, ItemView] = {item.id: item for item in items}
        self.by_sku: Mapping[str, ItemView] = {item.sku: item for item in self.by_id.values() if item.is_shown(now)}
        self.stock = stock
        self.version = version
        self.stock_version = stock_version
        self.made_at = now
        listed = [
            item
            for item in self.by_sku.values()
            if item.variant_of is None and not item.is_ended(now) and (item.partner is None or item.partner.is_open)
        ]
        self._variants = _group_variants(self.by_sku.values())
        self.lists = Lists(listed)
        moments = chain(
            (item.on_sale_to for item in listed),
            (item.visible_from for item in self.by_id.values() if item.visible_from and item.visible_from > now),
            (item.visible_to for item in self.by_sku.values()),
        )
        self.next_ending = min((moment for moment in moments if moment), default=None)

    def with_stock(self, stock: Mapping[int, Stock]) -> "Snapshot":
        """The same items with other stock."""
        other = object.__new__(Snapshot)
        other.__dict__.update(self.__dict__)
        other.stock, other.stock_version = stock, self.stock_version + 1
        return other

    @property
    def items(self) -> Items:
        """All listed items as recommended."""
        return self.lists.ordered(RECOMMENDED)

    @cached_property
    def index(self) -> SearchIndex:
        """What searches look through; made at first use."""
        return SearchIndex(self.items)

    def stock_of(self, item: ItemView) -> Stock:
        """The item's stock."""
        return self.stock[item.id]

    def variants_of(self, item: ItemView) -> Items:
        """The item's variants and itself, as recommended; nothing for an item without variants."""
        return self._variants.get(item.limits_id, ())

    def live_drops(self, now: datetime) -> list[ItemView]:
        """Drops that are open, those that close first in front; sold-out ones at the end."""
        drops = [item for item in self.lists.drops if not item.is_coming(now) and not item.is_ended(now)]
        far = datetime.max.replace(tzinfo=now.tzinfo)
        return sorted(drops, key=lambda item: (self.stock[item.id].is_gone, item.on_sale_to or far, item.id))

    def coming_drops(self, now: datetime) -> list[ItemView]:
        """Drops that have not opened yet, the next one first."""
        return [item for item in self.lists.drops if item.is_coming(now)]

    def similar(self, item: ItemView, most: int) -> list[ItemView]:
        """Other items of the same partner, then of the same scene, as recommended."""
        same = self.lists.filtered("partner", item.partner.code, RECOMMENDED) if item.partner else ()
        scene = self.lists.filtered("scene", item.scene, RECOMMENDED)
        found = {one.id: one for one in (*same[: most + 1], *scene[: 2 * most + 1]) if one.id != item.id}
        return list(found.values())[:most]


class Lists:
    """The listed items in every order and by every facet, and a memory of what was asked before."""

    def __init__(self, items: Iterable[ItemView]) -> None:
        listed = list(items)
        self._orders: dict[str, Items] = {name: tuple(sorted(listed, key=key)) for name, key in SORTS.items()}
        self._facets: dict[tuple[str, str], dict[str, Items]] = {
            (facet, sort): _group(self._orders[sort], value_of) for facet, value_of in FACETS.items() for sort in SORTS
        }
        long_ago = datetime.min.replace(tzinfo=UTC)
        self.drops: Items = tuple(
            sorted(
                (item for item in listed if item.is_drop),
                key=lambda item: (item.on_sale_from or long_ago, item.id),
            )
        )
        self.memory: dict[Any, Any] = {}
        """Answers to searches, good for as long as these lists are; whoever asks keeps it small."""

    def ordered(self, sort: str) -> Items:
        """All listed items in this order."""
        return self._orders[sort]

    def filtered(self, facet: str, value: str, sort: str) -> Items:
        """The items with this value of a facet, in this order."""
        return self._facets[facet, sort].get(value, ())

    def count(self, facet: str) -> dict[str, int]:
        """How many items have each value of a facet."""
        return {value: len(items) for value, items in self._facets[facet, RECOMMENDED].items()}

    @cached_property
    def size(self) -> int:
        """How many items are listed."""
        return len(self._orders[RECOMMENDED])


def _group_variants(items: Iterable[ItemView]) -> dict[int, Items]:
    shown = list(items)
    leads = {item.variant_of for item in shown if item.variant_of is not None}
    groups: dict[int, list[ItemView]] = {}
    for item in shown:
        if item.limits_id in leads:
            groups.setdefault(item.limits_id, []).append(item)
    return {lead: tuple(sorted(group, key=SORTS[RECOMMENDED])) for lead, group in groups.items()}


def skip_to(items: Items, sort: str, after: SortKey | None) -> int:
    """The index of the first item behind a place in a sorted list."""
    return 0 if after is None else bisect_right(items, after, key=SORTS[sort])


def _group(items: Items, value_of: Callable[[ItemView], str | None]) -> dict[str, Items]:
    groups: dict[str, list[ItemView]] = {}
    for item in items:
        value = value_of(item)
        if value is not None:
            groups.setdefault(value, []).append(item)
    return {value: tuple(group) for value, group in groups.items()}
