from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import AsyncConnection

from liyu.catalog.load import load_items
from liyu.catalog.records import ItemRecord
from liyu.catalog.search import ItemPage, Wish, count_items, list_items, look_for
from liyu.catalog.snapshot import SORTS, Snapshot
from liyu.catalog.views import ItemView, PartnerView, Stock, StoreView
from liyu.core.errors import InvalidInputError
from tests.catalog.conftest import NOW


@pytest.fixture
async def snapshot(connection: AsyncConnection[Any], demo_items: list[ItemRecord], database_url: str) -> Snapshot:
    with psycopg.connect(database_url, autocommit=True) as loader:
        loaded = load_items(loader)
    return Snapshot(loaded.items.values(), loaded.stock, NOW, 1, 1)


def skus(snapshot: Snapshot, wish: Wish) -> list[str]:
    return [item.sku for page in pages(snapshot, wish) for item in page.items]


def pages(snapshot: Snapshot, wish: Wish, size: int = 24) -> Iterator[ItemPage]:
    page = list_items(snapshot, wish, NOW, size=size)
    yield page
    while page.next:
        page = list_items(snapshot, wish, NOW, cursor=page.next, size=size)
        yield page


@dataclass(frozen=True)
class Search:
    query: str
    first: set[str]
    """What must come among the first three."""


SEARCHES = [
    Search("拿铁", {"LUCKIN-ANYCUP"}),
    Search("latte", {"LUCKIN-ANYCUP"}),
    Search("LATTE", {"LUCKIN-ANYCUP"}),
    Search("lattte", {"LUCKIN-ANYCUP"}),
    Search("瑞幸", {"LUCKIN-ANYCUP", "LUCKIN-PAIR"}),
    Search("luckin", {"LUCKIN-PAIR", "LUCKIN-MONTHLY"}),
    Search("lukcin", {"LUCKIN-MONTHLY", "LUCKIN-PAIR"}),
    Search("ruixing", {"LUCKIN-ANYCUP", "LUCKIN-PAIR"}),
    Search("rx", {"LUCKIN-ANYCUP", "LUCKIN-PAIR"}),
    Search("kafei", {"LUCKIN-MONTHLY"}),
    Search("加油", {"SINOPEC-FUEL-100", "TOPUP-FUELCARD-200"}),
    Search("jiayou", {"SINOPEC-FUEL-100", "TOPUP-FUELCARD-200"}),
    Search("佳油", {"SINOPEC-FUEL-100", "TOPUP-FUELCARD-200"}),
    Search("hotel", {"ATOUR-STAY"}),
    Search("酒店 早餐", {"ATOUR-BREAKFAST"}),
    Search("洗车", {"SINOPEC-WASH", "SUREMOOV-WASH-3"}),
    Search("car wash", {"SINOPEC-WASH"}),
    Search("guibinting", {"CMB-LOUNGE-1", "CMB-LOUNGE-2"}),
    Search("gbt", {"CMB-LOUNGE-1", "CMB-LOUNGE-2"}),
    Search("lounge two", {"CMB-LOUNGE-2"}),
    Search("hdl", {"HAIDILAO-CASH-100", "HAIDILAO-PRIORITY"}),
    Search("瑞幸早餐卡", set()),
    Search("G-LAMP", {"G-LAMP"}),
]


async def test_people_find_what_they_mean(snapshot: Snapshot) -> None:
    for search in SEARCHES:
        found = skus(snapshot, Wish(text=search.query))
        assert search.first <= set(found[:3]), (search.query, found)
    assert skus(snapshot, Wish(text="zzzz qqqq")) == []
    assert skus(snapshot, Wish(text="steak")) == []
    assert "DINTAIFUNG-XLB" in skus(snapshot, Wish(text="xlb"))
    assert "G-POUROVER" in skus(snapshot, Wish(text="kafei"))


def found_ids(snapshot: Snapshot, text: str) -> set[int]:
    return {item.id for item in snapshot.items if look_for(snapshot, text).scores[snapshot.columns.slots[item.id]]}


