"""The published catalog in memory at one moment: indexed for lists and searches, never changed, only followed by another."""

import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np

from liyu.catalog.columns import FACETS, SORTS, Array, Columns, Items, ItemSequence, SortKey, instant_of
from liyu.catalog.search_index import SearchIndex
from liyu.catalog.views import ItemView, Stock

__all__ = ["FACETS", "RECOMMENDED", "SORTS", "Items", "Lists", "Pacer", "Snapshot", "SortKey"]

RECOMMENDED = "recommended"


class Pacer:
    """Lets others run while much is made: after each millisecond or so of work a little rest, if there is to be any."""

    WORK, REST = 0.001, 0.0005

    def __init__(self, *, rests: bool) -> None:
        self._rests = rests
        self._since = time.perf_counter()

    def __call__(self) -> None:
        """Called between small steps."""
        if self._rests and time.perf_counter() - self._since > self.WORK:
            time.sleep(self.REST)
            self._since = time.perf_counter()


_AT_ONCE = Pacer(rests=False)


class Snapshot:
    """The catalog at one moment. `version` grows with every change of items, `stock_version` with those of stock too.

    Items whose sale is over, whose partner is suspended, or which are variants are found by their number, but stand in no list.
    Items that are not shown yet, or no more, are not found at all. `next_ending` says when the lists will have to be made anew
    because a sale ends, or an item comes or goes.
    """

    def __init__(
        self,
        items: Iterable[ItemView],
        stock: Mapping[int, Stock],
        now: datetime,
        version: int,
        stock_version: int,
        *,
        pause: Callable[[], None] = _AT_ONCE,
    ) -> None:
        columns = Columns().replaced((), list(items), pause)
        by_id = {item.id: item for item in columns.items if item is not None}
        self._fill(columns, by_id, {}, SearchIndex().extended(columns.items, pause), now)
        self._number(stock, version, stock_version)

    def _fill(
        self,
        columns: Columns,
        by_id: dict[int, ItemView],
        by_sku: dict[str, ItemView],
        index: SearchIndex,
        now: datetime,
    ) -> None:
        self.columns = columns
        self.by_id: Mapping[int, ItemView] = by_id
        self.index = index
        self.made_at = now
        self.shown, listed = columns.listed(now)
        if not by_sku:
            by_sku = {item.sku: item for item in ItemSequence(columns.items, np.flatnonzero(self.shown))}
        self.by_sku: Mapping[str, ItemView] = by_sku
        self.lists = Lists(columns, listed)
        self.next_ending = columns.next_change(now, self.shown, listed)

    def _number(self, stock: Mapping[int, Stock], version: int, stock_version: int) -> None:
        self.stock = stock
        self.version = version
        self.stock_version = stock_version

    def with_stock(self, stock: Mapping[int, Stock]) -> "Snapshot":
        """The same items with other stock."""
        other = object.__new__(Snapshot)
        other.__dict__.update(self.__dict__)
        other.stock, other.stock_version = stock, self.stock_version + 1
        return other

    def followed(
        self,
        come: Mapping[int, ItemView],
        gone: Iterable[int],
        stock: Mapping[int, Stock],
        now: datetime,
        *,
        pause: Callable[[], None] = _AT_ONCE,
    ) -> "Snapshot":
        """The next snapshot: some items new or changed, some gone. Costs as much as has changed, and a little copying."""
        gone = set(gone)
        by_id = {**self.by_id, **come}
        for item_id in gone:
            by_id.pop(item_id, None)
        columns = self.columns.replaced([*gone, *come], list(come.values()), pause)
        if columns.is_sparse:
            return Snapshot(by_id.values(), stock, now, self.version + 1, self.stock_version + 1, pause=pause)
        other = object.__new__(Snapshot)
        index = self.index.extended(columns.items, pause)
        other._fill(columns, by_id, self._follow_skus(columns, come, gone, now), index, now)
        other._number(stock, self.version + 1, self.stock_version + 1)
        return other

    def _follow_skus(
        self, columns: Columns, come: Mapping[int, ItemView], gone: set[int], now: datetime
    ) -> dict[str, ItemView]:
        by_sku = {**self.by_sku}
        for item_id in (*gone, *come):
            before = self.by_id.get(item_id)
            if before is not None:
                by_sku.pop(before.sku, None)
        shown, _ = columns.listed(now)
        turned = np.flatnonzero(shown[: len(self.shown)] != self.shown)
        for slot in (*turned.tolist(), *range(len(self.shown), len(shown))):
            item = columns.items[slot]
            if item is None:
                continue
            if shown[slot]:
                by_sku[item.sku] = item
            elif by_sku.get(item.sku) == item:
                del by_sku[item.sku]
        return by_sku

    @property
    def items(self) -> Items:
        """All listed items as recommended."""
        return self.lists.ordered(RECOMMENDED)

    def stock_of(self, item: ItemView) -> Stock:
        """The item's stock."""
        return self.stock[item.id]

    def variants_of(self, item: ItemView) -> tuple[ItemView, ...]:
        """The item's variants and itself, as recommended; nothing for an item without variants."""
        figures = self.columns.figures
        variants = self.shown & (figures["variant_of"] == item.limits_id)
        if not variants.any():
            return ()
        group = np.flatnonzero(variants | (self.shown & (figures["id"] == item.limits_id)))
        return tuple(sorted(ItemSequence(self.columns.items, group), key=SORTS[RECOMMENDED]))

    def at_hand(self, item: ItemView) -> ItemView:
        """The item that stands for all of its choices: itself, or where it is sold out the first one with something left."""
        if not self.stock[item.id].is_gone or item.limits_id not in self._leading:
            return item
        return next((one for one in self.variants_of(item) if not self.stock[one.id].is_gone), item)

    def is_priced_by_tier(self, item: ItemView) -> bool:
        """Whether members of some tiers pay another price for it, or for one of its choices."""
        return bool(item.tier_points) or (
            item.limits_id in self._leading and any(one.tier_points for one in self.variants_of(item))
        )

    @cached_property
    def _leading(self) -> frozenset[int]:
        """The ids of items with variants."""
        led = self.columns.figures["variant_of"][self.shown]
        return frozenset(led[led > 0].tolist())

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

    def edges_passed(self, now: datetime) -> int:
        """How many openings and closings of sales lie behind us."""
        return bisect_right(self._edges, instant_of(now, 0))

    @cached_property
    def _edges(self) -> list[int]:
        edges: list[int] = self.columns.edges().tolist()
        return edges


