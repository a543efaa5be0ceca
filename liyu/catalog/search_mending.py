"""Mending what finds nothing as typed: words that differ by a letter or two, that sound alike, or have one wrong character."""

import re
from collections.abc import Iterable

from rapidfuzz import process
from rapidfuzz.distance import OSA

from liyu.catalog.columns import Columns
from liyu.catalog.lexicon import lexicon
from liyu.catalog.pinyin import cut_words, spell, spell_word
from liyu.catalog.search_index import SearchIndex
from liyu.catalog.search_text import is_chinese
from liyu.catalog.views import ItemView

SHORTEST_MENDED = 4
TWO_SLIPS_FROM = 8
"""So many letters a word needs for two of them to be wrong."""
MOST_ALIKE = 4
SHORTEST_WRONG = 3
MOST_LOOKED_AT = 400

_LOOSE = [("zh", "z"), ("ch", "c"), ("sh", "s")]
"""Sounds that many speakers do not tell apart."""


def alike_words(index: SearchIndex, letters: str) -> dict[str, str]:
    """Words and pinyin that are one or two slips away, the closest alone, with how each is written."""
    if len(letters) < SHORTEST_MENDED:
        return {}
    spelled = lexicon().spellings
    slips = 2 if len(letters) >= TWO_SLIPS_FROM else 1
    known = [word for word in spelled if abs(len(word) - len(letters)) <= slips]
    for length in range(max(len(letters) - slips, SHORTEST_MENDED - 1), len(letters) + slips + 1):
        known.extend(index.words_of_length(length))
    found = process.extract(letters, known, scorer=OSA.distance, score_cutoff=slips, limit=MOST_ALIKE * 4)
    if not found:
        return {}
    least = min(distance for _, distance, _ in found)
    closest = [word for word, distance, _ in found if distance == least]
    closest.sort(key=lambda word: (word[0] != letters[0], word[-1] != letters[-1], word))
    return {word: spelled.get(word) or index.written(word) or word for word in dict.fromkeys(closest[:MOST_ALIKE])}


def find_sound(index: SearchIndex, columns: Columns, patterns: Iterable[str]) -> tuple[list[int], str | None]:
    """The slots whose name or partner sounds like a pattern of syllables, and what is written there."""
    for pattern in patterns:
        slots = [slot for segment in index.segments for slot in segment.find_spelled(pattern).tolist()]
        items = [item for slot in slots if (item := columns.items[slot]) is not None]
        if items:
            return slots, _written(items[0], pattern)
    return [], None


def find_one_wrong(columns: Columns, text: str, candidates: Iterable[int]) -> tuple[list[int], str | None]:
    """Those of the slots whose name or partner has a Chinese text with one other character, and what is written there."""
    if len(text) < SHORTEST_WRONG:
        return [], None
    pattern = re.compile(
        "|".join(f"{re.escape(text[:place])}.{re.escape(text[place + 1 :])}" for place in range(len(text)))
    )
    slots: list[int] = []
    written: str | None = None
    for slot in list(candidates)[:MOST_LOOKED_AT]:
        item = columns.items[slot]
        match = pattern.search(_names(item)) if item is not None else None
        if match:
            slots.append(slot)
            written = written or match.group()
    return slots, written if written and is_chinese(written) else None


def loosely_spelled(text: str) -> list[str]:
    """A pattern of syllables for a Chinese text that does not tell apart what many speakers do not."""
    syllables = [syllable for word in cut_words(text) for syllable in spell_word(word)]
    if len(syllables) < 2 or not all(map(is_chinese, text)):
        return []
    return ["".join(_loosely(syllable) for syllable in syllables)]


def _loosely(syllable: str) -> str:
    for strict, loose in _LOOSE:
        if syllable.startswith(loose):
            rest = syllable.removeprefix(strict) if syllable.startswith(strict) else syllable[1:]
            return f"{loose.capitalize()}h?{_loose_end(rest)}"
    first = "[LN]" if syllable[0] in "ln" else syllable[0].capitalize()
    return f"{first}{_loose_end(syllable[1:])}"


def _loose_end(rest: str) -> str:
    return re.sub(r"(an|en|in)g?$", r"\1g?", rest)


def _names(item: ItemView) -> str:
    return f"{item.name_zh} {item.partner.name_zh if item.partner else ''}"


def _written(item: ItemView, pattern: str) -> str | None:
    """The characters of an item's names that a pattern of syllables is found in."""
    spelling = spell(_names(item))
    match = re.search(pattern, spelling.syllables)
    if match is None:
        return None
    start = sum(map(str.isupper, spelling.syllables[: match.start()]))
    return spelling.characters[start : start + sum(map(str.isupper, match.group()))]
