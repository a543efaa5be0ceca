"""How Chinese texts are typed on a Latin keyboard: syllables and initials, word by word, so that 银行 is yinhang."""

import re
from functools import lru_cache

import rjieba
from pypinyin import lazy_pinyin

_CHINESE = re.compile(r"[\u3400-\u9fff]+")
_KNOWN_WORDS = 100_000


def has_chinese(text: str) -> bool:
    """Whether there is a Chinese character in the text."""
    return _CHINESE.search(text) is not None


def cut_words(text: str) -> list[str]:
    """The Chinese words of a text, in order."""
    return [word for run in _CHINESE.findall(text) for word in rjieba.cut(run)]


@lru_cache(maxsize=_KNOWN_WORDS)
def spell_word(word: str) -> tuple[str, ...]:
    """The syllables of a Chinese word, without tones."""
    return tuple(lazy_pinyin(word))


def spell(text: str) -> str:
    """The Chinese runs of a text in pinyin, each syllable with a capital: `星巴克 杯` is `XingBaKe Bei`."""
    return " ".join("".join(syllable.capitalize() for syllable in _syllables(run)) for run in _CHINESE.findall(text))


def initials(text: str) -> str:
    """The first letters of the Chinese runs of a text: `星巴克 杯` is `xbk b`."""
    return " ".join("".join(syllable[0] for syllable in _syllables(run)) for run in _CHINESE.findall(text))


@lru_cache(maxsize=_KNOWN_WORDS)
def _syllables(run: str) -> list[str]:
    return [syllable for word in rjieba.cut(run) for syllable in spell_word(word)]
