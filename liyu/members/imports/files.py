"""Opening a file: workbook or text, in which encoding, with which separator. Rows come one by one as texts."""

import codecs
import csv
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date, datetime
from pathlib import Path
from typing import Any

from msgspec import Struct
from python_calamine import CalamineError, CalamineWorkbook

from liyu.core.errors import Reason
from liyu.core.i18n import N_, Message
from liyu.members.imports.cells import tidy
from liyu.members.imports.columns import find_column
from liyu.members.imports.errors import FileUnreadableError

LARGEST_UNPACKED = 1_000_000_000
LARGEST_EXACT = 10**15
HEADER_WITHIN = 10
"""The header is the first row with something in it, and stands among the first rows."""

_WORKBOOKS = {b"PK\x03\x04": "xlsx", b"\xd0\xcf\x11\xe0": "xls"}
_SEPARATORS = (",", ";", "\t")
_PIECE = 1 << 20

FindColumn = Callable[[str], str | None]
"""The code of the column that a heading means; None when nobody knows it."""

Row = tuple[int, list[str]]
"""Its number as spreadsheets count, and its cells."""


class OpenFile(Struct):
    """A file whose header was read; `rows` gives the rows below it that are not empty."""

    encoding: str
    header: list[str]
    rows: Iterator[Row]
    note: Message | None = None
    """What is to be said of how it was read."""


def open_file(path: Path, find: FindColumn = find_column) -> OpenFile:
    """Open a workbook (its first sheet with a known column) or a text with separators. Raises FileUnreadableError."""
    with path.open("rb") as file:
        beginning = file.read(4)
    if beginning in _WORKBOOKS:
        return _with_header(_WORKBOOKS[beginning], _read_sheet(path, _WORKBOOKS[beginning], find))
    encoding, note = _detect_encoding(path, beginning)
    return _with_header(encoding, _read_text(path, encoding), note)


def refuse(text: str, **values: Any) -> FileUnreadableError:
    """The refusal of a file with its reason."""
    return FileUnreadableError(reasons=[Reason("file", Message(text, values))])


def _with_header(encoding: str, rows: Iterator[Row], note: Message | None = None) -> OpenFile:
    filled = ((number, cells) for number, cells in rows if any(cells))
    number, header = next(filled, (0, []))
    if not header or number > HEADER_WITHIN:
        raise refuse(N_("The file has no header row."))
    while header and not header[-1]:
        header.pop()
    return OpenFile(encoding, header, filled, note)


def _read_sheet(path: Path, kind: str, find: FindColumn) -> Iterator[Row]:
    try:
        if kind == "xlsx":
            _refuse_bomb(path)
        with closing(CalamineWorkbook.from_path(str(path))) as book:
            sheet = _choose_sheet(book, find)
            for number, cells in enumerate(sheet.iter_rows(), 1):
                yield number, [_text_of(cell) for cell in cells]
    except (CalamineError, zipfile.BadZipFile, OSError) as fault:
        raise refuse(N_("The workbook cannot be opened. Is it protected by a password, or damaged?")) from fault


def _refuse_bomb(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        if sum(part.file_size for part in archive.infolist()) > LARGEST_UNPACKED:
            raise refuse(N_("The workbook is too large. Split it, or save it as CSV."))


def _choose_sheet(book: CalamineWorkbook, find: FindColumn) -> Any:
    sheets = [book.get_sheet_by_index(index) for index in range(len(book.sheet_names))]
    filled = [sheet for sheet in sheets if sheet.total_height]
    for sheet in filled:
        for cells, _ in zip(sheet.iter_rows(), range(HEADER_WITHIN), strict=False):
            if any(find(_text_of(cell)) for cell in cells):
                return sheet
    if not filled:
        raise refuse(N_("The workbook is empty."))
    return filled[0]


def _text_of(cell: Any) -> str:
    """A cell as text; numbers without the fraction that spreadsheets add, days as days."""
    match cell:
        case str():
            return tidy(cell)
        case bool():
            return str(cell)
        case float() if cell.is_integer() and abs(cell) < LARGEST_EXACT:
            return str(int(cell))
        case datetime() | date():
            return cell.isoformat()[:10]
        case None:
            return ""
        case _:
            return str(cell)


def _detect_encoding(path: Path, beginning: bytes) -> tuple[str, Message | None]:
    if beginning.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        _decode(path, "utf-16")
        return "utf-16", None
    if _decode(path, "utf-8-sig") is None:
        return "utf-8-sig", None
    fault = _decode(path, "gb18030")
    if fault is not None:
        raise refuse(
            N_("The text is neither UTF-8 nor GB18030 (byte %(position)s). Save it as “CSV UTF-8”."), position=fault
        )
    return "gb18030", Message(
        N_(
            "Read as GB18030, the encoding of Chinese Windows, because it is not UTF-8. Look at a few names before you import."
        )
    )


def _decode(path: Path, encoding: str) -> int | None:
    """Read a file through in an encoding: the place of the first byte that does not fit, None when all do."""
    decoder = codecs.getincrementaldecoder(encoding)()
    position = 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            try:
                decoder.decode(piece)
            except UnicodeDecodeError as fault:
                return position + fault.start
            position += len(piece)
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return position
    return None


def _read_text(path: Path, encoding: str) -> Iterator[Row]:
    with path.open(encoding=encoding, newline="") as file:
        first = next((line for line in file if line.strip()), "")
        file.seek(0)
        separator = max(_SEPARATORS, key=first.count)
        try:
            for number, cells in enumerate(csv.reader(file, delimiter=separator, strict=True), 1):
                yield number, [tidy(cell) for cell in cells]
        except csv.Error as fault:
            raise refuse(N_("The file is not CSV: %(fault)s."), fault=str(fault)) from fault