class Lists:
    """The listed items in every order and by every facet, and a memory of what was asked before."""

    def __init__(self, columns: Columns, listed: Array) -> None:
        self.columns = columns
        self.listed = listed
        """Which slots stand in lists."""
        self.orders: dict[str, Array] = {name: order[listed[order]] for name, order in columns.orders.items()}
        """The listed slots in each order."""
        self.memory: dict[Any, Any] = {}
        """Answers to questions, good for as long as these lists are; whoever asks keeps it small."""

    @cached_property
    def drops(self) -> tuple[ItemView, ...]:
        """The drops, by their opening."""
        long_ago = datetime.min.replace(tzinfo=UTC)
        slots = np.flatnonzero(self.listed & self.columns.flags["is_drop"])
        found = ItemSequence(self.columns.items, slots)
        return tuple(sorted(found, key=lambda item: (item.on_sale_from or long_ago, item.id)))

    def ordered(self, sort: str) -> Items:
        """All listed items in this order."""
        return ItemSequence(self.columns.items, self.orders[sort])

    def filtered(self, facet: str, value: str, sort: str) -> Items:
        """The items with this value of a facet, in this order."""
        code = self.columns.values[facet].get(value)
        if code is None:
            return ()
        order = self.orders[sort]
        return ItemSequence(self.columns.items, order[self.columns.codes[facet][order] == code])

    def in_city(self, city: str) -> Items:
        """The listed items that a store in this city takes."""
        slots = self.columns.cities.get(city)
        return () if slots is None else ItemSequence(self.columns.items, slots[self.listed[slots]])

    def count(self, facet: str) -> dict[str, int]:
        """How many items have each value of a facet."""
        return self.count_among(facet, self.listed)

    def count_among(self, facet: str, chosen: Array) -> dict[str, int]:
        """How many of the chosen slots have each value of a facet."""
        codes = self.columns.codes[facet][chosen]
        values = self.columns.values[facet]
        counts = np.bincount(codes[codes >= 0], minlength=len(values)).tolist()
        return {value: count for value, code in values.items() if (count := counts[code])}

    @cached_property
    def size(self) -> int:
        """How many items are listed."""
        return len(self.orders[RECOMMENDED])
