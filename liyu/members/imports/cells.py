"""From what stands in a cell to a value: people's ways to write dates and numbers, and what spreadsheets do to them."""

import re
import unicodedata
from datetime import date, timedelta

from liyu.core.i18n import N_, Message
from liyu.members.profile import FIRST_BIRTH_YEAR, LONGEST_EMAIL, LONGEST_ID, LONGEST_TEXT, is_email, parse_phone

LARGEST_POINTS = 10**9
LAST_YEAR = 2200
EXACT_DIGITS = 15
"""Spreadsheets keep no more digits of a number."""
NEVER_WORDS = frozenset({"never", "永久", "永久有效", "长期"})

_CHINESE_MOBILE = re.compile(r"(?:(?:\+|00)?86)?(1[3-9]\d{9})")
_PHONE_MARKS = re.compile(r"[\s\-()（）.]")
_FRACTION = re.compile(r"\.0+$")
_ROUNDED = re.compile(r"(\d)(?:\.(\d+))?[eE]\+?(\d+)")
_DAY = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[ T]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?")
_DAY_IN_DIGITS = re.compile(r"(\d{4})(\d{2})(\d{2})")
_SERIAL = re.compile(r"\d{4,5}")
_FIRST_SERIAL = date(1899, 12, 30)


class CellError(Exception):
    """Why a cell cannot be taken."""

    def __init__(self, text: str, **values: object) -> None:
        self.message = Message(text, values)
        super().__init__(text)


def tidy(text: str) -> str:
    """A cell without the invisible signs, apostrophes and spaces around it that files carry along."""
    return text.replace("\u200b", "").replace("\ufeff", "").replace("\xa0", " ").strip().removeprefix("'").strip()


def read_text(text: str, longest: int = LONGEST_TEXT) -> str:
    """Words. Raises CellError."""
    if len(text) > longest:
        raise CellError(N_("Is longer than %(most)s characters."), most=longest)
    if any(unicodedata.category(sign) in ("Cc", "Cs") for sign in text):
        raise CellError(N_("Has characters that cannot be shown."))
    return text


def read_id(text: str) -> str:
    """A member's number as it stands there, leading zeros included. Raises CellError."""
    return read_text(undo_rounding(text), LONGEST_ID)


def read_phone(text: str) -> str:
    """A phone number in E.164. Raises CellError."""
    plain = _PHONE_MARKS.sub("", _FRACTION.sub("", unicodedata.normalize("NFKC", undo_rounding(text))))
    found = _CHINESE_MOBILE.fullmatch(plain)
    number = f"+86{found.group(1)}" if found else parse_phone(plain)
    if number is None or (number.startswith("+86") and not found):
        raise CellError(N_("Enter a mobile number, such as 138 0013 8000."))
    return number


def read_email(text: str) -> str:
    """An e-mail address. Raises CellError."""
    if len(text) > LONGEST_EMAIL or not is_email(text):
        raise CellError(N_("Enter an e-mail address, such as name@example.com."))
    return text


def read_day(text: str) -> date:
    """A day: 2026-11-22, 2026/11/22, 20261122, 2026年11月22日, or the serial number that a spreadsheet makes of it.

    Raises CellError.
    """
    plain = unicodedata.normalize("NFKC", text).strip()
    found = _DAY.fullmatch(plain) or _DAY_IN_DIGITS.fullmatch(plain)
    try:
        if found:
            day = date(*map(int, found.groups()))
        elif _SERIAL.fullmatch(plain):
            day = _FIRST_SERIAL + timedelta(days=int(plain))
        else:
            raise ValueError
    except ValueError:
        raise CellError(N_("Must be a date such as 2026-11-22.")) from None
    if not FIRST_BIRTH_YEAR <= day.year <= LAST_YEAR:
        raise CellError(N_("Must be a date such as 2026-11-22."))
    return day


def read_number(text: str, most: int = LARGEST_POINTS) -> int:
    """A whole number, thousands separators allowed. Raises CellError."""
    plain = unicodedata.normalize("NFKC", undo_rounding(text)).replace(",", "").replace(" ", "")
    plain = _FRACTION.sub("", plain)
    if not re.fullmatch(r"-?\d+", plain):
        raise CellError(N_("Must be a whole number in digits."))
    if plain.startswith("-") and plain.strip("-0"):
        raise CellError(N_("Must not be negative."))
    digits = plain.removeprefix("-").lstrip("0") or "0"
    if len(digits) > len(str(most)) or int(digits) > most:
        raise CellError(N_("Must be at most %(most)s."), most=most)
    return int(digits)


def split_tags(text: str) -> list[str]:
    """The names in a cell of tags."""
    return [name for part in re.split(r"[;；,，、|]", text) if (name := part.strip())]


def undo_rounding(text: str) -> str:
    """`1.3800138000E+10` is 13800138000; `1.38E+10` has lost its last digits. Raises CellError for the latter."""
    found = _ROUNDED.fullmatch(text)
    if found is None:
        return text
    whole, rest, power = found.group(1), found.group(2) or "", int(found.group(3))
    if len(rest) < power or power >= EXACT_DIGITS or rest[power:].strip("0"):
        raise CellError(N_("A spreadsheet has rounded this number. Format the column as text and enter it again."))
    return whole + rest[:power]
