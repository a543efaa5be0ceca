"""What searches make of texts: one spelling for all forms of a letter, and the terms that an index keeps."""

import re
import unicodedata
from operator import add

LONGEST_INDEXED = 400
"""So many characters of a text are indexed; what comes behind is not what anybody searches for."""

_TOKEN = re.compile(r"[\u3400-\u9fff]+|[a-z]+|[0-9]+")
_CHINESE = re.compile(r"[\u3400-\u9fff]")
_NOISE = re.compile(r"[^0-9a-z\u3400-\u9fff]+")
_MARKS = re.compile("[\u0300-\u036f'’]")


def normalise(text: str) -> str:
    """The text in small letters without accents; full-width forms become ordinary ones. `Café ＡＢＣ` is `cafe abc`."""
    if text.isascii():
        return text.lower().replace("'", "")
    return _MARKS.sub("", unicodedata.normalize("NFKD", text)).lower()


def compact(text: str) -> str:
    """The text as `normalise` gives it, letters, digits and characters alone: how names are compared."""
    return _NOISE.sub("", normalise(text))


def tokens(text: str) -> list[str]:
    """Runs of Chinese characters, of letters and of digits in a normalised text."""
    return _TOKEN.findall(text)


def chunks(text: str) -> list[str]:
    """What stands between blanks and signs in a normalised text: `a4纸 100元` gives `a4纸` and `100元`."""
    return _NOISE.sub(" ", text).split()


def is_chinese(text: str) -> bool:
    """Whether there is a Chinese character in the text."""
    return _CHINESE.search(text) is not None


def stem(word: str) -> str:
    """The word without the ending of an English plural."""
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    return word[:-3] + "y" if word.endswith("ies") and len(word) > 4 else word[:-1]


def index_terms(text: str) -> list[str]:
    """The terms of a text: single characters and pairs of neighbours of Chinese, stems of words, numbers."""
    found: list[str] = []
    for run in tokens(normalise(text[:LONGEST_INDEXED])):
        if run < "a":
            found.append(run)
        elif run < "{":
            found.append(stem(run))
        else:
            found.extend(run)
            found.extend(map(add, run, run[1:]))
    return found
