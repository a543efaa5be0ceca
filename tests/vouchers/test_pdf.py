"""Printed vouchers: nothing cut off or blank, the same bytes each time, and no way out of the maker's process."""

import asyncio
import os
import re
import signal
import zlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from liyu.core.storage import FolderStorage
from liyu.vouchers import pdf
from liyu.vouchers.batches import print_batch, vouchers_of_item
from liyu.vouchers.document import VoucherDocument, choose_density, voucher_document, width_of
from liyu.vouchers.facts import StoreFacts, VoucherFacts
from liyu.vouchers.pdf import MISSING_HAN, PdfFailedError, PdfMaker, find_static_file
from liyu.vouchers.queries import facts_of
from liyu.web.covers import choose_icon, draw_cover
from liyu.web.i18n import load_catalogs, use_locale
from liyu.web.pages import make_environment
from tests.vouchers.tills import TOKENS, open_shops
from tests.world import NOW, ZONE, open_world

STORES = [StoreFacts(n, f"S{n}", f"南京西路{n}店", f"Nanjing Road {n}", "上海", "Shanghai", "南京西路 1 号", "1 Nanjing Road", "") for n in range(6)]  # fmt: skip # noqa: E501


def facts(**changes: Any) -> VoucherFacts:
    known: dict[str, Any] = {
        "id": 7, "redemption_id": 1, "redemption_number": "R4073952816648", "member_id": 1, "member_name": "李雷",
        "member_state": "active", "member_locale": None, "item_id": 3, "sku": "CUP", "kind": "partner_right",
        "scene": "coffee", "item_zh": "标准杯饮品一杯", "item_en": "", "summary_zh": "任选", "summary_en": "Any cup",
        "rules_zh": ["到店出示", "当面核销"], "rules_en": ["Show it at the till"], "value_minor": 0, "partner_id": 1,
        "partner_code": "LUCK", "partner_zh": "瑞幸", "partner_en": "Luckin", "partner_phone": "400-555-0101",
        "agreement_line_id": None, "state": "issued", "uses": 0, "uses_allowed": 2, "issued_at": NOW, "expires_at": NOW,
    }  # fmt: skip
    return VoucherFacts(**known | changes)


def document(locale: str = "zh_CN", stores: Sequence[StoreFacts] = STORES, **changes: Any) -> VoucherDocument:
    one = facts(**changes)
    cover = draw_cover(one.scene, one.item_id, choose_icon(one.scene, one.kind))
    return voucher_document(one, stores, locale, tokens=TOKENS, zone=ZONE, cover_svg=cover)


def html(*documents: VoucherDocument, locale: str = "zh_CN") -> str:
    load_catalogs()
    use_locale(locale)
    template = make_environment(str).get_template("pdf/voucher.html")
    return template.render(documents=documents, lang=locale.replace("_", "-"), program_name="云栖会员")


def inside(made: bytes) -> bytes:
    """A PDF with the objects that it keeps in compressed streams."""
    streams = re.findall(rb"/FlateDecode[^>]*>>\nstream\n(.*?)\nendstream", made, re.DOTALL)
    return made + b"".join(zlib.decompressobj().decompress(stream) for stream in streams)


def pages(made: bytes) -> int:
    return len(re.findall(rb"/Type ?/Page\b", inside(made)))


def fonts(made: bytes) -> int:
    return len(re.findall(rb"/FontFile3", inside(made)))


@pytest.fixture
async def maker() -> AsyncIterator[PdfMaker]:
    made = PdfMaker(workers=1, seconds=20)
    yield made
    made.close()


def test_texts_are_in_the_asked_language_and_fall_back_to_chinese() -> None:
    chinese, english = document(), document("en")
    assert (chinese.partner, english.partner) == ("瑞幸", "Luckin")
    assert english.name == "标准杯饮品一杯"
    assert english.rules == ["Show it at the till"]
    assert (len(chinese.stores), chinese.more_stores) == (3, 3)
    assert chinese.code == TOKENS.codes.code_of(7)
    assert "有效期至" in html(chinese)
    assert "Valid until" in html(english, locale="en")


def test_markup_of_a_partner_stays_text() -> None:
    assert "<script" not in html(document(item_zh="<script>alert(1)</script>", rules_zh=["<img src=x>"]))


def test_much_small_print_gets_room() -> None:
    rule = "到店后请向店员出示本页并说明人数" * 2
    assert choose_density("短名", [rule], []) == "roomy"
    assert choose_density("短名", [rule] * 6, []) == "dense"
    assert choose_density("短名", [rule] * 9, []) == "overleaf"
    assert width_of("券 A") == 4


async def test_a_voucher_is_one_page_and_the_same_bytes_from_every_process(maker: PdfMaker) -> None:
    page = html(document())
    first = await maker.render(page)
    maker.close()
    assert first == await maker.render(page)
    assert first.startswith(b"%PDF")
    assert pages(first) == 1
    assert fonts(first) == 1
    assert pages(await maker.render(html(document(), document(id=8)))) == 2
    assert pages(await maker.render(html(document(rules_zh=["很长的规则说明" * 30] * 12)))) > 1


async def test_rare_characters_come_from_the_whole_font(maker: PdfMaker) -> None:
    assert fonts(await maker.render(html(document(item_zh="犇羴鱻 㛃")))) == 2


def test_no_character_is_left_without_a_glyph() -> None:
    typesetter = pdf._Typesetter(5)
    assert typesetter._cover_characters("普通 text\n") == "普通 text\n"
    assert typesetter.whole is None
    assert typesetter._cover_characters("犇𠮷🎁\ufe0f a\u2011b") == f"犇{MISSING_HAN} a-b"


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
        with pytest.raises(PdfFailedError, match="longer than 1 s"):
            await maker.render(f"<table>{rows}</table>")
        assert (await maker.render("<p>ok")).startswith(b"%PDF")
    finally:
        maker.close()


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


async def test_a_broken_batch_goes_on_where_it_stopped(database_url: str, tmp_path: Path) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        vouchers = sorted(await shops.vouchers(5))
        assert await vouchers_of_item(world.connection, await world.one("SELECT id FROM item")) == vouchers
        storage, maker = FolderStorage(tmp_path), _Counting()
        done: list[tuple[int, int]] = []

        async def progress(ready: int, of: int) -> None:
            done.append((ready, of))

        async def run() -> str:
            printed = await print_batch(
                world.connection, vouchers, name="batches/1.zip", form="zip", storage=storage, maker=maker,
                to_html=lambda pairs: html(*(document(id=one.id, stores=stores) for one, stores in pairs)),
                progress=progress,
            )  # fmt: skip
            assert (printed.vouchers, printed.media_type) == (5, "application/zip")
            return printed.digest

        maker.fails_at = 4
        with pytest.raises(PdfFailedError):
            await run()
        maker.fails_at = 0
        first = await run()
        assert maker.made == 4 + 1
        assert done == [(5, 5)]
        assert await run() == first
        assert _files_below(tmp_path) == ["1.zip"]
        assert [one.id for one in await facts_of(world.connection, vouchers)] == vouchers


def _files_below(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file()]


class _Counting(PdfMaker):
    """Makes documents of a few bytes, and fails at one of them."""

    made = 0
    asked = 0
    fails_at = 0

    async def render(self, html: str) -> bytes:
        self.asked += 1
        if self.asked == self.fails_at:
            # The others are on their way meanwhile.
            await asyncio.sleep(0.2)
            raise PdfFailedError("on purpose")
        self.made += 1
        return b"%PDF" + html[-200:].encode()
