"""What the search of the mall looks through: long strings, at the speed of `str.find`, and mended spellings.

Chinese is found anywhere, Latin letters from the start of a word, pinyin from the start of a syllable, initials too.
What has no hit as typed is tried as separate Chinese words, as words that sound the same, and with one letter mended.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import accumulate

from liyu.catalog.pinyin import cut_words, has_chinese, initials, spell, spell_word
from liyu.catalog.views import ItemView

LONGEST_QUERY = 100
MOST_TERMS = 8
SHORTEST_MENDED = 4
SHORTEST_INITIALS = 2

SCENE_WORDS = {
    "travel": "出行 旅行 travel",
    "dining": "美食 餐饮 dining food restaurant",
    "hotel": "酒店 住宿 hotel",
    "car": "汽车 用车 洗车 car",
    "health": "健康 health",
    "coffee": "咖啡 茶饮 coffee drink",
    "shopping": "购物 shopping",
    "entertainment": "娱乐 电影 entertainment",
    "home": "居家 生活 home",
    "charity": "公益 捐赠 charity donate",
}
KIND_WORDS = {
    "goods": "实物 商品 goods",
    "coupon": "优惠券 代金券 coupon",
    "partner_right": "权益 right",
    "code": "卡密 兑换码 code",
    "top_up": "充值 话费 top-up",
    "draw": "抽签 抽奖 draw",
    "donation": "捐赠 公益 donation",
}

NAME, PARTNER, PINYIN, INITIALS, SCENE, SUMMARY, DESCRIPTION = 60, 50, 40, 32, 24, 20, 8
AT_THE_START = 10

Scores = dict[int, int]
"""How well items match, by their place in the list."""


class SearchIndex:
    """Finds items by words in both languages, by pinyin and by initials."""

    def __init__(self, items: Sequence[ItemView]) -> None:
        self._items = items
        partners = [f"{item.partner.name_zh} {item.partner.name_en}" if item.partner else "" for item in items]
        chinese = [f"{item.name_zh} {item.partner.name_zh}" if item.partner else item.name_zh for item in items]
        self._texts = [
            (Haystack(f"{item.name_zh}\v{item.name_en}\v{item.sku}" for item in items), NAME),
            (Haystack(partners), PARTNER),
            (
                Haystack(
                    f"{SCENE_WORDS.get(item.scene, item.scene)} {KIND_WORDS.get(item.kind, item.kind)}"
                    for item in items
                ),
                SCENE,
            ),
            (Haystack(f"{item.summary_zh}\v{item.summary_en}" for item in items), SUMMARY),
            (Haystack(f"{item.description_zh}\v{item.description_en}" for item in items), DESCRIPTION),
        ]
        self._pinyin = Haystack(spell(text) for text in chinese)
        self._initials = Haystack(initials(text) for text in chinese)

    def search(self, query: str) -> Scores:
        """The items that match every term of a query, with their scores; empty when there are none."""
        terms = query[:LONGEST_QUERY].lower().split()[:MOST_TERMS]
        return _all_of([self._find_or_mend(term) for term in terms])

    def _find_or_mend(self, term: str) -> Scores:
        return self._find(term) or (self._mend_chinese(term) if has_chinese(term) else self._mend_latin(term))

    def _find(self, term: str) -> Scores:
        scores: Scores = {}
        anywhere = has_chinese(term)
        for haystack, weight in self._texts:
            _raise(scores, haystack.find(term, anywhere=anywhere), weight)
        if term.isascii() and term.isalpha():
            _raise(scores, self._pinyin.find(term), PINYIN)
            if len(term) >= SHORTEST_INITIALS:
                _raise(scores, self._initials.find(term, anywhere=len(term) > SHORTEST_INITIALS), INITIALS)
        return scores

    def _mend_chinese(self, term: str) -> Scores:
        words = cut_words(term)
        found = _all_of([self._find(word) for word in words]) if len(words) > 1 else {}
        if found:
            return found
        scores: Scores = {}
        _raise(scores, self._pinyin.find("".join(syllable for word in words for syllable in spell_word(word))), PINYIN)
        return scores

    def _mend_latin(self, term: str) -> Scores:
        scores: Scores = {}
        if len(term) < SHORTEST_MENDED:
            return scores
        for word in sorted({word for form in _shortened(term) for word in self._spellings.get(form, ())}):
            for place, score in self._find(word).items():
                scores[place] = max(score, scores.get(place, 0))
        return scores

    @cached_property
    def _spellings(self) -> dict[str, list[str]]:
        """Words by each of their forms with at most one letter left out: words one slip apart share such a form."""
        words: set[str] = set()
        for item in self._items:
            texts = [item.name_en, item.summary_en, SCENE_WORDS.get(item.scene, "")]
            if item.partner:
                texts.append(item.partner.name_en)
            words.update(word for text in texts for word in _latin_words(text))
            chinese = cut_words(f"{item.name_zh} {item.partner.name_zh if item.partner else ''}")
            words.update("".join(spell_word(word)) for word in chinese if len(word) > 1)
        spellings: dict[str, list[str]] = {}
        for word in words:
            if len(word) >= SHORTEST_MENDED:
                for form in _shortened(word):
                    spellings.setdefault(form, []).append(word)
        return spellings

    def warm_up(self) -> None:
        """Make now what would else be made by the first misspelt search."""
        _ = self._spellings


class Haystack:
    """The texts of all items, one after the other."""

    def __init__(self, texts: Iterable[str]) -> None:
        marked = list(texts)
        lowered = [text.lower() for text in marked]
        self._text = "\n".join(lowered) + "\n"
        # Capitals mark syllables; texts that change their length in lower case have none that matter.
        self._marked = "\n".join(
            text if len(text) == len(low) else low for text, low in zip(marked, lowered, strict=True)
        )
        self._ends = list(accumulate(len(low) + 1 for low in lowered))

    def find(self, term: str, *, anywhere: bool = False) -> Iterator[tuple[int, bool]]:
        """The places of the items that have the term, and whether a text of theirs begins with it."""
        text, position = self._text, 0
        while (position := text.find(term, position)) >= 0:
            if anywhere or self._begins_here(position):
                place = bisect_right(self._ends, position)
                yield place, position == 0 or text[position - 1] in "\n\v"
                position = self._ends[place]
            else:
                position += 1

    def _begins_here(self, position: int) -> bool:
        before = self._text[position - 1] if position else " "
        return not (before.isascii() and before.isalnum()) or self._marked[position].isupper()


def _raise(scores: Scores, found: Iterable[tuple[int, bool]], weight: int) -> None:
    for place, begins in found:
        score = weight + AT_THE_START if begins else weight
        if score > scores.get(place, 0):
            scores[place] = score


def _all_of(parts: list[Scores]) -> Scores:
    if not parts:
        return {}
    smallest = min(parts, key=len)
    return {place: sum(part[place] for part in parts) for place in smallest if all(place in part for part in parts)}


def _latin_words(text: str) -> list[str]:
    return "".join(one if one.isascii() and one.isalpha() else " " for one in text.lower()).split()


def _shortened(word: str) -> set[str]:
    return {word, *(word[:i] + word[i + 1 :] for i in range(len(word)))}
