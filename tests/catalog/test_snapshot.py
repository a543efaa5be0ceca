"""Snapshots that follow one another are what one made anew would be, whatever changed in between."""

import random
from datetime import timedelta
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from liyu.catalog.search import Wish, count_items, list_items, look_for
from liyu.catalog.snapshot import FACETS, SORTS, Snapshot
from liyu.catalog.views import ItemView, PartnerView, Stock, StoreView
from tests.catalog.conftest import NOW
from tests.catalog.test_search import make_item, make_snapshot

WORDS = ["咖啡", "火锅", "拿铁", "电影", "coffee", "雨伞"]
PARTNERS = [
    None,
    *(
        PartnerView(n, f"P{n}", name, "", "coffee", is_open=n != 3)
        for n, name in enumerate(["星巴克", "瑞幸", "海底捞", "全家"])
    ),
]
CITIES = ["上海", "北京"]
QUERIES = ["咖啡", "xbk", "coffe", "火锅 雨伞", "星八克", "上海"]


def any_item(number: int, chance: random.Random) -> ItemView:
    hour = timedelta(hours=1)
    city = chance.choice(CITIES)
    store = StoreView(1, "s", city, city, None, city, city, "", "", "")
    return make_item(
        number,
        sku=f"S{chance.choice([number, number + 100])}",
        name_zh="".join(chance.sample(WORDS, 2)),
        partner=chance.choice(PARTNERS),
        scene=chance.choice(["coffee", "home"]),
        points=chance.randrange(1, 50),
        position=chance.randrange(3),
        on_sale_to=chance.choice([None, None, NOW + hour, NOW - hour]),
        visible_from=chance.choice([None, None, NOW + hour]),
        variant_of=chance.choice([None, None, None, 1]) if number != 1 else None,
        is_drop=chance.random() < 0.2,
        stores=(store,) if chance.random() < 0.5 else (),
    )


def contents(snapshot: Snapshot) -> Any:
    lists = {sort: [item.id for item in snapshot.lists.ordered(sort)] for sort in SORTS}
    found = {}
    for query in QUERIES:
        scores = look_for(snapshot, query).scores
        found[query] = {item.id: round(float(scores[snapshot.columns.slots[item.id]]), 2) for item in snapshot.items}
    counts = {facet: snapshot.lists.count(facet) for facet in FACETS}
    variants = [item.id for item in snapshot.variants_of(make_item(1))]
    drops = [item.id for item in snapshot.lists.drops]
    return dict(snapshot.by_id), dict(snapshot.by_sku), lists, found, counts, variants, drops, snapshot.next_ending


@given(st.integers(0, 10**6), st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_a_followed_snapshot_is_what_a_new_one_would_be(seed: int, rounds: int) -> None:
    chance = random.Random(seed)
    items = {number: any_item(number, chance) for number in range(1, chance.randrange(1, 12))}
    # Numbers of items are unique, as in the database.
    items = {number: structs.replace(item, sku=f"S{number}") for number, item in items.items()}
    snapshot, now = make_snapshot(*items.values()), NOW
    for _ in range(rounds):
        now += timedelta(minutes=chance.choice([0, 0, 40]))
        gone = chance.sample(sorted(items), chance.randrange(min(3, len(items)) + 1))
        come = {
            number: any_item(number, chance)
            for number in chance.sample(range(1, 20), chance.randrange(4))
            if number not in gone
        }
        items = {number: item for number, item in (items | come).items() if number not in gone}
        taken: set[str] = set()
        for number, item in list(items.items()):
            if item.sku in taken:
                items[number] = come[number] = structs.replace(item, sku=f"T{number}")
            taken.add(items[number].sku)
        stock = {number: Stock(None, 0) for number in items}
        snapshot = snapshot.followed(come, gone, stock, now)
    anew = Snapshot(items.values(), snapshot.stock, now, 1, 1)
    assert contents(snapshot) == contents(anew)
    assert len(snapshot.index.segments) <= 1 + np.log2(1 + len(snapshot.columns.items))


def test_what_is_dead_is_cleared_away() -> None:
    snapshot = make_snapshot(make_item(1, name_zh="咖啡"))
    for number in range(1_100):
        snapshot = snapshot.followed({1: make_item(1, name_zh=f"咖啡{number}")}, (), snapshot.stock, NOW)
    assert len(snapshot.columns.items) <= 1_002
    assert [item.name_zh for item in list_items(snapshot, Wish(text="咖啡1099"), NOW).items] == ["咖啡1099"]


def test_counts_of_a_filter_leave_out_that_filter_alone() -> None:
    chance = random.Random(5)
    items = [structs.replace(any_item(number, chance), sku=f"S{number}") for number in range(1, 200)]
    snapshot = make_snapshot(*items)
    wish = Wish(city="上海", points_from=10, points_to=30, balance=25, affordable=True, scene="coffee")
    counts = count_items(snapshot, wish, NOW, [(None, 20), (20, None)])

    def left(*, city: bool = True, points: bool = True, affordable: bool = True, scene: bool = True) -> list[ItemView]:
        return [
            item
            for item in snapshot.items
            if (not city or any(store.city_zh == "上海" for store in item.stores))
            and (not points or 10 <= item.points <= 30)
            and (not affordable or item.points <= 25)
            and (not scene or item.scene == "coffee")
        ]

    assert counts.total == len(left()) == len(list_items(snapshot, wish, NOW, size=500).items) > 0
    assert counts.affordable == len(left())
    assert counts.facets["city"] == {
        city: count
        for city in CITIES
        if (count := sum(one.city_zh == city for item in left(city=False) for one in item.stores))
    }
    assert counts.facets["scene"] == {
        scene: count
        for scene in ("coffee", "home")
        if (count := sum(item.scene == scene for item in left(scene=False)))
    }
    assert counts.ranges == [
        sum(item.points <= 20 for item in left(points=False)),
        sum(item.points >= 20 for item in left(points=False)),
    ]