def test_initials_find_a_brand() -> None:
    snapshot = make_snapshot(
        make_item(1, name_zh="大杯拿铁", partner="星巴克"), make_item(2, name_zh="银行贵宾日", partner="招商银行")
    )
    for text in ("xbk", "xingbake", "星八克", "xingbk", "xbake", "星bk", "星巴k", "starbucks", "starbuks", "星巴客"):
        assert found_ids(snapshot, text) == {1}, text
    for text in ("yinhang", "yh", "zhaoshang", "zsyh", "招行", "CMB"):
        assert found_ids(snapshot, text) == {2}, text
    assert found_ids(snapshot, "ngba") == set()


def make_item(number: int, *, name_zh: str = "杯", partner: str | PartnerView | None = None, **given: Any) -> ItemView:
    if isinstance(partner, str):
        partner = PartnerView(1, "P", partner, "", "coffee", is_open=True)
    needed = ItemView.__struct_fields__[: ItemView.__struct_fields__.index("visible_from")]
    values: dict[str, Any] = dict.fromkeys(needed, "") | {
        "id": number, "sku": f"S{number}", "kind": "goods", "name_zh": name_zh, "rules_zh": (), "rules_en": (), "scene": "coffee",
        "points": 10, "cash_minor": 0, "value_minor": 0, "is_drop": False, "on_sale_from": None, "on_sale_to": None,
        "per_member_limit": None, "per_day_limit": None, "voucher_days": 90, "uses": 1, "position": number, "created_at": NOW,
        "tier": None, "partner": partner, "stores": (),
    }  # fmt: skip
    return ItemView(**(values | given))


def make_snapshot(*items: ItemView, now: datetime = NOW) -> Snapshot:
    return Snapshot(items, {item.id: Stock(None, 0) for item in items}, now, 1, 1)


def test_a_city_is_found_in_letters_too() -> None:
    def store(city: str, english: str) -> tuple[StoreView, ...]:
        return (StoreView(1, "s", "店", "Store", None, city, english, "", "", ""),)

    snapshot = make_snapshot(
        make_item(1, stores=store("上海市", "Shanghai")), make_item(2, stores=store("香港", "Hong Kong")),
        make_item(3, stores=store("西安", "Xi'an")), make_item(4, name_zh="上海小笼"), make_item(5, stores=store("长沙", "")),
    )  # fmt: skip
    for text, cities in (
        ("Shanghai", {1, 4}), ("上海", {1, 4}), ("hong kong", {2}), ("Xianggang", {2}), ("HongKong", {2}), ("xi'an", {3}),
        ("xian", {3}), ("changsha", {5}), ("shanghai cup", set()),
    ):  # fmt: skip
        found = look_for(snapshot, text)
        assert found_ids(snapshot, text) == cities or found.is_near, text
        assert found.is_near is (not cities), text


async def test_every_order_pages_through_everything_once(snapshot: Snapshot) -> None:
    for sort, key in SORTS.items():
        for text in ("", "券"):
            found = [item for page in pages(snapshot, Wish(sort=sort, text=text), size=7) for item in page.items]
            assert len({item.id for item in found}) == len(found) > 7
            if not text or sort != "recommended":
                assert found == sorted(found, key=key)
            else:
                assert {item.id for item in found} == found_ids(snapshot, text)


def test_a_cursor_of_another_list_is_refused() -> None:
    snapshot = make_snapshot(*(make_item(number) for number in range(1, 9)))
    cursor = list_items(snapshot, Wish(), NOW, size=3).next
    assert cursor is not None
    for wrong in (cursor, "x", "%%%", "bmV3ZXN0", "é"):
        with pytest.raises(InvalidInputError):
            list_items(snapshot, Wish(sort="newest"), NOW, cursor=wrong)
    with pytest.raises(InvalidInputError):
        list_items(snapshot, Wish(sort="price"), NOW)


