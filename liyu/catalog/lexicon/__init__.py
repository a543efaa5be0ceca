"""Words that shoppers use: which mean the same, which name a scene or a kind, which say nothing. Read once, never changed."""

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import rjieba

from liyu.catalog.pinyin import spell_word
from liyu.catalog.search_text import chunks, is_chinese, normalise, stem

_FOLDER = Path(__file__).parent
LONGEST_PHRASE = 3
"""So many Latin words make the longest phrase of the lexicon."""


class Lexicon:
    """Groups of words that mean the same, in both languages. Words are looked up by `key_of`."""

    def __init__(self, words: dict[str, object], brands: Iterable[str]) -> None:
        self.scenes = _codes_by_word(words["scenes"])  # type: ignore[arg-type]
        self.kinds = _codes_by_word(words["kinds"])  # type: ignore[arg-type]
        self.optional = frozenset(str(words["optional"]).split())
        self._alternatives: dict[str, dict[str, None]] = {}
        groups: list[list[str]] = [*words["synonyms"], *(line.split("|") for line in brands)]  # type: ignore[misc]
        for group in groups:
            for word in group:
                others = self._alternatives.setdefault(key_of(word), {})
                others.update((normalise(other), None) for other in group if other != word)
        self.chinese = [word for group in groups for word in group if all(map(is_chinese, word)) and len(word) > 1]
        self.spellings: dict[str, str] = {}
        self._initials: dict[str, list[str]] = {}
        self._learn_spellings(groups)

    def _learn_spellings(self, groups: list[list[str]]) -> None:
        for word in (*self.scenes, *self.kinds):
            if is_chinese(word):
                self.spellings.setdefault("".join(spell_word(word)), word)
        for word in self.chinese:
            rjieba.add_word(word, rjieba.suggest_freq(word), "nz")
            syllables = spell_word(word)
            self.spellings.setdefault("".join(syllables), word)
            if len(word) > 2:
                self._initials.setdefault("".join(one[0] for one in syllables), []).append(word)
        for group in groups:
            for word in group:
                if word.isascii() and word.isalpha():
                    self.spellings.setdefault(word.lower(), word)

    def alternatives(self, text: str) -> list[str]:
        """What means the same, normalised; nothing for an unknown word."""
        return list(self._alternatives.get(key_of(text), ()))

    def knows(self, text: str) -> bool:
        """Whether the word is in a group, or names a scene or a kind."""
        key = key_of(text)
        return key in self._alternatives or key in self.scenes or key in self.kinds

    def spelled(self, letters: str) -> list[str]:
        """The Chinese words that are typed by these letters: whole pinyin, or initials of three and more."""
        whole = self.spellings.get(letters)
        return [*([whole] if whole and is_chinese(whole) else []), *self._initials.get(letters, ())]


def key_of(text: str) -> str:
    """How a word is looked up: `Movie tickets` is `movieticket`."""
    return "".join(stem(one) for one in chunks(normalise(text)))


def _codes_by_word(words: dict[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for code, listed in words.items():
        for word in listed.split():
            found.setdefault(key_of(word), []).append(code)
    return found


@cache
def lexicon() -> Lexicon:
    """The lexicon of this process."""
    words = json.loads((_FOLDER / "words.json").read_text(encoding="utf-8"))
    return Lexicon(words, (_FOLDER / "brands.txt").read_text(encoding="utf-8").splitlines())
