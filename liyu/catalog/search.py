"""Lists of the mall and the API over the snapshot: words, filters, orders, pages and counts, all in memory."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

import numpy as np
from msgspec import Struct, structs
from numpy.typing import NDArray

from liyu.catalog.columns import ItemSequence, instant_of
from liyu.catalog.search_query import Finder, Found
from liyu.catalog.snapshot import FACETS, RECOMMENDED, SORTS, Snapshot, SortKey
from liyu.catalog.views import ItemView
from liyu.core.errors import InvalidInputError
from liyu.core.i18n import N_, Message

PAGE_SIZE = 24
MOST_REMEMBERED = 64
CITY = "city"
POINTS = "points"
_BY_PRICE = {"points_up": 1, "points_down": -1}
"""The orders that go by what the reader pays, and their direction."""

Mask = NDArray[np.bool_]
Range = tuple[int | None, int | None]
Value = TypeVar("Value")


class Wish(Struct, frozen=True):
    """What somebody looks for. Points are points; `balance` is what they can spend, `affordable` keeps to that."""

    text: str = ""
    kind: str | None = None
    scene: str | None = None
    partner: str | None = None
    tier: str | None = None
    city: str | None = None
    """The Chinese name of a city with a store."""
    points_from: int | None = None
    points_to: int | None = None
    balance: int | None = None
    rank: int | None = None
    """The rank of their tier, which may have prices of its own."""
    affordable: bool = False
    sort: str = RECOMMENDED


class ItemPage(Struct, frozen=True):
    """One page of a list; `next` leads to the following one, None at the end."""

    items: list[ItemView]
    next: str | None


class Counts(Struct, frozen=True):
    """How many items there are, and how many each value of each filter would leave, the other filters kept."""

    total: int
    facets: dict[str, dict[str, int]]
    affordable: int | None
    """How many the balance would pay for; None without a balance."""
    ranges: list[int] = []
    """How many each of the ranges of points that were asked for would leave."""


def list_items(
    snapshot: Snapshot, wish: Wish, now: datetime, *, cursor: str | None = None, size: int = PAGE_SIZE
) -> ItemPage:
    """One page of what the wish leaves. Raises InvalidInputError for an unknown order or a cursor of another list."""
    if wish.sort not in SORTS:
        raise InvalidInputError.of_fields(
            {"sort": Message(N_("Unknown order; known are %(known)s."), {"known": ", ".join(SORTS)})}
        )
    by_score = bool(wish.text.strip()) and wish.sort == RECOMMENDED
    name = "match" if by_score else wish.sort
    key = _score_key(snapshot, wish.text) if by_score else _key(wish)
    kept = _kept(snapshot, wish, now)
    found = ItemSequence(snapshot.columns.items, kept)
    start = bisect_right(found, _read_cursor(cursor, name), key=key) if cursor else 0
    items = list(found[start : start + size])
    more = len(found) > start + size
    return ItemPage(items, _write_cursor(name, key(items[-1])) if more else None)


def count_items(snapshot: Snapshot, wish: Wish, now: datetime, ranges: Sequence[Range] = ()) -> Counts:
    """How many items the wish leaves, and how many each other choice of a filter would leave."""
    plain = structs.replace(wish, sort=RECOMMENDED)
    return _remembered(
        snapshot, ("count", plain, tuple(ranges), _edge(snapshot, now)), lambda: _count(snapshot, plain, now, ranges)
    )


def look_for(snapshot: Snapshot, text: str) -> Found:
    """What a text finds among the listed items."""
    question = ("found", text.strip())
    return _remembered(
        snapshot, question, lambda: Finder(snapshot.index, snapshot.columns).find(text, snapshot.lists.listed)
    )


def _count(snapshot: Snapshot, wish: Wish, now: datetime, ranges: Sequence[Range]) -> Counts:
    base, masks = _base(snapshot, wish, now), _masks(snapshot, wish)
    lists, columns = snapshot.lists, snapshot.columns
    facets = {facet: lists.count_among(facet, _all_but(base, masks, facet)) for facet in FACETS}
    around = _all_but(base, masks, CITY)
    cities = {city: int(np.count_nonzero(around[slots])) for city, slots in columns.cities.items()}
    facets[CITY] = {city: count for city, count in cities.items() if count}
    reachable = None if wish.balance is None else _all_but(base, masks, "affordable") & _within(snapshot, wish)
    priced = _prices(snapshot, wish.rank)[_all_but(base, masks, POINTS)]
    return Counts(
        int(np.count_nonzero(_all_but(base, masks, ""))),
        facets,
        None if reachable is None else int(np.count_nonzero(reachable)),
        [int(np.count_nonzero(_in_range(priced, least, most))) for least, most in ranges],
    )


def _kept(snapshot: Snapshot, wish: Wish, now: datetime) -> NDArray[np.int32]:
    """The slots that the wish leaves, in its order."""

    def keep() -> NDArray[np.int32]:
        order = _order(snapshot, wish)
        kept: NDArray[np.int32] = order[_all_but(_base(snapshot, wish, now), _masks(snapshot, wish), "")[order]]
        return kept

    return _remembered(snapshot, ("kept", wish, _edge(snapshot, now)), keep)


def _order(snapshot: Snapshot, wish: Wish) -> NDArray[np.int32]:
    if not wish.text.strip() or wish.sort != RECOMMENDED:
        order = snapshot.lists.orders[wish.sort]
        if wish.rank is None or wish.sort not in _BY_PRICE:
            return order
        return _remembered(snapshot, ("order", wish.sort, wish.rank), lambda: _reordered(snapshot, order, _key(wish)))
    scores = look_for(snapshot, wish.text).scores
    slots = np.flatnonzero(scores).astype(np.int32)
    figures = snapshot.columns.figures
    order = np.lexsort((figures["id"][slots], figures["position"][slots], -_whole(scores[slots])))
    return slots[order]


def _key(wish: Wish) -> Callable[[ItemView], SortKey]:
    """What the order goes by; among prices those that a member of the wish's tier pays."""
    direction, rank = _BY_PRICE.get(wish.sort, 0), wish.rank
    if not direction or rank is None:
        return SORTS[wish.sort]
    return lambda item: (direction * item.price_for(rank), direction * item.cash_minor, item.id)


