"""Printed vouchers: nothing cut off or blank, the same bytes each time, and no way out of the maker's process."""

import asyncio
import io
import os
import re
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import segno
from fontTools.ttLib import TTFont
from pikepdf import Pdf
from PIL import Image
from pypdfium2 import PdfDocument

import liyu.web
from liyu.vouchers import pdf
from liyu.vouchers.document import VoucherDocument, voucher_document
from liyu.vouchers.facts import StoreFacts, VoucherFacts
from liyu.vouchers.paper_room import MOST_STORES, choose_setting, count_lines
from liyu.vouchers.pdf import MISSING_HAN, PdfMaker, PdfTooLargeError, PdfTooSlowError, find_static_file
from liyu.vouchers.sheets import Sheet
from liyu.web.formats import format_day
from liyu.web.i18n import load_catalogs, use_locale
from liyu.web.pages import make_environment
from liyu.web.paper import places_of, vouchers_to_sheets
from tests.vouchers.tills import TOKENS
from tests.world import NOW, ZONE

STORES = [StoreFacts(n, f"S{n}", f"南京西路{n}店", f"Nanjing Road {n}", "上海", "Shanghai", "南京西路 1 号", "1 Nanjing Road", "") for n in range(6)]  # fmt: skip # noqa: E501


def facts(**changes: Any) -> VoucherFacts:
    known: dict[str, Any] = {
        "id": 7, "redemption_id": 1, "redemption_number": "R40739528166490", "member_id": 1, "member_name": "李雷",
        "member_state": "active", "member_locale": None, "item_id": 3, "sku": "CUP", "kind": "partner_right",
        "scene": "coffee", "item_zh": "标准杯饮品一杯", "item_en": "", "summary_zh": "任选", "summary_en": "Any cup",
        "rules_zh": ["到店出示", "当面核销"], "rules_en": ["Show it at the till"], "value_minor": 0, "partner_id": 1,
        "partner_code": "LUCK", "partner_zh": "瑞幸", "partner_en": "Luckin", "partner_phone": "400-555-0101",
        "agreement_line_id": None, "state": "issued", "uses": 0, "uses_allowed": 2, "issued_at": NOW, "expires_at": NOW,
    }  # fmt: skip
    return VoucherFacts(**known | changes)


def document(locale: str = "zh_CN", stores: Sequence[StoreFacts] = STORES, **changes: Any) -> VoucherDocument:
    return voucher_document(facts(**changes), stores, locale, cover="data:image/svg+xml,")


def sheets(*vouchers: VoucherFacts, locale: str = "zh_CN", stores: Sequence[StoreFacts] = STORES[:3]) -> list[Sheet]:
    load_catalogs()
    use_locale(locale)
    return vouchers_to_sheets(
        make_environment(str), [(one, stores) for one in vouchers], locale,
        tokens=TOKENS, zone=ZONE, program_name="云栖会员", support_phone="",
    )  # fmt: skip


def sheet(locale: str = "zh_CN", **changes: Any) -> Sheet:
    (made,) = sheets(facts(**changes), locale=locale)
    return made


def html(locale: str = "zh_CN", **changes: Any) -> str:
    return sheet(locale, **changes).html


async def print_one(maker: PdfMaker, one: Sheet) -> bytes:
    (made,) = await maker.print_each([one])
    return made


def draw(made: bytes, scale: int = 2) -> np.ndarray[Any, Any]:
    """The first page as a picture in grey."""
    with PdfDocument(made) as opened:
        return np.asarray(opened[0].render(scale=scale).to_pil().convert("L"), dtype=np.int16)


def text_of(made: bytes, page: int = 0) -> str:
    with PdfDocument(made) as opened:
        words: str = opened[page].get_textpage().get_text_bounded()
        return words


def pages(made: bytes) -> int:
    with PdfDocument(made) as opened:
        return len(opened)


def fonts(made: bytes) -> int:
    with Pdf.open(io.BytesIO(made)) as opened:
        return len(list(opened.pages[0].resources.Font.keys()))


@cache
def own_typesetter() -> pdf._Typesetter:
    """One of this process, for what needs no other."""
    return pdf._Typesetter(60)


@pytest.fixture(scope="module")
def maker() -> Iterator[PdfMaker]:
    made = PdfMaker(workers=1, seconds=20)
    yield made
    made.close()