async def test_a_page_goes_on_after_items_have_gone(snapshot: Snapshot) -> None:
    page = list_items(snapshot, Wish(), NOW, size=5)
    rest = [item for item in snapshot.items if item not in page.items]
    later = Snapshot(rest, snapshot.stock, NOW, 2, 2)
    assert [item.id for item in list_items(later, Wish(), NOW, cursor=page.next, size=3).items] == [
        item.id for item in rest[:3]
    ]


wishes = st.builds(
    Wish,
    text=st.sampled_from(["", "", "券", "瑞幸", "coffee"]),
    kind=st.sampled_from([None, None, "goods", "partner_right"]),
    scene=st.sampled_from([None, None, "coffee", "home"]),
    tier=st.sampled_from([None, None, "gold"]),
    points_from=st.sampled_from([None, 100]),
    points_to=st.sampled_from([None, 500]),
    balance=st.sampled_from([None, 0, 200]),
    rank=st.sampled_from([None, 1, 3, 9]),
    affordable=st.booleans(),
    sort=st.sampled_from(list(SORTS)),
)


async def test_lists_and_counts_agree_with_a_plain_filter(snapshot: Snapshot) -> None:
    @given(wishes)
    def check(wish: Wish) -> None:
        ids = found_ids(snapshot, wish.text)
        reachable = [item for item in snapshot.items if not wish.text or item.id in ids]

        def passes(item: ItemView, but: str = "") -> bool:
            return all(
                (
                    but == "kind" or wish.kind in (None, item.kind),
                    but == "scene" or wish.scene in (None, item.scene),
                    but == "tier" or wish.tier in (None, item.tier.code if item.tier else ""),
                    wish.points_from is None or item.price_for(wish.rank) >= wish.points_from,
                    wish.points_to is None or item.price_for(wish.rank) <= wish.points_to,
                    not wish.affordable or item.price_for(wish.rank) <= (wish.balance or 0),
                )
            )

        expected = {item.sku for item in reachable if passes(item)}
        listed = skus(snapshot, wish)
        assert set(listed) == expected
        if wish.sort in ("points_up", "points_down"):
            prices = [(one.price_for(wish.rank), one.cash_minor) for one in map(snapshot.by_sku.__getitem__, listed)]
            assert prices == sorted(prices, reverse=wish.sort == "points_down")
        counts = count_items(snapshot, wish, NOW)
        assert counts.total == len(expected)
        for facet in ("kind", "scene"):
            values = [getattr(item, facet) for item in reachable if passes(item, facet)]
            assert counts.facets[facet] == {value: values.count(value) for value in set(values)}

    check()


async def test_drops_are_live_or_coming_and_gone_when_over(snapshot: Snapshot) -> None:
    live = [item.sku for item in snapshot.live_drops(NOW)]
    assert "LUCKIN-PAIR" in live
    assert next(item.sku for item in snapshot.coming_drops(NOW)) == "LUCKIN-MONTHLY"
    assert "G-PUZZLE" not in {item.sku for item in snapshot.items}
    assert snapshot.by_sku["G-PUZZLE"].is_ended(NOW)
    later = NOW + timedelta(hours=4)
    assert "CMB-LOUNGE-2" in live
    assert "CMB-LOUNGE-2" not in [
        item.sku for page in [list_items(snapshot, Wish(), later, size=500)] for item in page.items
    ]
    gone = snapshot.with_stock({**snapshot.stock, snapshot.by_sku[live[0]].id: Stock(5, 5)})
    assert gone.live_drops(NOW)[-1].sku == live[0]
    assert gone.stock_version == snapshot.stock_version + 1


def test_items_of_a_suspended_partner_are_not_listed() -> None:
    closed = PartnerView(2, "Q", "关", "", "coffee", is_open=False)
    snapshot = make_snapshot(make_item(1, partner="星巴克"), make_item(2, partner=closed))
    assert [one.id for one in snapshot.items] == [1]
    assert snapshot.by_sku["S2"].id == 2
