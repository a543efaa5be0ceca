"""Finding items by words: what was typed, what means the same, what sounds or looks the same, and at last what comes close.

Scores stand in arrays with a place for each slot of the snapshot's columns; 0 is no match (docs/algorithms/search.md).
"""

import re
from collections.abc import Callable, Iterable
from functools import reduce
from itertools import pairwise

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from liyu.catalog.columns import Columns
from liyu.catalog.lexicon import LONGEST_PHRASE, lexicon
from liyu.catalog.pinyin import cut_finely, cut_words, read_letters, spell, spell_word
from liyu.catalog.search_index import NAME, PARTNER, SearchIndex
from liyu.catalog.search_mending import alike_words, find_one_wrong, find_sound, loosely_spelled
from liyu.catalog.search_text import chunks, compact, is_chinese, normalise, stem, tokens
from liyu.catalog.views import ItemView

Scores = NDArray[np.float32]

LONGEST_QUERY = 100
MOST_CHUNKS = 8
MOST_ALTERNATIVES = 12

WEIGHTS = np.array([8, 20, 50, 60], np.float32)
"""By place: description, summary, partner, name."""
SPELLED, SCENE, ABBREVIATED = 40.0, 24.0, 32.0
OF_BEGINNING, OF_SYNONYM, OF_SPLIT, OF_MENDED = 0.85, 0.8, 0.8, 0.6
"""What is left of a score when only the beginning of a word, a synonym, the words apart, or a mended word was found."""
BRAND, BRAND_BEGINNING, SAME_NAME, NAME_BEGINNING, IN_NAME, SHARE_OF_NAME = 400.0, 150.0, 200.0, 40.0, 25.0, 20.0
"""What the whole query adds where it is a brand or a name, begins one, or is in one, and by how much of the name it is."""
LOOKED_AT = 300
"""So many of the best matches are looked at closely."""
CLOSE_ENOUGH = 0.6
"""What comes close has at least this share of what the closest has of the query."""


class Found(Struct, frozen=True):
    """What a query finds: a score for each slot, and how that came about."""

    scores: Scores
    correction: str | None = None
    """The query as it was probably meant, when it found nothing as typed."""
    is_near: bool = False
    """Whether nothing has all the words, and this only comes close."""


