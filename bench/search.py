"""Searching the mall among many items: words, pinyin, slips, counts and suggestions; and what a change of an item costs others.

The items are put together from names of brands, offers and numbers: what counts is that words are many and shared unevenly.
"""

import asyncio
import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median

from msgspec import structs

from liyu.catalog.lexicon import lexicon
from liyu.catalog.search import Wish, count_items, list_items
from liyu.catalog.snapshot import Pacer, Snapshot
from liyu.catalog.views import ItemView, PartnerView, Stock, StoreView
from liyu.web.mall.browse import RANGES

NOW = datetime(2026, 11, 22, 4, tzinfo=UTC)
OFFERS = ["兑换券", "代金券", "双人套餐", "礼盒", "大份", "家庭装", "买一送一券", "50元券", "100元券", "尝鲜装"]
KINDS = ["goods", "coupon", "partner_right", "code"]
SCENES = ["dining", "coffee", "hotel", "car", "health", "shopping", "home", "entertainment"]
CITIES = ["北京", "上海", "广州", "深圳", "成都", "杭州", "南京", "武汉", "西安", "重庆", "苏州", "厦门"]
QUERIES = [
    *(
        "星巴克",
        "xbk",
        "xingbk",
        "xingbake",
        "starbucks",
        "starbuks",
        "星八克",
        "咖啡",
        "coffee",
        "星巴克拿铁券",
        "肯德基套餐",
    ),
    *(
        "kfc",
        "hamburger",
        "火锅双人",
        "电影票",
        "加油",
        "上海酒店",
        "hdl",
        "麦当劳100元券",
        "kafei",
        "月饼礼盒",
        "mcdonalds",
    ),
    *("券", "奶茶买一送一", "zzzzqq", "咖非", "meishi", "50元", "kafei quan", "想喝奶茶", "巧克力礼盒", "海底捞火锅"),
    *("diannao", "umbrella", "car wash", "movie ticket"),
]
CHANGES = 40


@dataclass(frozen=True, slots=True)
class Took:
    """Milliseconds: of a search with its counts and suggestions, of a change of one item, of the longest wait beside it."""

    search: float
    slowest: float
    build_seconds: float
    change: float
    longest_wait: float


def make_items(count: int) -> list[ItemView]:
    """So many items of real words."""
    chance = random.Random(7)
    words = lexicon().chinese
    partners = []
    for number, word in enumerate(chance.sample(words, min(400, len(words)))):
        stores = tuple(
            StoreView(number * 3 + place, f"s{number}-{place}", city, city, None, city, city, "", "", "")
            for place, city in enumerate(chance.sample(CITIES, 3))
        )
        partners.append((PartnerView(number + 1, f"P{number}", word, "", chance.choice(SCENES), is_open=True), stores))
    return [_make_item(number, chance, words, partners) for number in range(1, count + 1)]


def _make_item(
    number: int,
    chance: random.Random,
    words: list[str],
    partners: list[tuple[PartnerView, tuple[StoreView, ...]]],
) -> ItemView:
    partner, stores = chance.choice(partners)
    name = f"{partner.name_zh}{chance.choice(words)}{chance.choice(OFFERS)}"
    return ItemView(
        number, f"SKU-{number}", chance.choice(KINDS), name, f"Offer {number}", f"{chance.choice(words)}，精选好物", "",
        f"门店任选，当日可用，{chance.choice(words)}、{chance.choice(words)}可选", "", (), (), partner.category,
        chance.randrange(10, 3_000), 0, 1_000, False, None, None, None, None, 90, 1, number, NOW - timedelta(minutes=number),
        None, partner, stores,
    )  # fmt: skip


def measure(count: int) -> Took:
    """Build a snapshot of so many items, search it, and change single items beside a loop that wants to go on."""
    items = make_items(count)
    stock = {item.id: Stock(None, 0) for item in items}
    started = time.perf_counter()
    snapshot = Snapshot(items, stock, NOW, 1, 1)
    built = time.perf_counter() - started
    times = sorted(_time_search(snapshot, query) for query in QUERIES)
    change, wait = asyncio.run(_change_beside(snapshot, items))
    return Took(median(times), times[-1], built, change, wait)


def _time_search(snapshot: Snapshot, query: str) -> float:
    """One page, its counts, and the items of its suggestions; nothing of it was asked before."""
    snapshot.lists.memory.clear()
    started = time.perf_counter()
    wish = Wish(text=query, balance=500, rank=2)
    list_items(snapshot, wish, NOW)
    count_items(snapshot, wish, NOW, RANGES)
    list_items(snapshot, Wish(text=query), NOW, size=6)
    return (time.perf_counter() - started) * 1_000


async def _change_beside(snapshot: Snapshot, items: list[ItemView]) -> tuple[float, float]:
    """Milliseconds of one change in a thread, and the longest that a loop had to wait for its turn meanwhile."""
    chance, waits, times = random.Random(3), [0.0], []
    changing = True

    async def watch() -> None:
        while changing:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            waits.append((time.perf_counter() - before) * 1_000 - 1)

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0.05)
    for _ in range(CHANGES):
        item = chance.choice(items)
        come = {item.id: structs.replace(item, name_zh=f"{item.name_zh}新")}
        started = time.perf_counter()
        snapshot = await asyncio.to_thread(snapshot.followed, come, (), snapshot.stock, NOW, pause=Pacer(rests=True))
        times.append((time.perf_counter() - started) * 1_000)
    changing = False
    await watching
    return median(times), max(waits)
