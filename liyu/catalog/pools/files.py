"""Codes from a workbook or a text file: one column, or the columns of card number and password together."""

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from psycopg import AsyncConnection

from liyu.catalog.pools.imports import SEALING, CodeStatus, Fault, GivenCode
from liyu.core.i18n import N_
from liyu.core.sealing import unseal
from liyu.core.spreadsheets import FAULT_HEADINGS, Rows, rows_as_csv
from liyu.members.imports.files import OpenFile, Row, open_file, refuse

MOST_CODES = 200_000
"""In one import, so that its memory is bounded."""

_HEADINGS = {
    "code": ("code", "codes", "voucher code", "card", "card number", "券码", "兑换码", "卡号", "激活码", "卡券码"),
    "password": ("password", "pin", "secret", "卡密", "密码", "密钥"),
}
_ROUNDED = re.compile(r"\d(\.\d+)?e\+\d+", re.IGNORECASE)
"""A long number that a spreadsheet kept as a number: its last digits are lost."""

ROWS_AT_ONCE = 2_000

_FAULTS = """
    SELECT f.row, f.status, f.fault, f.secret FROM pool_import_fault f
    WHERE f.import_id = %s AND f.row > %s ORDER BY f.row LIMIT %s"""

Describe = Callable[[CodeStatus, Fault | None], list[str]]
"""Why a row was not added, in the words of both languages."""


def read_codes(path: Path) -> list[GivenCode]:
    """The codes of a file; a file of one column needs no heading. Raises FileUnreadableError."""
    file = open_file(path, find_heading)
    known = [place for place, heading in enumerate(file.header) if find_heading(heading)]
    if known:
        return _take(file, known)
    if len(file.header) > 1:
        raise refuse(N_("None of the columns is called “code” or “券码”, and there is more than one."))
    first = GivenCode(1, file.header[0], _fault_of(file.header))
    return [first, *_take(file, [0])]


def find_heading(heading: str) -> str | None:
    """The column that a heading means."""
    name = " ".join(heading.lower().replace("_", " ").split())
    return next((code for code, names in _HEADINGS.items() if name in names), None)


def fault_rows(
    connection: AsyncConnection[Any], import_id: int, describe: Describe, *, secret_key: str
) -> AsyncIterator[bytes]:
    """The rows of an import that were not added as CSV, piece by piece: to be mended and sent again."""

    async def pages() -> AsyncIterator[Rows]:
        after = 0
        while rows := await (await connection.execute(_FAULTS, (import_id, after, ROWS_AT_ONCE))).fetchall():
            yield [
                [str(row), *describe(status, fault), unseal(secret_key, SEALING, bytes(secret))]
                for row, status, fault, secret in rows
            ]
            after = rows[-1][0]

    return rows_as_csv((*FAULT_HEADINGS, "code"), pages())


def _take(file: OpenFile, places: list[int]) -> list[GivenCode]:
    codes = []
    for row in file.rows:
        codes.append(_code_of(row, places, is_only_column=len(file.header) == 1))
        if len(codes) > MOST_CODES:
            raise refuse(N_("The file has more than %(most)s codes. Split it."), most=MOST_CODES)
    return codes


def _code_of(row: Row, places: list[int], *, is_only_column: bool) -> GivenCode:
    number, cells = row
    if is_only_column and any(cells[1:]):
        return GivenCode(number, ",".join(cells), "columns")
    taken = [cells[place] for place in places if place < len(cells)]
    return GivenCode(number, " ".join(cell for cell in taken if cell), _fault_of(taken))


def _fault_of(cells: list[str]) -> Fault | None:
    return "number" if any(_ROUNDED.fullmatch(cell) for cell in cells) else None
