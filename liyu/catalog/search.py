"""Lists of the mall and the API over the snapshot: words, filters, orders, pages and counts, all in memory."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TypeVar

from msgspec import Struct, structs

from liyu.catalog.snapshot import FACETS, RECOMMENDED, SORTS, Snapshot, SortKey
from liyu.catalog.views import ItemView
from liyu.core.errors import InvalidInputError
from liyu.core.i18n import N_, Message

PAGE_SIZE = 24
MOST_REMEMBERED = 64

Value = TypeVar("Value")


class Wish(Struct, frozen=True):
    """What somebody looks for. Points are points; `balance` is what they can spend, `affordable` keeps to that."""

    text: str = ""
    kind: str | None = None
    scene: str | None = None
    partner: str | None = None
    tier: str | None = None
    points_from: int | None = None
    points_to: int | None = None
    balance: int | None = None
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


class _Ranked(Struct, frozen=True):
    items: Sequence[ItemView]
    key: Callable[[ItemView], SortKey]
    name: str


def list_items(
    snapshot: Snapshot, wish: Wish, now: datetime, *, cursor: str | None = None, size: int = PAGE_SIZE
) -> ItemPage:
    """One page of what the wish leaves. Raises InvalidInputError for an unknown order or a cursor of another list."""
    ranked = _rank(snapshot, wish)
    start = bisect_right(ranked.items, _read_cursor(cursor, ranked.name), key=ranked.key) if cursor else 0
    passing = _passing(ranked.items, start, wish, now)
    found = [item for _, item in zip(range(size + 1), passing, strict=False)]
    more = len(found) > size
    return ItemPage(found[:size], _write_cursor(ranked.name, ranked.key(found[size - 1])) if more else None)


def count_items(snapshot: Snapshot, wish: Wish, now: datetime) -> Counts:
    """How many items the wish leaves, and how many each other choice of a filter would leave."""
    plain = structs.replace(wish, sort=RECOMMENDED)
    if plain == Wish(balance=plain.balance):
        return _count_all(snapshot, plain.balance)
    if plain.balance is not None:
        return _count(snapshot, plain, now)
    return _remembered(snapshot, ("count", plain), lambda: _count(snapshot, plain, now))


def _count_all(snapshot: Snapshot, balance: int | None) -> Counts:
    lists = snapshot.lists
    cheap = None if balance is None else bisect_right(lists.ordered("points_up"), balance, key=lambda item: item.points)
    return Counts(lists.size, {facet: lists.count(facet) for facet in FACETS}, cheap)


def _count(snapshot: Snapshot, wish: Wish, now: datetime) -> Counts:
    chosen = [
        (facet, value_of, getattr(wish, facet))
        for facet, value_of in FACETS.items()
        if getattr(wish, facet) is not None
    ]
    counters: dict[str, Counter[str]] = {facet: Counter() for facet in FACETS}
    total = affordable = 0
    for item in _matches(snapshot, wish):
        if not _is_in_range(item, wish) or item.is_ended(now):
            continue
        missed = [facet for facet, value_of, value in chosen if value_of(item) != value]
        cheap = wish.balance is not None and item.points <= wish.balance
        affordable += cheap and not missed
        if len(missed) > 1 or (wish.affordable and not cheap):
            continue
        total += not missed
        for facet in missed or FACETS:
            value = FACETS[facet](item)
            if value is not None:
                counters[facet][value] += 1
    facets = {facet: dict(counter) for facet, counter in counters.items()}
    return Counts(total, facets, None if wish.balance is None else affordable)


def _rank(snapshot: Snapshot, wish: Wish) -> _Ranked:
    if wish.sort not in SORTS:
        raise InvalidInputError.of_fields(
            {"sort": Message(N_("Unknown order; known are %(known)s."), {"known": ", ".join(SORTS)})}
        )
    if not wish.text.strip():
        return _Ranked(_shortest_list(snapshot, wish), SORTS[wish.sort], wish.sort)
    if wish.sort != RECOMMENDED:
        key = SORTS[wish.sort]
        items = _remembered(snapshot, (wish.sort, wish.text), lambda: sorted(_matches(snapshot, wish), key=key))
        return _Ranked(items, key, wish.sort)
    scores = _scores(snapshot, wish.text)

    def by_score(item: ItemView) -> SortKey:
        return (-scores[item.id], item.position, item.id)

    return _Ranked(
        _remembered(snapshot, (RECOMMENDED, wish.text), lambda: sorted(_matches(snapshot, wish), key=by_score)),
        by_score,
        "match",
    )


def _shortest_list(snapshot: Snapshot, wish: Wish) -> Sequence[ItemView]:
    lists = snapshot.lists
    wanted = [(facet, getattr(wish, facet)) for facet in FACETS]
    shelves = [lists.filtered(facet, value, wish.sort) for facet, value in wanted if value is not None]
    return min(shelves, key=len, default=lists.ordered(wish.sort))


def _matches(snapshot: Snapshot, wish: Wish) -> Sequence[ItemView]:
    if not wish.text.strip():
        return snapshot.items
    return [snapshot.by_id[item_id] for item_id in _scores(snapshot, wish.text)]


def _scores(snapshot: Snapshot, text: str) -> dict[int, int]:
    def find() -> dict[int, int]:
        return {snapshot.items[place].id: score for place, score in snapshot.index.search(text).items()}

    found: dict[int, int] = _remembered(snapshot, ("scores", text), find)
    return found


def _passing(items: Sequence[ItemView], start: int, wish: Wish, now: datetime) -> Iterator[ItemView]:
    chosen = [
        (value_of, getattr(wish, facet)) for facet, value_of in FACETS.items() if getattr(wish, facet) is not None
    ]
    for index in range(start, len(items)):
        item = items[index]
        if (
            item.is_ended(now)
            or not _is_in_range(item, wish)
            or any(value_of(item) != value for value_of, value in chosen)
        ):
            continue
        if wish.affordable and item.points > (wish.balance or 0):
            continue
        yield item


def _is_in_range(item: ItemView, wish: Wish) -> bool:
    return (wish.points_from is None or item.points >= wish.points_from) and (
        wish.points_to is None or item.points <= wish.points_to
    )


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
