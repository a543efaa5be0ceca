"""How much room the words of a voucher take on its sheet of A6, so that nothing of them is cut off or covered.

Heights and widths are millimetres, sizes of type points. The figures are those of `pdf/voucher.css`.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct

Setting = Literal["roomy", "dense", "overleaf"]

_FOOT = 138.0
"""How far down the small print may reach."""
_PASS = 39.5
"""The QR code with the air around it."""
_WIDE, _COLUMN, _INDENT = 89.0, 42.0, 2.0
_SUMMARY, _SUMMARY_LEADING, _SUMMARY_LINES = 8.5, 1.4, 2
_HEAD, _APART = 3.3, 0.7
_NAME_LINES = 5
_FEWEST_STORES = 3
_POINT = 25.4 / 72
_SLACK = 1.06
"""What lines lose where a word does not fit any more."""


class _Type(Struct, frozen=True):
    """Sizes of one setting: the air above and below the name, name and small print with their leading."""

    air: float
    name: float
    name_leading: float
    print: float
    leading: float

    def lines(self, text: str, width: float) -> int:
        return _lines(text, self.print, width)

    def room(self, name: str, summary: str) -> float:
        """What is left for small print."""
        name_height = _lines(name, self.name, _WIDE) * self.name * self.name_leading * _POINT
        return _FOOT - self.air - name_height - _summary_height(summary) - _PASS - _HEAD - self.height(1)

    def height(self, lines: int) -> float:
        return lines * self.print * self.leading * _POINT

    def heights(self, rows: Iterable[int]) -> float:
        """Of rows with so many lines each."""
        return sum(self.height(lines) + _APART for lines in rows)


_ROOMY = _Type(air=51.0, name=17, name_leading=1.25, print=6.75, leading=1.42)
_DENSE = _Type(air=39.5, name=14, name_leading=1.25, print=6.25, leading=1.36)


def choose_setting(
    name: str, summary: str, rules: Sequence[str], stores: Sequence[tuple[str, str]]
) -> tuple[Setting, int]:
    """The largest setting that holds it all, and how many stores stand there; a store is its name and its address."""
    if _lines(name, _DENSE.name, _WIDE) > _NAME_LINES or _lines(summary, _SUMMARY, _WIDE) > _SUMMARY_LINES:
        return "overleaf", len(stores)
    if _fitting_stores(_ROOMY, name, summary, rules, stores) == len(stores):
        return "roomy", len(stores)
    shown = _fitting_stores(_DENSE, name, summary, rules, stores)
    if shown >= min(_FEWEST_STORES, len(stores)):
        return "dense", shown
    return "overleaf", len(stores)


def width_of(text: str) -> int:
    """The width of a text in Latin letters; a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _fitting_stores(
    kind: _Type, name: str, summary: str, rules: Sequence[str], stores: Sequence[tuple[str, str]]
) -> int:
    """How many stores fit beside the rules; -1 when the rules alone do not."""
    room = kind.room(name, summary)
    width = _COLUMN if rules and stores else _WIDE
    if kind.heights(kind.lines(rule, width - _INDENT) for rule in rules) > room:
        return -1
    rows = [kind.lines(store, width) + kind.lines(address, width) for store, address in stores]
    if kind.heights(rows) <= room:
        return len(stores)
    # One more row says how many are left out.
    return max((count for count in range(len(rows)) if kind.heights([*rows[:count], 1]) <= room), default=-1)


def _lines(text: str, size: float, width: float) -> int:
    return -int(-width_of(text) * _SLACK * size * _POINT / 2 // width)


def _summary_height(summary: str) -> float:
    return _lines(summary, _SUMMARY, _WIDE) * _SUMMARY * _SUMMARY_LEADING * _POINT + (0.8 if summary else 0)