def _reordered(snapshot: Snapshot, order: NDArray[np.int32], key: Callable[[ItemView], SortKey]) -> NDArray[np.int32]:
    """The order with the items that have prices for tiers in other places; the others keep theirs."""
    columns = snapshot.columns
    moves = columns.flags["has_tier_prices"][order]
    kept = ItemSequence(columns.items, order[~moves])
    moved = sorted((key(item), slot) for slot in order[moves].tolist() if (item := columns.items[slot]) is not None)
    places = [bisect_left(kept, price, key=key) for price, _ in moved]
    return np.insert(order[~moves], places, [slot for _, slot in moved])


def _score_key(snapshot: Snapshot, text: str) -> Callable[[ItemView], SortKey]:
    scores, slots = look_for(snapshot, text).scores, snapshot.columns.slots
    return lambda item: (-int(_whole(scores[slots[item.id]])), item.position, item.id)


def _whole(scores: Any) -> Any:
    """Scores as whole numbers, which cursors carry."""
    return np.rint(scores * 16).astype(np.int64)


def _base(snapshot: Snapshot, wish: Wish, now: datetime) -> Mask:
    listed = snapshot.lists.listed & (snapshot.columns.figures["sale_to"] > instant_of(now, 0))
    if wish.text.strip():
        listed &= look_for(snapshot, wish.text).scores > 0
    return listed


def _masks(snapshot: Snapshot, wish: Wish) -> dict[str, Mask]:
    """For each filter that is set the slots that pass it."""
    columns, masks = snapshot.columns, {}
    for facet in FACETS:
        value = getattr(wish, facet)
        if value is not None:
            masks[facet] = columns.codes[facet] == columns.values[facet].get(value, -2)
    if wish.city is not None:
        masks[CITY] = np.zeros(len(columns.items), np.bool_)
        masks[CITY][columns.cities.get(wish.city, np.zeros(0, np.int32))] = True
    if wish.points_from is not None or wish.points_to is not None:
        masks[POINTS] = _in_range(_prices(snapshot, wish.rank), wish.points_from, wish.points_to)
    if wish.affordable:
        masks["affordable"] = _within(snapshot, wish)
    return masks


def _all_but(base: Mask, masks: dict[str, Mask], without: str) -> Mask:
    """What passes all filters but one."""
    passed = base.copy()
    for name, mask in masks.items():
        if name != without:
            passed &= mask
    return passed


def _in_range(points: NDArray[np.int64], least: int | None, most: int | None) -> Mask:
    return (points >= (least or 0)) & (points <= (np.iinfo(np.int64).max if most is None else most))


def _within(snapshot: Snapshot, wish: Wish) -> Mask:
    """What the balance pays for, at the prices of the tier."""
    return _prices(snapshot, wish.rank) <= (wish.balance or 0)


def _prices(snapshot: Snapshot, rank: int | None) -> NDArray[np.int64]:
    """What a member of a tier pays for the item in each slot; None is nobody known."""
    if rank is None:
        return snapshot.columns.figures["points"]
    return _remembered(snapshot, ("prices", rank), lambda: _prices_of_tier(snapshot, rank))


def _prices_of_tier(snapshot: Snapshot, rank: int) -> NDArray[np.int64]:
    columns = snapshot.columns
    prices = columns.figures["points"].copy()
    for slot in np.flatnonzero(columns.flags["has_tier_prices"] & columns.alive).tolist():
        item = columns.items[slot]
        if item is not None:
            prices[slot] = item.price_for(rank)
    return prices


def _edge(snapshot: Snapshot, now: datetime) -> int:
    """Answers hold as long as no sale opens or closes."""
    return snapshot.edges_passed(now)


def _remembered(snapshot: Snapshot, question: object, find: Callable[[], Value]) -> Value:
    memory = snapshot.lists.memory
    if question not in memory:
        if len(memory) >= MOST_REMEMBERED:
            memory.clear()
        memory[question] = find()
    answer: Value = memory[question]
    return answer


def _write_cursor(name: str, key: SortKey) -> str:
    return urlsafe_b64encode(" ".join([name, *map(str, key)]).encode()).decode().rstrip("=")


def _read_cursor(cursor: str, name: str) -> SortKey:
    try:
        sort, *key = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().split(" ")
        values = tuple(map(int, key))
    except ValueError:
        sort, values = "", ()
    if sort != name or not values:
        raise InvalidInputError.of_fields(
            {"cursor": Message(N_("This page belongs to another list. Start from its beginning."))}
        )
    return values
