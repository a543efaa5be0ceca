"""Items from a CSV file: every fault of every row is found first, then all of it is published, or none."""

import csv
import re
import unicodedata
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from msgspec import UNSET, UnsetType
from psycopg import AsyncConnection

from liyu.catalog.errors import FileFaultyError, RowFault
from liyu.catalog.models import COUPON_FORMS, COUPON_PURPOSES, ITEM_KINDS
from liyu.catalog.plan import plan_publication
from liyu.catalog.publish import write_publication
from liyu.catalog.records import ImportResult, ItemRecord
from liyu.core.i18n import N_, Message

COLUMNS = (
    "sku", "kind", "name_zh", "name_en", "points", "cash_minor", "stock", "per_member_limit", "tier",
    "on_sale_from", "on_sale_to", "partner", "scene", "summary_zh", "summary_en", "value_minor", "visible_from", "visible_to",
    "per_order_limit", "per_day_limit", "per_person_limit", "tier_prices", "tags", "cities", "variant_of", "variant_zh",
    "variant_en", "coupon_purpose", "coupon_form", "coupon_threshold_minor", "coupon_benefit", "ships_days", "ships_not_to",
    "cancel_hours", "return_days", "stores",
)  # fmt: skip
REQUIRED = ("sku", "kind", "name_zh", "points")
HEADER_ROW = 1
LARGEST_NUMBER = 10**12
LONGEST_SKU = 64
LONGEST_NAME = 200
LONGEST_SCENE = 40
FIRST_YEAR, LAST_YEAR = 1990, 2200

_SKU = re.compile(r"[A-Za-z0-9._-]+")

Value = TypeVar("Value")


async def import_items(
    connection: AsyncConnection[Any], rows: Iterable[dict[str, str]], *, actor: str, now: datetime, zone: ZoneInfo
) -> ImportResult:
    """Publish the items of a file at once; a known number is changed in place, the same file again changes nothing.

    A column that the file lacks leaves items as they are; an empty cell takes the default (no limit, unlimited stock,
    no tier). `stock` is the total ever offered. Times without a zone are in `zone`; a date alone begins the sale with
    that day, or ends it when that day is over. A limited item with an opening is a drop.
    Raises FileFaultyError with every fault of every row; nothing has changed then.
    """
    table = list(rows)
    faults = check_header(table)
    if faults:
        raise FileFaultyError(faults)
    records, faults = read_records(enumerate(table, HEADER_ROW + 1), zone)
    async with connection.transaction():
        plan = await plan_publication(connection, records, now, zone)
        if faults or plan.faults:
            raise FileFaultyError(faults + plan.faults)
        return await write_publication(connection, plan, actor=actor, now=now, reason="imported")


def read_records(rows: Iterable[tuple[int, dict[str, str]]], zone: ZoneInfo) -> tuple[list[ItemRecord], list[RowFault]]:
    """The records of numbered rows, empty ones left out, and every fault in a cell; doubled numbers are faults as well."""
    readers = [_RowReader(number, cells, zone) for number, cells in rows if any(cells.values())]
    records = [reader.read() for reader in readers]
    return records, [fault for reader in readers for fault in reader.faults] + find_doubled(records)


def read_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file in UTF-8, with or without a byte order mark, the columns in any order.

    Raises FileFaultyError when the file cannot be read as such.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = list(csv.reader(file, strict=True))
    except UnicodeDecodeError as fault:
        raise FileFaultyError(
            [RowFault(HEADER_ROW, "", Message(N_("The file is not UTF-8 text. Save it as “CSV UTF-8”.")))]
        ) from fault
    except csv.Error as fault:
        raise FileFaultyError(
            [RowFault(HEADER_ROW, "", Message(N_("The file is not CSV: %(fault)s."), {"fault": str(fault)}))]
        ) from fault
    header = [name.strip() for name in lines[0]] if lines else []
    faults = [
        RowFault(HEADER_ROW, name, Message(N_("The column stands there twice.")))
        for name in dict.fromkeys(header)
        if header.count(name) > 1
    ]
    faults += [
        RowFault(
            number,
            "",
            Message(
                N_("The row has %(cells)s cells, the header %(columns)s."), {"cells": len(line), "columns": len(header)}
            ),
        )
        for number, line in enumerate(lines[1:], HEADER_ROW + 1)
        if len(line) > len(header) and any(line)
    ]
    missing = [name for name in REQUIRED if name not in header]
    faults += [RowFault(HEADER_ROW, name, Message(N_("The column is missing."))) for name in missing]
    if faults:
        raise FileFaultyError(faults)
    return [dict(zip(header, line + [""] * (len(header) - len(line)), strict=False)) for line in lines[1:]]