class Finder:
    """Finds items of one snapshot's columns through its index."""

    def __init__(self, index: SearchIndex, columns: Columns) -> None:
        self._index = index
        self._columns = columns
        self._lexicon = lexicon()
        self._nothing: Scores = np.zeros(len(columns.items), np.float32)
        self._known: dict[str, Scores] = {}

    def find(self, query: str, among: NDArray[np.bool_]) -> Found:
        """What a query finds among some slots; words in any order, all of them if there is such an item."""
        text = normalise(query[:LONGEST_QUERY])
        units = self._units(text)
        if not units:
            return Found(self._nothing)
        parts = [self._match(unit) * among for unit in units]
        if all(part.any() for part in parts) and (together := _together(parts)).any():
            return Found(self._refine(together, text, among))
        mended = [part if part.any() else self._mend(unit) for unit, part in zip(units, parts, strict=True)]
        parts = [part if isinstance(part, np.ndarray) else part[0] * among for part in mended]
        correction = _correct(units, mended)
        if all(part.any() for part in parts) and (together := _together(parts)).any():
            return Found(self._refine(together, normalise(correction or text), among), correction)
        near = self._near(units, among)
        return Found(self._refine(near, text, among) if near.any() else near, None, is_near=True)

    def _units(self, text: str) -> list[str]:
        """What has to be found: chunks, phrases of the lexicon, without words that say nothing."""
        words = chunks(text)[:MOST_CHUNKS]
        units: list[str] = []
        while words:
            length = next(
                (size for size in range(min(LONGEST_PHRASE, len(words)), 1, -1) if self._is_phrase(words[:size])), 1
            )
            units.append(" ".join(words[:length]))
            words = words[length:]
        telling = [unit for unit in units if unit not in self._lexicon.optional]
        return telling or units

    def _is_phrase(self, words: list[str]) -> bool:
        together = "".join(words)
        return not is_chinese(together) and (
            self._lexicon.knows(" ".join(words)) or together in self._columns.cities_in_letters
        )

    def _words(self, unit: str) -> list[str]:
        """The words of a unit without blanks: Chinese ones, and runs of letters or digits."""
        words: list[str] = []
        for token in tokens(unit):
            words.extend(cut_words(token) if is_chinese(token) else [token])
        telling = [word for word in words if word not in self._lexicon.optional]
        return telling or words

    def _match(self, unit: str) -> Scores:
        """Whatever has a unit as typed, or a synonym of it, or all its words."""
        scores = self._match_word(unit)
        words = self._words(unit)
        if len(words) > 1 and " " not in unit:
            parts = [self._match_word(word) for word in words]
            scores = np.maximum(scores, _together(parts) * OF_SPLIT)
        return scores

    def _match_word(self, word: str) -> Scores:
        if word not in self._known:
            known, words = self._lexicon, [self._literal(word)]
            words += [self._literal(other) * OF_SYNONYM for other in known.alternatives(word)[:MOST_ALTERNATIVES]]
            words += [self._of_facet("scene", code) for code in known.scenes.get(_key(word), ())]
            words += [self._of_city(city) for city in (word, word.removesuffix("市"), f"{word}市")]
            words += [self._of_city(city) for city in self._columns.cities_in_letters.get(compact(word), ())]
            words += [self._of_facet("kind", code) for code in known.kinds.get(_key(word), ())]
            if word.isascii() and word.isalpha() and len(word) > 1:
                words.append(self._typed(word))
            self._known[word] = reduce(np.maximum, words)
        return self._known[word]

    def _literal(self, text: str) -> Scores:
        """What has all tokens of a text, Chinese ones as they stand, the last word of letters perhaps unfinished."""
        found = tokens(text)
        parts = [self._token(token, is_last=place == len(found) - 1) for place, token in enumerate(found)]
        return reduce(np.minimum, parts) if parts else self._nothing

    def _token(self, token: str, *, is_last: bool) -> Scores:
        if is_chinese(token):
            pairs = [token[place : place + 2] for place in range(len(token) - 1)] or [token]
            return reduce(np.minimum, [self._term(pair) for pair in pairs])
        exact = self._term(stem(token))
        if token.isdigit() or not is_last or len(token) == 1:
            return exact
        scores: Scores = np.maximum(exact, self._beginning(token) * OF_BEGINNING)
        return scores

    def _term(self, term: str) -> Scores:
        scores = self._nothing.copy()
        for segment in self._index.segments:
            found = segment.find(term)
            if found is not None:
                slots, fields = found
                scores[slots] = WEIGHTS[fields]
        return scores

    def _beginning(self, letters: str) -> Scores:
        scores = self._nothing.copy()
        for segment in self._index.segments:
            slots, fields = segment.find_beginning(letters)
            for field, weight in enumerate(WEIGHTS):
                scores[slots[fields == field]] = weight
        return scores

    def _of_facet(self, facet: str, code: str) -> Scores:
        number = self._columns.values[facet].get(code)
        if number is None:
            return self._nothing
        return np.where(self._columns.codes[facet] == number, np.float32(SCENE), np.float32(0))

    def _of_city(self, city: str) -> Scores:
        slots = self._columns.cities.get(city)
        if slots is None:
            return self._nothing
        scores = self._nothing.copy()
        scores[slots] = SCENE
        return scores

    def _typed(self, letters: str) -> Scores:
        """What letters mean as pinyin: whole syllables first, then mixed with initials, then initials alone."""
        scores = self._nothing.copy()
        readings = read_letters(letters)
        for reading in readings:
            if reading.whole:
                self._score_spelled(scores, reading.pattern, SPELLED)
        for word in self._lexicon.spelled(letters):
            scores = np.maximum(scores, self._match_word(word) * OF_SYNONYM)
        if not scores.any():
            self._score_initials(scores, letters)
            for reading in readings:
                if not reading.whole and len(reading.pieces) < len(letters):
                    self._score_spelled(scores, reading.pattern, ABBREVIATED)
        return scores

    def _score_spelled(self, scores: Scores, pattern: str, weight: float) -> None:
        for segment in self._index.segments:
            slots = segment.find_spelled(pattern)
            scores[slots] = np.maximum(scores[slots], np.float32(weight))

    def _score_initials(self, scores: Scores, letters: str) -> None:
        for segment in self._index.segments:
            scores[segment.find_initials(letters)] = ABBREVIATED

    def _mend(self, unit: str) -> tuple[Scores, str | None]:
        """What a unit without a match may have been meant as, and how that is written."""
        if self._lexicon.knows(unit):
            return self._nothing, None
        if is_chinese(unit):
            return self._mend_chinese(unit)
        alike = alike_words(self._index, unit) if unit.isalpha() else {}
        scores = self._nothing
        for word in alike:
            scores = np.maximum(scores, self._match_word(word) * OF_MENDED)
        return scores, next(iter(alike.values()), None)

    def _mend_chinese(self, unit: str) -> tuple[Scores, str | None]:
        attempts: list[Callable[[], tuple[Iterable[int], str | None]]] = [
            lambda: find_sound(self._index, self._columns, _sound_of(unit)),
            lambda: find_one_wrong(self._columns, unit, self._sharing(unit)),
            lambda: find_sound(self._index, self._columns, loosely_spelled(unit)),
        ]
        for attempt in attempts:
            slots, meant = attempt()
            scores = self._nothing.copy()
            scores[np.asarray(list(slots), np.int32)] = SPELLED * OF_MENDED
            if scores.any():
                return scores, meant
        words = self._words(unit)
        if len(words) < 2:
            return self._nothing, None
        parts = [(self._match_word(word), word) for word in words]
        mended = [(part, word) if part.any() else self._mend(word) for part, word in parts]
        scores = _together([part for part, _ in mended]) * OF_SPLIT
        return scores, "".join(meant or word for (_, meant), word in zip(mended, words, strict=True))

    def _sharing(self, unit: str) -> Iterable[int]:
        """Slots whose name or partner has all characters of a unit but one."""
        counts = np.zeros(len(self._nothing), np.int8)
        characters = set(unit)
        for character in characters:
            counts += self._term(character) >= WEIGHTS[PARTNER]
        slots: list[int] = np.flatnonzero(counts >= len(characters) - 1).tolist()
        return slots

    def _near(self, units: list[str], among: NDArray[np.bool_]) -> Scores:
        """What has the most of the words; a word counts for more the fewer items have it."""
        total, listed = self._nothing.copy(), max(int(among.sum()), 1)
        for word in dict.fromkeys(word for unit in units for word in self._small_words(unit)):
            scores = self._match_word(word) * among
            having = int(np.count_nonzero(scores))
            if having:
                telling = np.float32(np.log1p(listed / having))
                total += np.where(scores > 0, telling * (1 + scores / WEIGHTS[NAME]), np.float32(0))
        return np.where(total >= total.max() * CLOSE_ENOUGH, total, np.float32(0)) if total.any() else total

    def _small_words(self, unit: str) -> list[str]:
        """The words of a unit without a match, those that have none either in smaller parts."""
        if " " in unit or self._match_word(unit).any():
            return [unit]
        found: list[str] = []
        for word in self._words(unit):
            if is_chinese(word) and not self._match_word(word).any():
                parts = [part for part in cut_finely(word) if part != word]
                found.extend(parts or map("".join, pairwise(word)))
            elif is_chinese(word) or len(word) > 1:
                found.append(word)
        return found

    def _refine(self, scores: Scores, text: str, among: NDArray[np.bool_]) -> Scores:
        """The scores with what the whole query tells of the best matches: that it is a brand, or a name."""
        scores = scores * among
        forms = {compact(text), *map(compact, self._lexicon.alternatives(text)[:MOST_ALTERNATIVES])} - {""}
        words = {compact(word) for part in self._words(text) for word in (part, *self._lexicon.alternatives(part))}
        self._raise_brands(scores, compact(text), forms, words - {""})
        best = np.flatnonzero(scores)
        if len(best) > LOOKED_AT:
            best = best[np.argpartition(-scores[best], LOOKED_AT)[:LOOKED_AT]]
        for slot in best.tolist():
            item = self._columns.items[slot]
            if item is not None:
                scores[slot] += _closeness(item, forms)
        return scores

    def _raise_brands(self, scores: Scores, whole: str, forms: set[str], words: set[str]) -> None:
        codes = self._columns.codes["partner"]
        for names, number in self._columns.partner_names:
            bonus = BRAND if names & forms else BRAND_BEGINNING if names & words else 0.0
            if not bonus and len(whole) > 1 and any(name.startswith(whole) for name in names):
                bonus = BRAND_BEGINNING
            if bonus:
                scores += np.where((codes == number) & (scores > 0), np.float32(bonus), np.float32(0))


