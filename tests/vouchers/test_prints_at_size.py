"""As many vouchers as one print holds, really set: each on paper once, though the work broke off in between."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from pypdfium2 import PdfDocument

from liyu.core.storage import FolderStorage
from liyu.vouchers import batches
from liyu.vouchers.batches import MOST, ToSheets, carry_out, load_print, order_print, resume_print
from liyu.vouchers.facts import StoreFacts, VoucherFacts
from liyu.vouchers.pdf import BATCH_SECONDS, PdfFailedError, PdfMaker
from liyu.vouchers.sheets import Layout, Sheet
from liyu.web.i18n import load_catalogs, use_locale
from liyu.web.pages import make_environment
from liyu.web.paper import vouchers_to_sheets
from tests.proofs import at_size
from tests.vouchers.tills import TOKENS, open_shops
from tests.world import NOW, ZONE, World, open_world

TOTAL = at_size(40, MOST)
PART = at_size(8, batches.PART)
_MANY_MORE = """
    INSERT INTO voucher (redemption_id, member_id, item_id, partner_id, agreement_line_id, state, uses, uses_allowed,
        issued_at, expires_at)
    SELECT redemption_id, member_id, item_id, partner_id, agreement_line_id, state, uses, uses_allowed, issued_at, expires_at
    FROM voucher, generate_series(1, %s)"""


class _FailsOnce(PdfMaker):
    """Fails once, half way."""

    left = 0

    async def print_each(self, sheets: Sequence[Sheet]) -> list[bytes]:
        self._count(sheets)
        return await super().print_each(sheets)

    async def print_all(self, sheets: Sequence[Sheet], layout: Layout) -> bytes:
        self._count(sheets)
        return await super().print_all(sheets, layout)

    def _count(self, sheets: Sequence[Sheet]) -> None:
        before, self.left = self.left, self.left - len(sheets)
        if before > 0 >= self.left:
            raise PdfFailedError


def _make_to_sheets() -> ToSheets:
    load_catalogs()
    environment = make_environment(str)

    def to_sheets(vouchers: Sequence[tuple[VoucherFacts, Sequence[StoreFacts]]], locale: str) -> list[Sheet]:
        use_locale(locale)
        return vouchers_to_sheets(
            environment, vouchers, locale, tokens=TOKENS, zone=ZONE, program_name="Liyu", support_phone=""
        )

    return to_sheets


async def _print(world: World, maker: _FailsOnce, folder: Path, form: str, layout: str) -> tuple[Path, list[str]]:
    """The finished file, and the codes in the order of printing."""
    connection, item = world.connection, await world.one("SELECT id FROM item")
    print_id, _ = await order_print(
        connection, item, locale="en", layout=layout, form=form, actor="staff:1", now=NOW  # type: ignore[arg-type]
    )  # fmt: skip
    maker.left = TOTAL // 2 + 1
    for is_last in (False, True):
        try:
            await carry_out(
                connection, print_id, storage=FolderStorage(folder), maker=maker, to_sheets=_make_to_sheets(), now=NOW
            )
        except PdfFailedError:
            assert not is_last
            assert 0 < (await load_print(connection, print_id)).done < TOTAL
            await resume_print(connection, print_id, NOW)
    made = await load_print(connection, print_id)
    assert (made.state, made.done, len(set(made.voucher_ids))) == ("finished", TOTAL, TOTAL)
    return folder / made.file_name, [TOKENS.codes.code_of(one) for one in made.voucher_ids]


@pytest.mark.proof
async def test_the_most_that_one_print_holds(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "PART", PART)
    maker = _FailsOnce(seconds=BATCH_SECONDS)
    async with open_world(database_url) as world:
        await (await open_shops(world)).voucher()
        await world.connection.execute(_MANY_MORE, (TOTAL - 1,))
        try:
            for layout, on_a_page in (("a6", 1), ("a4", 4)):
                path, codes = await _print(world, maker, tmp_path, "pdf", layout)
                assert path.stat().st_size < 100_000 + 2_500 * TOTAL
                with PdfDocument(path) as made:
                    assert len(made) == TOTAL // on_a_page
                    for number in {*range(0, TOTAL, TOTAL // 20), TOTAL - 1}:
                        assert codes[number] in made[number // on_a_page].get_textpage().get_text_bounded()
            path, codes = await _print(world, maker, tmp_path, "zip", "a6")
        finally:
            maker.close()
        with zipfile.ZipFile(path) as packed:
            names = packed.namelist()
            assert len(set(names)) == TOTAL
            with PdfDocument(packed.read(names[-1])) as made:
                assert codes[-1] in made[0].get_textpage().get_text_bounded()