def check_header(rows: list[dict[str, str]]) -> list[RowFault]:
    """What is wrong with the columns: needed ones that are missing, and ones that nobody knows."""
    if not rows:
        return []
    given = list(rows[0])
    known = Message(N_("Unknown column; known are %(known)s."), {"known": ", ".join(COLUMNS)})
    faults = [RowFault(HEADER_ROW, name, known) for name in given if name not in COLUMNS]
    return faults + [
        RowFault(HEADER_ROW, name, Message(N_("The column is missing."))) for name in REQUIRED if name not in given
    ]


def find_doubled(records: list[ItemRecord]) -> list[RowFault]:
    """Numbers that stand in the file more than once; the later rows are at fault."""
    first: dict[str, int] = {}
    faults = []
    for record in records:
        if record.sku and first.setdefault(record.sku, record.row) != record.row:
            message = Message(N_("Stands in row %(row)s already."), {"row": first[record.sku]})
            faults.append(RowFault(record.row, "sku", message))
    return faults


class _RowReader:
    """Reads one row; what is faulty is noted and stays unset, so that the rest of the row is checked all the same."""

    def __init__(self, row: int, cells: dict[str, str], zone: ZoneInfo) -> None:
        self.row = row
        self.cells = {name: (text or "").strip() for name, text in cells.items()}
        self.zone = zone
        self.faults: list[RowFault] = []

    def read(self) -> ItemRecord:
        sku = self._take("sku", _read_sku)
        stock = self._take_or("stock", _read_number, None)
        opens = self._take_or("on_sale_from", lambda text: _read_instant(text, self.zone), None)
        closes = self._take_or("on_sale_to", lambda text: _read_instant(text, self.zone, end_of_day=True), None)
        return ItemRecord(
            row=self.row,
            sku="" if sku is UNSET else sku,
            kind=self._take("kind", _read_kind),
            name_zh=self._take("name_zh", _read_name),
            name_en=self._take_or("name_en", _read_name, ""),
            points=self._take("points", _read_number),
            cash_minor=self._take_or("cash_minor", _read_number, 0),
            stock=stock,
            is_drop=UNSET if UNSET in (stock, opens) else stock is not None and opens is not None,
            per_member_limit=self._take_or("per_member_limit", _read_limit, None),
            tier=self._take_or("tier", str, None),
            on_sale_from=opens,
            on_sale_to=closes,
            partner=self._take_or("partner", str, None),
            scene=self._take_or("scene", _read_scene, UNSET),
            **{name: self._take_or(name, read, default) for name, (read, default) in _FURTHER.items()},
            visible_from=self._take_or("visible_from", lambda text: _read_instant(text, self.zone), None),
            visible_to=self._take_or("visible_to", lambda text: _read_instant(text, self.zone, end_of_day=True), None),
        )

    def _take(self, column: str, read: Callable[[str], Value]) -> Value | UnsetType:
        if not self.cells.get(column):
            self._note(column, Message(N_("Is missing.")))
            return UNSET
        return self._try(column, read)

    def _take_or(self, column: str, read: Callable[[str], Value], default: Any) -> Any:
        if column not in self.cells:
            return UNSET
        return self._try(column, read) if self.cells[column] else default

    def _try(self, column: str, read: Callable[[str], Value]) -> Value | UnsetType:
        try:
            return read(self.cells[column])
        except _CellError as fault:
            self._note(column, fault.message)
            return UNSET

    def _note(self, column: str, message: Message) -> None:
        self.faults.append(RowFault(self.row, column, message))


class _CellError(Exception):
    def __init__(self, text: str, **values: Any) -> None:
        self.message = Message(text, values)
        super().__init__(text)


