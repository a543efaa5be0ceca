"""How well searches find what people mean: hundreds of queries made from real brands and foods, by kind of query.

Recall@5 is the share of the first five (or of as many as there are) that are right; MRR is one over the place of the first right
one.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pypinyin import lazy_pinyin

from liyu.catalog.lexicon import lexicon
from liyu.catalog.search import Wish, list_items
from liyu.catalog.search_text import compact, is_chinese
from liyu.catalog.snapshot import Snapshot
from liyu.catalog.views import ItemView, PartnerView
from tests.catalog.conftest import NOW
from tests.catalog.test_search import make_item, make_snapshot

FOODS = (Path(__file__).parent / "data" / "foods.txt").read_text(encoding="utf-8").split()
BRANDS = Path(lexicon.__wrapped__.__code__.co_filename).parent / "brands.txt"
OFFERS = ["代金券", "双人套餐", "50元券", "礼盒", "兑换券"]
HOMOPHONES = {
    "星": "兴",
    "克": "可",
    "家": "佳",
    "客": "克",
    "大": "达",
    "金": "今",
    "美": "每",
    "乐": "勒",
    "宝": "保",
    "和": "何",
    "三": "叁",
    "斯": "思",
    "海": "孩",
    "百": "佰",
    "优": "悠",
}
OTHER = "锟"
"""A character that is in no name."""

FLOORS = {
    "brand": (0.98, 0.98),
    "brand in pinyin": (0.98, 0.98),
    "brand by initials": (0.97, 0.97),
    "brand half in pinyin": (0.94, 0.93),
    "brand in English": (0.98, 0.98),
    "brand in English with a slip": (0.97, 0.97),
    "brand by sound": (0.97, 0.97),
    "brand with one wrong character": (0.96, 0.95),
    "food": (0.97, 0.98),
    "food in pinyin": (0.96, 0.96),
    "brand and food": (0.98, 0.98),
    "other word for it": (0.97, 0.98),
}
"""The least recall@5 and MRR of each kind of query."""


class Query(NamedTuple):
    kind: str
    text: str
    is_right: Callable[[ItemView], bool]


@pytest.fixture(scope="module")
def brands() -> list[tuple[str, str]]:
    """Chinese brands with an English name."""
    found = []
    for line in BRANDS.read_text(encoding="utf-8").splitlines():
        chinese, *others = line.split("|")
        english = next((other for other in others if other.isascii() and len(compact(other)) > 3), None)
        if english and all(map(is_chinese, chinese)) and len(chinese) > 2:
            found.append((chinese, english))
    return found


@pytest.fixture(scope="module")
def snapshot(brands: list[tuple[str, str]]) -> Snapshot:
    chance = random.Random(4)
    items: list[Any] = []
    for number, (chinese, english) in enumerate(brands):
        partner = PartnerView(number + 1, f"P{number}", chinese, english, "dining", is_open=True)
        for offer in chance.sample(OFFERS, 3):
            name = f"{chance.choice(FOODS)}{offer}"
            items.append({"name_zh": name if chance.random() < 0.5 else f"{chinese}{name}", "partner": partner})
    items += [{"name_zh": f"{food}{offer}"} for food in FOODS for offer in chance.sample(OFFERS, 2)]
    items += [{"name_zh": f"精选{group}"} for group in _other_words()]
    chance.shuffle(items)
    return make_snapshot(*(make_item(n + 1, scene="none", **given) for n, given in enumerate(items)))


def _other_words() -> dict[str, list[str]]:
    """One word of each group of synonyms, with its others."""
    groups = {}
    for word in lexicon().chinese:
        others = lexicon().alternatives(word)
        if others and not any(other in groups for other in others):
            groups[word] = others
    return dict(list(groups.items())[:80])


def _queries(brands: list[tuple[str, str]]) -> Iterator[Query]:
    chance = random.Random(11)
    for chinese, english in brands:
        syllables = lazy_pinyin(chinese)

        def of_brand(item: ItemView, name: str = chinese) -> bool:
            return name in item.name_zh or (item.partner is not None and item.partner.name_zh == name)

        yield Query("brand", chinese, of_brand)
        yield Query("brand in pinyin", "".join(syllables), of_brand)
        yield Query("brand by initials", "".join(one[0] for one in syllables), of_brand)
        yield Query("brand half in pinyin", syllables[0] + "".join(one[0] for one in syllables[1:]), of_brand)
        yield Query("brand in English", english, of_brand)
        if english.isalpha() and len(english) > 5:
            place = chance.randrange(1, len(english) - 1)
            slips = [
                english[:place] + english[place + 1 :],
                english[:place] + english[place + 1] + english[place] + english[place + 2 :],
            ]
            yield Query("brand in English with a slip", chance.choice(slips), of_brand)
        wrong = next((chinese.replace(one, other) for one, other in HOMOPHONES.items() if one in chinese), None)
        if wrong:
            yield Query("brand by sound", wrong, of_brand)
        place = chance.randrange(len(chinese))
        yield Query("brand with one wrong character", chinese[:place] + OTHER + chinese[place + 1 :], of_brand)
    for food in FOODS:

        def of_food(item: ItemView, name: str = food) -> bool:
            return name in item.name_zh

        yield Query("food", food, of_food)
        yield Query("food in pinyin", "".join(lazy_pinyin(food)), of_food)
    for word, others in _other_words().items():
        yield Query("other word for it", chance.choice(others), partial(_has_one_of, {word, *others}))


def _has_one_of(words: set[str], item: ItemView) -> bool:
    return any(word in item.name_zh for word in words)


def _is_item(item_id: int, item: ItemView) -> bool:
    return item.id == item_id


def measure(snapshot: Snapshot, queries: Iterator[Query]) -> dict[str, tuple[float, float, int]]:
    """Recall@5, MRR and the number of queries, by kind."""
    recalls, places = defaultdict(list), defaultdict(list)
    for query in queries:
        there = sum(map(query.is_right, snapshot.items))
        found = list_items(snapshot, Wish(text=query.text), NOW, size=5).items
        right = [query.is_right(item) for item in found]
        recalls[query.kind].append(sum(right) / min(5, there))
        places[query.kind].append(next((1 / place for place, one in enumerate(right, 1) if one), 0.0))
    return {
        kind: (sum(values) / len(values), sum(places[kind]) / len(values), len(values))
        for kind, values in recalls.items()
    }


def test_people_find_what_they_mean_however_they_type_it(snapshot: Snapshot, brands: list[tuple[str, str]]) -> None:
    combined = []
    for item in snapshot.items:
        name = item.partner.name_zh if item.partner else ""
        food = next((one for one in FOODS if item.name_zh.removeprefix(name).startswith(one)), None)
        if name and food:
            combined.append(Query("brand and food", f"{name}{food}", partial(_is_item, item.id)))
    figures = measure(snapshot, iter([*_queries(brands), *combined[:150]]))
    for kind, (recall, rank, count) in figures.items():
        print(f"{kind:32} recall@5 {recall:.3f}  MRR {rank:.3f}  of {count}")
    short = {
        kind: figures[kind]
        for kind, (least_recall, least_rank) in FLOORS.items()
        if figures[kind][0] < least_recall or figures[kind][1] < least_rank
    }
    assert short == {}
    assert sum(count for _, _, count in figures.values()) > 500