def test_texts_are_in_the_asked_language_and_fall_back_to_chinese() -> None:
    chinese, english = document(), document("en")
    assert (chinese.partner, english.partner) == ("瑞幸", "Luckin")
    assert english.name == "标准杯饮品一杯"
    assert english.rules == ["Show it at the till"]
    assert (len(chinese.stores), chinese.more_stores) == (6, 0)
    assert "有效期至" in html()
    assert "Valid until" in html("en")
    assert "members&#39; lounge" in html("en", item_en="members’ lounge")
    assert document(item_zh="一\n二\u2028三\t四").name == "一 二 三 四"


def test_markup_of_a_partner_stays_text() -> None:
    assert "<script" not in html(item_zh="<script>alert(1)</script>", rules_zh=["<img src=x>"])


def test_much_small_print_gets_room() -> None:
    rule = "到店后请向店员出示本页并说明人数" * 2
    store = ("南京西路店", "南京西路 1266 号  10:00-22:00")
    assert choose_setting("短名", "", [rule], []) == ("airy", 0)
    assert choose_setting("很长的名字" * 4, "", [rule], []) == ("roomy", 0)
    assert choose_setting("短名", "", [rule] * 5, [store]) == ("compact", 1)
    assert choose_setting("短名", "", [], [store] * 30) == ("dense", 6)
    assert choose_setting("短名", "", [rule] * 9, [store] * 500) == ("overleaf", MOST_STORES)
    assert choose_setting("长名" * 60, "", [], []) == ("overleaf", 0)


def test_words_stay_together_on_a_line_unless_they_are_longer() -> None:
    ten_ems = 10 * 10 * 25.4 / 72 * 1.03
    assert count_lines("", 10, ten_ems) == 0
    assert count_lines("字" * 10, 10, ten_ems) == 1
    assert count_lines("字" * 11, 10, ten_ems) == 2
    assert count_lines("字" * 9 + "words", 10, ten_ems) == 2
    assert count_lines("nnnnnnnnnn nnnnnnnnnn", 10, ten_ems) == 2
    assert count_lines("n" * 36, 10, ten_ems) == 3


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("标准杯饮品一杯", "到店后请向店员出示本页，并说明同行人数与到店时间"),
        ("SET MEAL FOR TWO", "SHOW THIS PAGE AT THE COUNTER BEFORE YOU ORDER YOUR MEAL"),
        ("Menu of the day", "Please show this page to the waiter before you order anything"),
        ("下午茶 Afternoon tea", "请提前2小时预约 WWW.EXAMPLE.COM 或致电 400-555-0101 预约"),
    ],
)
def test_small_print_ends_above_the_foot(name: str, rule: str) -> None:
    """As many rules as the reckoning takes, in each of the settings: none of them below 139 mm, and no second page."""
    settings = set()
    for count in range(1, 14):
        laid = document(item_zh=name, rules_zh=[rule] * count, stores=STORES[:2])
        if laid.setting in settings or laid.setting == "overleaf":
            continue
        most = max(
            more for more in range(count, 14)
            if document(item_zh=name, rules_zh=[rule] * more, stores=STORES[:2]).setting == laid.setting
        )  # fmt: skip
        settings.add(laid.setting)
        (full,) = sheets(facts(item_zh=name, rules_zh=[rule] * most), stores=STORES[:2])
        made = own_typesetter().print_all([full])
        assert pages(made) == 1
        assert draw(made)[int(139 * 72 / 25.4 * 2) : int(140 * 72 / 25.4 * 2)].min() > 250, (laid.setting, most)
    assert len(settings) >= 3


def test_what_whoever_has_the_paper_must_do_stands_first() -> None:
    numbered = {"member_id": None, "redemption_number": None, "run_id": 1, "run_number": 7, "run_total": 500}
    for words, foot, changes in (
        ("Staff ask for the PIN", "Copies do not add uses", {"paper_confirmed": True}),
        ("Or add it to your wallet", "A copy cannot be used twice", numbered | {"uses_allowed": 1}),
        ("the paper alone is not taken", "Add this voucher to your wallet", numbered | {"paper_confirmed": True}),
    ):
        made = html("en", **changes)
        assert words in made
        assert made.index(words) < made.index("Show it at the till")
        assert foot in made
    assert "wallet" not in html("en")