def _read_sku(text: str) -> str:
    if len(text) > LONGEST_SKU:
        raise _CellError(N_("Is longer than %(most)s characters."), most=LONGEST_SKU)
    if not _SKU.fullmatch(text):
        raise _CellError(N_("May only have letters A to Z, digits, dots, hyphens and underscores."))
    return text


def _read_kind(text: str) -> str:
    if text not in ITEM_KINDS:
        raise _CellError(N_("Unknown kind; known are %(known)s."), known=", ".join(ITEM_KINDS))
    return text


def _read_name(text: str) -> str:
    return _read_text(text, LONGEST_NAME)


def _read_scene(text: str) -> str:
    return _read_text(text, LONGEST_SCENE)


def _read_text(text: str, longest: int) -> str:
    if len(text) > longest:
        raise _CellError(N_("Is longer than %(most)s characters."), most=longest)
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        raise _CellError(N_("Has characters that cannot be shown."))
    return text


def _read_number(text: str) -> int:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        raise _CellError(N_("Must be a whole number in digits."))
    if text.startswith("-") and digits.strip("0"):
        raise _CellError(N_("Must not be negative."))
    # The length first: Python refuses to convert endless digits.
    if len(digits.lstrip("0")) > len(str(LARGEST_NUMBER)) or int(digits) > LARGEST_NUMBER:
        raise _CellError(N_("Must be at most %(most)s."), most=LARGEST_NUMBER)
    return int(digits)


def _read_limit(text: str) -> int:
    limit = _read_number(text)
    if limit == 0:
        raise _CellError(N_("Must be at least 1."))
    return limit


def _read_instant(text: str, zone: ZoneInfo, *, end_of_day: bool = False) -> datetime:
    try:
        instant = _parse_instant(text, zone, end_of_day=end_of_day)
    except (ValueError, OverflowError):
        instant = None
    if instant is None or not FIRST_YEAR <= instant.year <= LAST_YEAR:
        raise _CellError(N_("Must be a date or a time such as 2026-11-22 or 2026-11-22T10:00:00+08:00."))
    return instant


def _parse_instant(text: str, zone: ZoneInfo, *, end_of_day: bool) -> datetime:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        instant = datetime.fromisoformat(text)
        return instant if instant.tzinfo else instant.replace(tzinfo=zone)
    return datetime.combine(day + timedelta(days=1) if end_of_day else day, time.min, zone)


def _read_list(text: str) -> list[str]:
    return [name for part in re.split(r"[;；,，、|]", text) if (name := _read_name(part.strip()))]


def _read_prices(text: str) -> dict[str, int]:
    """`gold:900; platinum:800`"""
    prices = {}
    for part in _read_list(text):
        tier, colon, points = part.replace("：", ":").partition(":")
        if not colon:
            raise _CellError(N_("Must be tiers with their points, such as gold:900; platinum:800."))
        prices[tier.strip()] = _read_number(points.strip())
    return prices


def _one_of(names: Iterable[str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in names:
            raise _CellError(N_("Unknown value; known are %(known)s."), known=", ".join(names))
        return text

    return read


_FURTHER: dict[str, tuple[Callable[[str], Any], Any]] = {
    "summary_zh": (_read_name, ""),
    "summary_en": (_read_name, ""),
    "value_minor": (_read_number, 0),
    "per_order_limit": (_read_limit, None),
    "per_day_limit": (_read_limit, None),
    "per_person_limit": (_read_limit, None),
    "tier_prices": (_read_prices, None),
    "tags": (_read_list, None),
    "cities": (_read_list, None),
    "variant_of": (_read_sku, None),
    "variant_zh": (_read_name, None),
    "variant_en": (_read_name, None),
    "coupon_purpose": (_one_of(COUPON_PURPOSES), None),
    "coupon_form": (_one_of(COUPON_FORMS), None),
    "coupon_threshold_minor": (_read_number, None),
    "coupon_benefit": (_read_limit, None),
    "ships_days": (_read_limit, None),
    "ships_not_to": (_read_list, None),
    "cancel_hours": (_read_number, None),
    "return_days": (_read_number, None),
    "stores": (_read_list, None),
}
"""Columns that are read alike: how, and what an empty cell means."""
