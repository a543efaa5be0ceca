"""What spreadsheets and old systems do to files: encodings, rounded numbers, serial dates, marks and empty lines."""

from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from liyu.members.imports.cells import CellError, read_day, read_id, read_number, read_phone
from liyu.members.imports.errors import FileUnreadableError
from liyu.members.imports.files import open_file
from liyu.members.imports.queries import list_rows, load_import
from tests.members.imports.importing import Importer, table, workbook

CHINESE = "会员号,手机号,姓名,期初积分\nA-1,13800000001,张伟,100\n\n，\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("13800138000", "+8613800138000"), ("+86 138-0013-8000", "+8613800138000"), ("１３８００１３８０００", "+8613800138000"),
        ("1.3800138000E+10", "+8613800138000"), ("8613800138000", "+8613800138000"), ("+44 20 7946 0958", "+442079460958"),
        ("13800138000.0", "+8613800138000"), ("0086 138 0013 8000", "+8613800138000"),
    ],
)  # fmt: skip
def test_phone_numbers_are_read_as_people_write_them(text: str, expected: str) -> None:
    assert read_phone(text) == expected


@pytest.mark.parametrize("text", ["1.38E+10", "1.38001E+10", "0138", "12345", "6.2220210000000000e+18"])
def test_phone_numbers_that_lost_digits_are_refused(text: str) -> None:
    with pytest.raises(CellError):
        read_phone(text)


def test_card_numbers_beyond_what_a_spreadsheet_keeps_are_refused_and_zeros_in_front_stay() -> None:
    assert read_id("000123") == "000123"
    assert read_id("622202100000000001") == "622202100000000001"
    with pytest.raises(CellError):
        read_id("6.22202100000000e+17")


@pytest.mark.parametrize(
    "text", ["2026-11-22", "2026/11/22", "2026.11.22", "20261122", "2026年11月22日", "46348", "2026-11-22 00:00:00"]
)
def test_days_are_read_as_people_and_spreadsheets_write_them(text: str) -> None:
    assert read_day(text) == date(2026, 11, 22)


@pytest.mark.parametrize("text", ["22/11/2026", "2026-02-30", "soon", "1234567", "1899-01-01"])
def test_days_that_could_be_two_or_none_are_refused(text: str) -> None:
    with pytest.raises(CellError):
        read_day(text)


@pytest.mark.parametrize(("text", "expected"), [("1,280", 1280), ("１２８０", 1280), ("1280.00", 1280), ("0", 0)])
def test_figures_are_whole_numbers(text: str, expected: int) -> None:
    assert read_number(text) == expected


@pytest.mark.parametrize("text", ["12.5", "-3", "1.28E+3", "1e99", "x", "9" * 40])
def test_figures_that_are_no_points_are_refused(text: str) -> None:
    with pytest.raises(CellError):
        read_number(text)


@pytest.mark.parametrize(
    ("encoding", "found"),
    [("utf-8", "utf-8-sig"), ("utf-8-sig", "utf-8-sig"), ("gb18030", "gb18030"), ("utf-16", "utf-16")],
)
def test_encodings_are_found_and_gb18030_is_said(tmp_path: Path, encoding: str, found: str) -> None:
    path = tmp_path / "members.csv"
    path.write_bytes(CHINESE.encode(encoding))
    file = open_file(path)
    assert (file.encoding, file.header, (file.note is not None)) == (
        found, ["会员号", "手机号", "姓名", "期初积分"], encoding == "gb18030",
    )  # fmt: skip
    assert list(file.rows) == [(2, ["A-1", "13800000001", "张伟", "100"]), (4, ["，"])]


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators_are_found(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "members.csv"
    path.write_text(CHINESE.replace(",", separator), encoding="utf-8")
    assert next(open_file(path).rows)[1] == ["A-1", "13800000001", "张伟", "100"]


@pytest.mark.parametrize(
    "content",
    [b"", b"\n\n", b"PK\x03\x04 broken", b"\xd0\xcf\x11\xe0 broken", b"id\n\xff\xff\xff", b"phone,what\n1,2\n", b"phone,phone\n",
     b"name\nx\n", b"phone,name\n", b'phone\n"1\n'],
)  # fmt: skip
async def test_files_that_cannot_be_read_say_why_and_stay_without_rows(importer: Importer, content: bytes) -> None:
    with pytest.raises(FileUnreadableError) as refusal:
        await importer.compare(content)
    found = await load_import(importer.world.connection, 1)
    assert (found.state, found.rows, len(found.notes)) == ("refused", 0, len(refusal.value.reasons))
    assert found.notes


async def test_a_workbook_as_people_save_it(importer: Importer, tmp_path: Path) -> None:
    rows: list[list[Any]] = [
        [],
        ["会员号 *", "手机号", "姓名", "生日", "期初积分", "积分有效期至"],
        [10086.0, 13800000001.0, "林岚\u200b", datetime(1990, 5, 17), 1280.0, 46387.0],  # noqa: DTZ001
        [],
        ["'00042", "'13800000002", " 周宁 ", "19880101", "1,000", "永久"],
        [6222021000000000123.0, 1.38e10, "大数", "", 5, ""],
    ]
    found = await importer.bring(workbook(rows, tmp_path / "members.xlsx"))
    assert (found.encoding, found.counts, found.totals.opened) == ("xlsx", {"new": 2, "faulty": 1}, 2_280)
    lan, zhou = await importer.member("10086"), await importer.member("00042")
    assert (lan["phone"], lan["name"], lan["birthday"]) == ("+8613800000001", "林岚", "1990-05-17")
    assert (zhou["phone"], zhou["name"], zhou["birthday"]) == ("+8613800000002", "周宁", "1988-01-01")
    assert await importer.world.lots("10086") == {date(2026, 12, 31): 1_280}
    assert set(await importer.faults(found.id)) == {6}


async def test_the_phone_alone_is_a_key(importer: Importer) -> None:
    file = table(["13800000001", "林岚", "5"], header="手机号,姓名,积分余额")
    found = await importer.bring(file)
    assert (found.counts, found.totals.opened) == ({"new": 1}, 5)
    again = await importer.compare(file)
    assert again.counts == {"unchanged": 1}
    (row,) = (await list_rows(importer.world.connection, again.id)).rows
    assert row.member is not None
    assert row.member.startswith("M")