def test_a_picture_is_cut_and_not_stretched() -> None:
    drawn = Image.new("RGB", (400, 1600), "white")
    drawn.paste("black", (150, 750, 250, 850))
    content = io.BytesIO()
    drawn.save(content, "JPEG")
    load_catalogs()
    use_locale("en")
    (made,) = vouchers_to_sheets(
        make_environment(str), [(facts(), [])], "en", tokens=TOKENS, zone=ZONE, program_name="", support_phone="",
        pictures={3: content.getvalue()},
    )  # fmt: skip
    # Below the name of the program, above the end of the cover.
    dark = draw(own_typesetter().print_all([made]))[20:230, 100:500] < 128
    high, wide = dark.any(axis=1).sum(), dark.any(axis=0).sum()
    assert wide > 100
    assert abs(int(wide) - int(high)) <= 2


def test_a_name_that_fills_pages_does_so_from_the_first_line() -> None:
    (long,) = sheets(facts(item_zh="长" * 2000))
    assert "长长长" in text_of(own_typesetter().print_all([long]), 1)


@pytest.mark.parametrize("locale", ["zh_CN", "en"])
async def test_what_is_stamped_looks_as_if_it_had_been_set(maker: PdfMaker, locale: str) -> None:
    one = sheet(locale, id=4711, redemption_number="R80926654031177", expires_at=NOW + timedelta(days=250))
    set_in_one = one.html
    for name, place in one.places.items():
        assert set_in_one.count(place) == 1
        set_in_one = set_in_one.replace(place, one.marks.texts[name])
    stamped, typeset = await print_one(maker, one), await maker.render(set_in_one)
    difference = np.abs(draw(stamped) - draw(typeset))
    # The QR code is a pixel in the one and a drawing in the other.
    assert difference[390:560, 50:220].mean() > 50
    difference[370:576, 30:236] = 0
    # A thousandth of an em in the spacing of a glyph may round otherwise; nothing that an eye could see.
    assert difference.max() < 100
    assert (difference > 24).sum() < 200
    assert text_of(stamped) == text_of(typeset)
    assert one.marks.texts["code"] in text_of(stamped)
    assert one.marks.texts["last_day"] in text_of(stamped)


