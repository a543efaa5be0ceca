"""How much room the words of a voucher take on its sheet of A6, so that nothing of them is cut off or covered.

Heights and widths are millimetres, sizes of type points. The figures are those of `pdf/voucher.css`.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct

Setting = Literal["airy", "roomy", "compact", "dense", "overleaf"]

MOST_STORES = 40
"""Overleaf; a chain has hundreds, and a voucher is no directory."""
_FOOT = 138.0
"""How far down the small print may reach."""
_PASS = 39.5
"""The QR code with the air around it."""
_WIDE, _COLUMN, _INDENT = 89.0, 42.0, 2.0
_SUMMARY, _SUMMARY_LEADING, _SUMMARY_LINES = 8.5, 1.4, 2
_HEAD, _APART = 3.3, 0.7
_FEWEST_STORES = 3
_POINT = 25.4 / 72
_SLACK = 1.03
"""What lines lose to punctuation that may not begin one."""
_UNITS = re.compile(r"\s+|[!-\u2e7f]+|.")
"""What stays together at the end of a line: a word of letters, or a single Chinese character."""


class _Type(Struct, frozen=True):
    """Sizes of one setting: the air above and below the name, name and small print with their leading."""

    air: float
    name: float
    print: float
    leading: float
    name_leading: float = 1.25
    name_lines: int = 5

    def takes(self, name: str) -> bool:
        """Whether the name stands there in full."""
        return count_lines(name, self.name, _WIDE) <= self.name_lines

    def lines(self, text: str, width: float) -> int:
        return count_lines(text, self.print, width)

    def room(self, name: str, summary: str) -> float:
        """What is left for small print."""
        name_height = count_lines(name, self.name, _WIDE) * self.name * self.name_leading * _POINT
        return _FOOT - self.air - name_height - _summary_height(summary) - _PASS - _HEAD - self.height(1)

    def height(self, lines: int) -> float:
        return lines * self.print * self.leading * _POINT

    def heights(self, rows: Iterable[int]) -> float:
        """Of rows with so many lines each."""
        return sum(self.height(lines) + _APART for lines in rows)


# The cover gives way first, then the type.
_WHOLE: dict[Setting, _Type] = {
    # A name is set as large as this only where that costs it no line.
    "airy": _Type(air=53.0, name=20, print=7.5, leading=1.45, name_lines=1),
    "roomy": _Type(air=51.0, name=17, print=6.75, leading=1.42),
    "compact": _Type(air=39.5, name=14, print=6.75, leading=1.42),
}
_DENSE = _Type(air=39.5, name=14, print=6.25, leading=1.36)


def choose_setting(
    name: str, summary: str, rules: Sequence[str], stores: Sequence[tuple[str, str]]
) -> tuple[Setting, int]:
    """The largest setting that holds it all, and how many stores stand there; a store is its name and its address."""
    if count_lines(summary, _SUMMARY, _WIDE) > _SUMMARY_LINES:
        return "overleaf", min(len(stores), MOST_STORES)
    for setting, kind in _WHOLE.items():
        if kind.takes(name) and _fitting_stores(kind, name, summary, rules, stores) == len(stores):
            return setting, len(stores)
    if _DENSE.takes(name):
        shown = _fitting_stores(_DENSE, name, summary, rules, stores)
        if shown >= min(_FEWEST_STORES, len(stores)):
            return "dense", shown
    return "overleaf", min(len(stores), MOST_STORES)


def width_of(text: str) -> float:
    """The width of a text in ems of the font: of letters about as much as they have, never much less."""
    return sum(map(_width_of, text))


def count_lines(text: str, size: float, width: float) -> int:
    """The lines that a text takes: words stay together unless they are longer than a line."""
    room = width / (size * _POINT) / _SLACK
    lines, used = (1 if text else 0), 0.0
    for unit in _UNITS.findall(text):
        wide = width_of(unit)
        if used + wide <= room or unit.isspace():
            used += wide
        else:
            broken, rest = divmod(wide, room)
            lines += int(broken) + (1 if used else 0)
            used = rest
    return lines


_NARROW = frozenset("!'(),-./:;I[\\]`fijlrt{|} ")
_BROAD = frozenset("%&@MWmw")


def _width_of(character: str) -> float:
    if unicodedata.east_asian_width(character) in "WF":
        return 1.0
    if character in _NARROW:
        return 0.32
    if character in _BROAD:
        return 0.9
    if unicodedata.category(character) == "Mn":
        return 0.0
    return 0.68 if character.isupper() else 0.57


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


def _summary_height(summary: str) -> float:
    return count_lines(summary, _SUMMARY, _WIDE) * _SUMMARY * _SUMMARY_LEADING * _POINT + (0.8 if summary else 0)
