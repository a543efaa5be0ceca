"""The 32 letters of codes and tokens: Crockford's, without I, L, O and U, which people misread or misspell."""

import re
import unicodedata

LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LONGEST_INPUT = 256

_VALUES = {letter: value for value, letter in enumerate(LETTERS)}
_PAIRS = [first + second for first in LETTERS for second in LETTERS]
_MISREAD = str.maketrans("OIL", "011")
_NO_LETTERS = re.compile(r"[^0-9A-Z]+")
# Multiplication by x in the field of 32 elements (x⁵ + x² + 1).
_TIMES_X = [(value << 1) ^ (0b100101 if value & 16 else 0) for value in range(32)]


def write_letters(number: int, length: int) -> str:
    """A number below 32**length in `length` letters."""
    pairs = [_PAIRS[number >> shift & 1023] for shift in range(10 * (length // 2 - 1), -1, -10)]
    return (LETTERS[number >> 5 * (length - 1)] if length % 2 else "") + "".join(pairs)


def read_letters(letters: str) -> int | None:
    """The number that letters stand for; None when one of them is not in the alphabet."""
    number = 0
    for letter in letters:
        value = _VALUES.get(letter)
        if value is None:
            return None
        number = number << 5 | value
    return number


def check_letter(letters: str) -> str:
    """The check letter: it tells every single wrong letter and every swap of neighbours, its own position included.

    A Damm code over the field of 32 elements. ISO 7064's hybrid system, which python-stdnum has, misses some swaps.
    """
    check = 0
    for letter in letters:
        check = _TIMES_X[check ^ _VALUES[letter]]
    return LETTERS[check]


def tidy(text: str) -> str:
    """What someone typed, pasted or scanned, as it was meant: upper case, half width, letters and digits alone.

    What chats and forms put around a code goes with spaces and hyphens: quotes, signs that nobody sees, words in Chinese.
    """
    return _NO_LETTERS.sub("", unicodedata.normalize("NFKC", text[:LONGEST_INPUT]).upper())


def repair(letters: str) -> str:
    """Letters that people read into a code which has none of them: O is 0, I and L are 1."""
    return letters.translate(_MISREAD)