async def test_the_printed_qr_code_is_that_of_the_token(maker: PdfMaker) -> None:
    one = sheet()
    modules = np.array([list(row) for row in segno.make_qr(one.marks.qr, error="m", mask=2).matrix], dtype=bool)
    dark = draw(await print_one(maker, one), scale=6)[1090:1740, 80:720] < 128
    rows, columns = np.flatnonzero(dark.any(axis=1)), np.flatnonzero(dark.any(axis=0))
    code = dark[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    centres = (np.arange(len(modules)) + 0.5) / len(modules)
    seen = code[np.ix_((centres * code.shape[0]).astype(int), (centres * code.shape[1]).astype(int))]
    assert (seen == modules).all()


async def test_the_same_voucher_gives_the_same_bytes_from_every_process(maker: PdfMaker) -> None:
    one, other = sheet(), sheet(id=8)
    assert one.html == other.html
    # The moment is that of issuing, in whatever zone the connection tells it.
    assert sheet(issued_at=NOW.astimezone(ZONE)).marks == one.marks
    first = await print_one(maker, one)
    maker.close()
    assert await maker.print_each([other, one]) == [await print_one(maker, other), first]
    assert pages(first) == 1
    assert fonts(first) == 1
    assert pages(await print_one(maker, sheet(rules_zh=["很长的规则说明" * 30] * 12))) > 1


async def test_many_vouchers_share_a_document_and_its_drawing(maker: PdfMaker) -> None:
    many = sheets(*(facts(id=number) for number in range(1, 7)))
    one_by_one, sheet_by_four = await maker.print_all(many, "a6"), await maker.print_all(many, "a4")
    assert (pages(one_by_one), pages(sheet_by_four)) == (6, 2)
    assert len(one_by_one) < 2 * len(await print_one(maker, many[0]))
    for number, one in enumerate(many):
        assert one.marks.texts["code"] in text_of(one_by_one, number)
        assert one.marks.texts["code"] in text_of(sheet_by_four, number // 4)
    assert sheet_by_four == await maker.print_all(many, "a4")
    merged = await maker.merge([one_by_one, sheet_by_four])
    assert pages(merged) == 8
    assert many[5].marks.texts["code"] in text_of(merged, 5)


def test_every_day_and_number_fits_its_place() -> None:
    for locale in ("zh_CN", "en"):
        for day in range(366):
            assert set(format_day(date(2028, 1, 1) + timedelta(days=day), locale)) <= set(places_of(locale)["last_day"])
        assert {*"R0123456789", *"0001 / 20,000"} <= set(places_of(locale)["number"])


async def test_rare_characters_come_from_further_fonts(maker: PdfMaker) -> None:
    assert fonts(await print_one(maker, sheet(item_zh="犇羴鱻 㛃"))) == 2
    assert fonts(await print_one(maker, sheet(item_zh="Škoda 犇"))) == 3


def test_no_character_is_left_without_a_glyph() -> None:
    typesetter = pdf._Typesetter(5)
    assert typesetter._cover_characters("普通 text\n") == "普通 text\n"
    assert typesetter._cover_characters("a\u2011b\x07\x1c\x85 \u202eevil\u202c\u2067\u2028x") == "a-b evil x"
    assert typesetter.further.cache_info().currsize == 0
    assert typesetter._cover_characters("犇🎁\ufe0f Łódź ไทย") == "犇 Łódź ไทย"
    known = "𠮷野家 𡃁 김치 بيروت תל אביב"
    assert typesetter._cover_characters(f"{known} 𪚥") == f"{known} {MISSING_HAN}"


def test_every_font_is_named_by_the_style_sheets_in_its_order_and_is_static() -> None:
    style = (Path(liyu.web.__file__).parent / "templates" / "pdf" / "fonts.css").read_text()
    assert re.findall(r'"(.*?)"', style) == [pdf.COMMON_FAMILY, *pdf.FURTHER_FAMILIES]
    # A font with axes is cut anew for each document, with the time of that in it.
    for path in (pdf.COMMON_FONT, *(find() for find in pdf.FURTHER_FAMILIES.values())):
        with TTFont(path, lazy=True) as font:
            assert "fvar" not in font, path


async def test_only_own_files_are_fetched(maker: PdfMaker, tmp_path: Path) -> None:
    fetcher = pdf._make_fetcher()
    assert fetcher.fetch("static:img/favicon.svg").read().startswith(b"<svg")
    assert fetcher.fetch("data:text/plain,yes").read() == b"yes"
    secret = tmp_path / "secret.svg"
    secret.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    for address in (
        secret.as_uri(),
        "http://127.0.0.1:9/",
        "https://127.0.0.1:9/",
        "static:../core/settings.py",
        "ftp://x/",
    ):
        with pytest.raises(ValueError, match=r"disallowed|leaves"):
            fetcher.fetch(address)
    with pytest.raises(ValueError, match="leaves"):
        find_static_file("../../pyproject.toml")
    assert (await maker.render(f"<p>ok<img src='{secret.as_uri()}'>")).startswith(b"%PDF")


async def test_a_document_that_takes_too_long_is_given_up() -> None:
    maker = PdfMaker(workers=1, seconds=1)
    try:
        await maker.warm_up()
        rows = "".join(f"<tr><td>{row}<td>{row}" for row in range(20_000))
        with pytest.raises(PdfTooSlowError):
            await maker.render(f"<table>{rows}</table>")
        with pytest.raises(PdfTooSlowError):
            await maker._run(_hold_on)
        assert (await maker.render("<p>ok")).startswith(b"%PDF")
    finally:
        maker.close()


def _hold_on(_typesetter: Any) -> None:
    """As a library does that goes on without the picture which it could not read."""
    with suppress(Exception):
        time.sleep(1.5)


async def test_a_broken_process_is_replaced_and_the_document_made(maker: PdfMaker) -> None:
    await maker.warm_up()
    assert maker._pool is not None
    for process in list(maker._pool._processes):
        os.kill(process, signal.SIGKILL)
    assert (await maker.render("<p>ok")).startswith(b"%PDF")


async def test_processes_are_replaced_after_their_files() -> None:
    maker = PdfMaker(workers=1, files_per_process=2)
    try:
        made = await asyncio.gather(*(maker.render(f"<p>{number}") for number in range(5)))
        assert all(one.startswith(b"%PDF") for one in made)
    finally:
        maker.close()


def _hoard(_typesetter: Any) -> int:
    return len(bytearray(1 << 30))


async def test_a_document_that_needs_too_much_memory_is_given_up() -> None:
    maker = PdfMaker(workers=1, megabytes=700)
    try:
        with pytest.raises(PdfTooLargeError):
            await maker._run(_hoard)
        assert (await maker.render("<p>ok")).startswith(b"%PDF")
    finally:
        maker.close()
