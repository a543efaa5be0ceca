"""The live items as columns: a slot for each state of an item, arrays of what lists are filtered and sorted by.

Slots only grow. A changed item gets a new slot and leaves its old one dead, so whatever was made from a slot holds for ever.
Columns never change; `replaced` gives other ones. When a third of the slots is dead, whoever keeps them starts anew.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from liyu.catalog.pinyin import spell_word
from liyu.catalog.search_text import compact
from liyu.catalog.views import ItemView

Array = NDArray[Any]
SortKey = tuple[int, ...]
Items = Sequence[ItemView]

SORTS: dict[str, Callable[[ItemView], SortKey]] = {
    "recommended": lambda item: (item.position, item.id),
    "points_up": lambda item: (item.points, item.cash_minor, item.id),
    "points_down": lambda item: (-item.points, -item.cash_minor, item.id),
    "newest": lambda item: (-int(item.created_at.timestamp()), -item.id),
}
"""How lists can be sorted. Keys are whole numbers that end with the id, so that every place in a list has one name."""

FACETS: dict[str, Callable[[ItemView], str | None]] = {
    "kind": lambda item: item.kind,
    "scene": lambda item: item.scene,
    "partner": lambda item: item.partner.code if item.partner else None,
    "tier": lambda item: item.tier.code if item.tier else None,
}
"""What lists can be filtered by, one value for each item. Cities stand apart: an item has many."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
NEVER = int(np.iinfo(np.int64).max)
ALWAYS = int(np.iinfo(np.int64).min)
LOOKED_AT_FOR_A_CITY = 32
"""Slots that are asked what their city is called in English; most of them are alive."""
MOST_INSERTED = 1_000
"""With more new items than this the orders are sorted anew, which is quicker."""

_INSTANTS: dict[str, Callable[[ItemView], int]] = {
    "sale_from": lambda item: instant_of(item.on_sale_from, ALWAYS),
    "sale_to": lambda item: instant_of(item.on_sale_to, NEVER),
    "visible_from": lambda item: instant_of(item.visible_from, ALWAYS),
    "visible_to": lambda item: instant_of(item.visible_to, NEVER),
}
_FIGURES: dict[str, Callable[[ItemView], int]] = {
    "points": lambda item: item.points,
    "position": lambda item: item.position,
    "id": lambda item: item.id,
    "variant_of": lambda item: item.variant_of or 0,
}
_FLAGS: dict[str, Callable[[ItemView], bool]] = {
    "is_drop": lambda item: item.is_drop,
    "is_open": lambda item: item.partner is None or item.partner.is_open,
    "has_tier_prices": lambda item: bool(item.tier_points),
}