def _together(parts: list[Scores]) -> Scores:
    """The mean of scores, where none is missing."""
    everywhere = reduce(np.minimum, parts) > 0
    return np.where(everywhere, sum(parts) / np.float32(len(parts)), np.float32(0)).astype(np.float32)


def _closeness(item: ItemView, forms: set[str]) -> float:
    closest = 0.0
    for name in (item.name_zh, item.name_en, item.sku):
        whole = compact(name)
        for form in forms:
            if form in whole:
                share = SHARE_OF_NAME * len(form) / len(whole)
                kind = SAME_NAME if whole == form else NAME_BEGINNING if whole.startswith(form) else IN_NAME
                closest = max(closest, kind + share)
    return closest


def _correct(units: list[str], mended: list[Scores | tuple[Scores, str | None]]) -> str | None:
    words = [
        unit if isinstance(part, np.ndarray) else part[1] or unit for unit, part in zip(units, mended, strict=True)
    ]
    return " ".join(words) if words != units else None


def _key(word: str) -> str:
    return "".join(stem(one) for one in word.split())


def _sound_of(unit: str) -> list[str]:
    """Patterns of the ways to say a unit, in which characters stand for their syllables and letters for what they begin."""
    patterns = [""]
    for token in tokens(unit):
        if is_chinese(token):
            said = ["".join(syllable.capitalize() for word in cut_words(token) for syllable in spell_word(word))]
        elif token.isalpha():
            said = [re.sub("$", "[a-z]*", reading.pattern) for reading in read_letters(token)][:4]
        else:
            return []
        patterns = [before + after for before in patterns for after in said]
    return patterns if spell(unit).characters else []
