"""What searches look through: for each term the items that have it and where, and how they are typed in pinyin.

An index is a few segments. Each covers items in consecutive slots and never changes; changed items make a new segment, and
small segments are joined, so that whatever reads an index goes on undisturbed (docs/algorithms/search.md).
"""

import re
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liyu.catalog.lexicon import lexicon
from liyu.catalog.pinyin import spell, spell_word
from liyu.catalog.search_text import index_terms
from liyu.catalog.views import ItemView

Slots = NDArray[np.int32]
Pause = Callable[[], None]

DESCRIPTION, SUMMARY, PARTNER, NAME = range(4)
"""Where an item has a term; a later one counts for more."""

_END = "\U0010ffff"
_LETTERS = re.compile(r"[A-Za-z]+(?![a-z]?[*?])")


class Segment:
    """The terms of items in consecutive slots, in order, each with the slots and the best place that has it."""

    def __init__(self, first: int, items: Sequence[ItemView | None], pause: Pause) -> None:
        # Its words change how texts are cut, so it has to be there before the first one is.
        lexicon()
        self.first = first
        self.end = first + len(items)
        ids = _Ids()
        term_ids, fields, counts = array("i"), array("b"), array("i")
        spelled: list[str] = []
        initials: list[str] = []
        words: dict[str, None] = {}
        for item in items:
            found = _terms_of(item) if item else {}
            term_ids.extend([ids[term] for term in found])
            fields.extend(found.values())
            counts.append(len(found))
            spelling = spell(item.name_zh, item.partner.name_zh if item.partner else "") if item else spell()
            spelled.append(spelling.syllables)
            initials.append(spelling.initials)
            words.update(dict.fromkeys(spelling.words))
            pause()
        self._file(ids, np.asarray(term_ids, np.int32), np.asarray(fields, np.int8), np.asarray(counts, np.int32))
        pause()
        self._syllables, self._initials = Haystack(spelled), Haystack(initials)
        self.spellings = {"".join(spell_word(word)): word for word in words}
        """Words in pinyin, with their characters."""
        self.by_length: dict[int, list[str]] = {}
        """Words of letters, and pinyin of words, by their length."""
        for word in {*self.latin, *self.spellings}:
            self.by_length.setdefault(len(word), []).append(word)

    def _file(self, ids: "_Ids", term_ids: Any, fields: Any, counts: Any) -> None:
        self.terms = sorted(ids)
        ranks = np.empty(len(ids), np.int32)
        ranks[np.fromiter((ids[term] for term in self.terms), np.int32, len(ids))] = np.arange(len(ids), dtype=np.int32)
        ranked = ranks[term_ids]
        order = np.argsort(ranked, kind="stable")
        self._slots: Slots = np.repeat(np.arange(self.first, self.end, dtype=np.int32), counts)[order]
        self._fields = fields[order]
        self._offsets = np.concatenate(([0], np.cumsum(np.bincount(ranked, minlength=len(ids)))))
        self.latin = self.terms[bisect_left(self.terms, "a") : bisect_left(self.terms, "{")]

    def find(self, term: str) -> tuple[Slots, Any] | None:
        """The slots that have the term, and where they have it."""
        place = bisect_left(self.terms, term)
        if place == len(self.terms) or self.terms[place] != term:
            return None
        return self._between(place, place + 1)

    def find_beginning(self, letters: str) -> tuple[Slots, Any]:
        """The slots that have a word beginning with the letters, and where; a slot for each of its words."""
        return self._between(bisect_left(self.terms, letters), bisect_left(self.terms, letters + _END))

    def _between(self, start: int, end: int) -> tuple[Slots, Any]:
        begin, stop = self._offsets[start], self._offsets[end]
        return self._slots[begin:stop], self._fields[begin:stop]

    def find_spelled(self, pattern: str) -> Slots:
        """The slots whose syllables match a regular expression, such as a reading's."""
        return self._syllables.find(pattern) + np.int32(self.first)

    def find_initials(self, letters: str) -> Slots:
        """The slots whose initials have the letters; two letters only at the beginning of a run."""
        pattern = letters if len(letters) > 2 else rf"(?:(?<=\n)|(?<=\s)|^){letters}"
        return self._initials.find(pattern) + np.int32(self.first)


class Haystack:
    """The texts of all items, one after the other."""

    def __init__(self, texts: Iterable[str]) -> None:
        lines = list(texts)
        self._text = "\n".join(lines)
        self._ends = np.cumsum(np.fromiter(map(len, lines), np.int64, len(lines)) + 1)

    def find(self, pattern: str) -> Slots:
        """The texts in which the pattern is found, by their number."""
        places = np.searchsorted(self._ends, np.fromiter(self._starts(pattern), np.int64), "right").astype(np.int32)
        return places[np.diff(places, prepend=-1) > 0]

    def _starts(self, pattern: str) -> Iterator[int]:
        beginning = _LETTERS.match(pattern)
        if beginning is None or len(beginning.group()) < 3:
            yield from (match.start() for match in re.finditer(pattern, self._text))
            return
        # Looking for plain letters is many times quicker than looking for a pattern.
        find, letters, position = self._text.find, beginning.group(), -1
        matches = re.compile(pattern).match
        while (position := find(letters, position + 1)) >= 0:
            if matches(self._text, position):
                yield position


class SearchIndex:
    """A few segments that cover all slots. `extended` gives another one that shares most of them."""

    def __init__(self, segments: tuple[Segment, ...] = ()) -> None:
        self.segments = segments

    @property
    def size(self) -> int:
        """How many slots are covered."""
        return self.segments[-1].end if self.segments else 0

    def extended(self, items: Sequence[ItemView | None], pause: Pause) -> "SearchIndex":
        """The index with what has come into the list of items; slots of items that are gone hold None.

        A segment that is not twice as large as what comes behind it is joined with that, so that there are never more
        segments than the logarithm of the items, and an item is indexed as often on average.
        """
        kept, first = list(self.segments), self.size
        if first == len(items):
            return self
        while kept and kept[-1].end - kept[-1].first < 2 * (len(items) - kept[-1].end):
            first = kept.pop().first
        return SearchIndex((*kept, Segment(first, items[first:], pause)))

    def words_of_length(self, length: int) -> Iterable[str]:
        """Words of so many letters, and pinyin of words, some more than once."""
        return (word for segment in self.segments for word in segment.by_length.get(length, ()))

    def written(self, letters: str) -> str | None:
        """The characters of a Chinese word that is typed by these letters."""
        return next((word for segment in self.segments if (word := segment.spellings.get(letters))), None)


class _Ids(dict[str, int]):
    """Numbers terms as they come."""

    def __missing__(self, term: str) -> int:
        number = self[term] = len(self)
        return number


@lru_cache(maxsize=10_000)
def _repeated_terms(text: str) -> list[str]:
    """The terms of a text that many items have."""
    return index_terms(text)


def _terms_of(item: ItemView) -> dict[str, int]:
    found: dict[str, int] = dict.fromkeys(index_terms(f"{item.description_zh} {item.description_en}"), DESCRIPTION)
    found |= dict.fromkeys(_repeated_terms(f"{item.summary_zh} {item.summary_en}"), SUMMARY)
    if item.partner:
        found |= dict.fromkeys(_repeated_terms(f"{item.partner.name_zh} {item.partner.name_en}"), PARTNER)
    variant = f" {item.variant_zh or ''} {item.variant_en or ''}" if item.variant_zh or item.variant_en else ""
    found |= dict.fromkeys(index_terms(f"{item.name_zh} {item.name_en} {item.sku}{variant}"), NAME)
    return found