class Columns:
    """Items by slot, and arrays of the same length."""

    def __init__(self) -> None:
        self.items: list[ItemView | None] = []
        self.slots: dict[int, int] = {}
        """The slot of each live item, by its id."""
        self.alive: Array = np.zeros(0, np.bool_)
        self.figures: dict[str, Array] = {name: np.zeros(0, np.int64) for name in (*_FIGURES, *_INSTANTS)}
        self.flags: dict[str, Array] = {name: np.zeros(0, np.bool_) for name in _FLAGS}
        self.codes: dict[str, Array] = {facet: np.zeros(0, np.int32) for facet in FACETS}
        """What an item has of each facet, as a number in `values`; -1 is nothing."""
        self.values: dict[str, dict[str, int]] = {facet: {} for facet in FACETS}
        self.orders: dict[str, Array] = {name: np.zeros(0, np.int32) for name in SORTS}
        """The slots that are alive in each order."""
        self.cities: dict[str, Array] = {}
        """The slots of each city in which there is a store."""

    @cached_property
    def cities_in_letters(self) -> dict[str, list[str]]:
        """Cities by how they are written without characters, in small letters and one word: `shanghai`, `hongkong`, `xianggang`."""
        found: dict[str, list[str]] = {}
        for city, slots in self.cities.items():
            latest = (self.items[slot] for slot in slots[-LOOKED_AT_FOR_A_CITY:].tolist())
            stores = (store for item in latest if item for store in item.stores if store.city_zh == city)
            english = compact(store.city_en) if (store := next(stores, None)) else ""
            for name in {english, "".join(spell_word(city.removesuffix("市")))}:
                if name.isascii() and name.isalpha():
                    found.setdefault(name, []).append(city)
        return found

    @property
    def is_sparse(self) -> bool:
        """Whether so many slots are dead that it is time to start anew."""
        return len(self.items) > 1_000 + len(self.slots) * 3 // 2

    def replaced(self, gone: Iterable[int], come: Sequence[ItemView], pause: Callable[[], None]) -> "Columns":
        """The columns without the items of these ids, and with these items at the end."""
        other = Columns()
        first = len(self.items)
        other.items = [*self.items, *come]
        other.alive = np.concatenate((self.alive, np.ones(len(come), np.bool_)))
        other.slots = self.slots.copy()
        for item_id in gone:
            slot = other.slots.pop(item_id, None)
            if slot is not None:
                other.alive[slot] = False
                other.items[slot] = None
        other.slots.update((item.id, first + place) for place, item in enumerate(come))
        pause()
        other.figures = {name: _appended(self.figures[name], come, of) for name, of in (_FIGURES | _INSTANTS).items()}
        other.flags = {name: _appended(self.flags[name], come, of) for name, of in _FLAGS.items()}
        pause()
        for facet, value_of in FACETS.items():
            values = other.values[facet] = self.values[facet].copy()
            other.codes[facet] = _appended(self.codes[facet], come, _numbered(values, value_of))
        other.cities = _with_cities(self.cities, first, come)
        for name, key in SORTS.items():
            pause()
            other.orders[name] = other._ordered(self.orders[name], first, key)
        return other

    def _ordered(self, order: Array, first: int, key: Callable[[ItemView], SortKey]) -> Array:
        kept = order[self.alive[order]]
        items = self.items

        def key_of(slot: int) -> SortKey:
            item = items[slot]
            assert item is not None
            return key(item)

        come = sorted(range(first, len(items)), key=key_of)
        if len(come) > MOST_INSERTED:
            merged = sorted([*kept.tolist(), *come], key=key_of)
            return np.asarray(merged, np.int32)
        places = [bisect_left(kept, key_of(slot), key=key_of) for slot in come]
        return np.insert(kept, places, come)

    @cached_property
    def partner_names(self) -> list[tuple[frozenset[str], int]]:
        """The names of each partner, compact, with its number among the values of its facet."""
        codes = np.where(self.alive, self.codes["partner"], -1)
        found = []
        for number, slot in zip(*(part.tolist() for part in np.unique(codes, return_index=True)), strict=True):
            item = self.items[slot]
            if number >= 0 and item is not None and item.partner is not None:
                names = frozenset((compact(item.partner.name_zh), compact(item.partner.name_en))) - {""}
                found.append((names, number))
        return found

    def listed(self, now: datetime) -> tuple[Array, Array]:
        """Which slots are shown at all, and which stand in lists."""
        instant, figures = instant_of(now, 0), self.figures
        shown = self.alive & (figures["visible_from"] <= instant) & (instant < figures["visible_to"])
        listed = shown & (instant < figures["sale_to"]) & self.flags["is_open"] & (figures["variant_of"] == 0)
        return shown, listed

    def edges(self) -> Array:
        """The instants at which a sale opens or closes, in order."""
        instants = np.concatenate([self.figures[name][self.alive] for name in ("sale_from", "sale_to")])
        return np.sort(instants[(instants != ALWAYS) & (instants != NEVER)])

    def next_change(self, now: datetime, shown: Array, listed: Array) -> datetime | None:
        """When the next item comes into lists or leaves them because of the time."""
        instant, figures = instant_of(now, 0), self.figures
        moments = (
            figures["sale_to"][listed],
            figures["visible_to"][shown],
            figures["visible_from"][self.alive & (figures["visible_from"] > instant)],
        )
        soonest = min((int(part.min()) for part in moments if len(part)), default=NEVER)
        if soonest == NEVER:
            return None
        return _EPOCH + soonest * _MICROSECOND


class ItemSequence(Sequence[ItemView]):
    """The items of some slots, in order."""

    def __init__(self, items: list[ItemView | None], slots: Array) -> None:
        self._items = items
        self.slots = slots

    def __len__(self) -> int:
        return len(self.slots)

    @overload
    def __getitem__(self, place: int) -> ItemView: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[ItemView, ...]: ...
    def __getitem__(self, place: int | slice) -> ItemView | tuple[ItemView, ...]:
        """One item, or a tuple of some."""
        if isinstance(place, slice):
            return tuple(self._item(slot) for slot in self.slots[place].tolist())
        return self._item(self.slots[place])

    def __iter__(self) -> Iterator[ItemView]:
        return (self._item(slot) for slot in self.slots)

    def _item(self, slot: int) -> ItemView:
        item = self._items[slot]
        assert item is not None
        return item


def instant_of(instant: datetime | None, default: int) -> int:
    """Microseconds since 1970 in UTC."""
    return default if instant is None else (instant - _EPOCH) // _MICROSECOND


def cities_of(item: ItemView) -> set[str]:
    """The cities in which there is a store for it, by their Chinese names."""
    return {store.city_zh for store in item.stores if store.city_zh}


def _appended(column: Array, come: Sequence[ItemView], value_of: Callable[[ItemView], Any]) -> Array:
    return np.concatenate((column, np.fromiter(map(value_of, come), column.dtype, len(come))))


def _numbered(values: dict[str, int], value_of: Callable[[ItemView], str | None]) -> Callable[[ItemView], int]:
    def number(item: ItemView) -> int:
        value = value_of(item)
        return -1 if value is None else values.setdefault(value, len(values))

    return number


def _with_cities(cities: dict[str, Array], first: int, come: Sequence[ItemView]) -> dict[str, Array]:
    new: dict[str, list[int]] = {}
    for place, item in enumerate(come):
        for city in cities_of(item):
            new.setdefault(city, []).append(first + place)
    found = cities.copy()
    for city, slots in new.items():
        found[city] = np.concatenate((cities.get(city, np.zeros(0, np.int32)), np.asarray(slots, np.int32)))
    return found
