"""How Chinese texts are typed on a Latin keyboard: syllables and initials, word by word, so that 银行 is yinhang."""

import re
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import rjieba
from pypinyin import lazy_pinyin

_CHINESE = re.compile(r"[\u3400-\u9fff]+")
_KNOWN_WORDS = 100_000
_SYLLABLES = frozenset((Path(__file__).parent / "lexicon" / "syllables.txt").read_text().split())
_BEGINNINGS = frozenset(syllable[:end] for syllable in _SYLLABLES for end in range(1, len(syllable)))
_INITIALS = ("zh", "ch", "sh", *"bpmfdtnlgkhjqxrzcsyw", *"aeo")
_LONGEST_SYLLABLE = max(map(len, _SYLLABLES))
LONGEST_TYPED = 24
MOST_READINGS = 16


def cut_words(text: str) -> list[str]:
    """The Chinese words of a text, in order."""
    return [word for run in _CHINESE.findall(text) for word in rjieba.cut(run)]


def cut_finely(word: str) -> list[str]:
    """The words within a Chinese word: 北京烤鸭 has 北京 and 烤鸭."""
    return [part for part in rjieba.cut_for_search(word) if len(part) > 1]


@lru_cache(maxsize=_KNOWN_WORDS)
def spell_word(word: str) -> tuple[str, ...]:
    """The syllables of a Chinese word, without tones."""
    return tuple(lazy_pinyin(word))


class Spelling(NamedTuple):
    """A text in pinyin, run by run."""

    characters: str
    """The Chinese characters, one for each syllable."""
    syllables: str
    """Each syllable with a capital, runs apart: `XingBaKe Bei`."""
    initials: str
    """The first letters, runs apart: `xbk b`."""
    words: list[str]
    """The words of two characters and more."""


def spell(*texts: str) -> Spelling:
    """How the Chinese runs of texts are typed."""
    runs = [run for text in texts for run in _CHINESE.findall(text)]
    spelled = [_spell_run(run) for run in runs]
    return Spelling(
        "".join(runs),
        " ".join(one[0] for one in spelled),
        " ".join(one[1] for one in spelled),
        [word for one in spelled for word in one[2]],
    )


@lru_cache(maxsize=_KNOWN_WORDS)
def _spell_run(run: str) -> tuple[str, str, tuple[str, ...]]:
    words = rjieba.cut(run)
    syllables = [syllable for word in words for syllable in spell_word(word)]
    return (
        "".join(syllable.capitalize() for syllable in syllables),
        "".join(syllable[0] for syllable in syllables),
        tuple(word for word in words if len(word) > 1),
    )


class Reading(NamedTuple):
    """One way to understand typed letters as syllables: whole ones, and initials that stand for one."""

    pieces: tuple[str, ...]
    whole: bool
    """Whether every piece is a syllable, or the last one the beginning of one."""

    @property
    def initials(self) -> str:
        """The first letters of its syllables."""
        return "".join(piece[0] for piece in self.pieces)

    @property
    def pattern(self) -> str:
        """A regular expression for it in `Spelling.syllables`."""
        *inner, last = self.pieces
        return "".join(_pattern_of(piece) for piece in inner) + last.capitalize()


def _pattern_of(piece: str) -> str:
    return piece.capitalize() if piece in _SYLLABLES else f"{piece.capitalize()}[a-z]*"


@lru_cache(maxsize=1_000)
def read_letters(letters: str) -> tuple[Reading, ...]:
    """The ways to understand letters as pinyin, those with the fewest pieces first: `xingbk` is xing + b + k."""
    if len(letters) > LONGEST_TYPED:
        return ()
    found: list[tuple[str, ...]] = []
    _read_on(letters, (), found)
    readings = [
        Reading(pieces, all(piece in _SYLLABLES for piece in pieces[:-1]) and _is_syllable_begun(pieces))
        for pieces in found
    ]
    return tuple(sorted(readings, key=lambda reading: (not reading.whole, len(reading.pieces)))[:MOST_READINGS])


def _is_syllable_begun(pieces: tuple[str, ...]) -> bool:
    # A single letter at the end is the beginning of a syllable that is still being typed.
    return len(pieces) > 1 or len(pieces[0]) > 1


def _read_on(letters: str, before: tuple[str, ...], found: list[tuple[str, ...]]) -> None:
    if not letters:
        found.append(before)
        return
    if len(found) >= 4 * MOST_READINGS:
        return
    for length in range(min(_LONGEST_SYLLABLE, len(letters)), 0, -1):
        piece, rest = letters[:length], letters[length:]
        if piece in _SYLLABLES or piece in _INITIALS or (not rest and piece in _BEGINNINGS):
            _read_on(rest, (*before, piece), found)
