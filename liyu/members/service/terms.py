"""How members are found: a name by its characters, its pinyin and its initials, a phone by any four digits in a row. Pure.

Terms are lexemes of PostgreSQL's text search, which is in every installation and looks up any of them in one index. Names go
in as runs of one and two characters, so that any part of a name is found; pinyin from each syllable on, so that its beginning
is enough; phones as runs of four digits. The letter in front keeps the kinds apart.
"""

import re
from functools import lru_cache

FEWEST_DIGITS = 4
_CHINESE = re.compile(r"[\u3400-\u9fff]+")
_WORD = re.compile(r"[^\W_]+")
_DIGITS = re.compile(r"[\d\s+()-]+")


def terms_of(name: str | None, phones: list[str]) -> list[str]:
    """Every term a member is found by."""
    terms: set[str] = set()
    for word in _WORD.findall((name or "").lower()):
        terms |= _terms_of_word(word)
    for phone in phones:
        terms |= {f"d{run}" for run in _runs(_digits(phone), FEWEST_DIGITS)}
    return sorted(terms)


def query_of(text: str) -> str | None:
    """The text search query for what somebody typed; None when there is nothing to search by.

    A number is part of a phone from four digits on. Otherwise each word is part of a name, or the beginning of its pinyin or
    its initials.
    """
    text = text.strip().lower()
    if _DIGITS.fullmatch(text):
        runs = _runs(_digits(text), FEWEST_DIGITS)
        return " & ".join(f"'d{run}'" for run in runs) or None
    asked = [_query_of_word(word) for word in _WORD.findall(text)]
    return " & ".join(asked) or None


def is_digits(text: str) -> bool:
    """Whether this is looked up as part of a phone number."""
    return _DIGITS.fullmatch(text.strip()) is not None


def _query_of_word(word: str) -> str:
    if _CHINESE.search(word):
        return " & ".join(f"'n{run}'" for run in _runs(word, 2) or [word])
    return f"('n{word}':* | 'p{word}':*)"


def _terms_of_word(word: str) -> set[str]:
    if not _CHINESE.search(word):
        return {f"n{word}"}
    syllables = _syllables(word)
    initials = "".join(syllable[0] for syllable in syllables)
    spelled = {f"p{''.join(syllables[start:])}" for start in range(len(syllables))}
    shortened = {f"p{initials[start:]}" for start in range(len(initials))}
    return spelled | shortened | {f"n{character}" for character in word} | {f"n{run}" for run in _runs(word, 2)}


def _runs(text: str, length: int) -> list[str]:
    return [text[start : start + length] for start in range(len(text) - length + 1)]


def _digits(text: str) -> str:
    digits = "".join(character for character in text if character.isascii() and character.isdigit())
    return digits.removeprefix("86") if text.strip().startswith("+86") else digits


@lru_cache(maxsize=50_000)
def _syllables(word: str) -> tuple[str, ...]:
    from pypinyin import lazy_pinyin  # its tables take half a second, which most processes never need

    return tuple(syllable for syllable in (one.strip() for one in lazy_pinyin(word)) if syllable)
