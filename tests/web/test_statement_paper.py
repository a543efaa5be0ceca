"""A partner's statement on paper: its figures, every entry under a head that each page repeats, the same bytes each time."""

import io
import re
import subprocess
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from pikepdf import Pdf
from pypdfium2 import PdfDocument

from liyu.partners.settlement.document import LineTerms, StatementDocument
from liyu.partners.settlement.queries import EntryView, LineView, StatementHead, StatementPage, TransitionView
from liyu.vouchers.pdf import _Typesetter
from liyu.web.formats import format_money
from liyu.web.i18n import load_catalogs, use_locale
from liyu.web.pages import make_environment
from liyu.web.paper import statement_to_html
from liyu.web.statement_words import name_event

OCTOBER = datetime(2026, 10, 1, 1, tzinfo=UTC)
DOTS = 2 * 72 / 25.4
"""Of a millimetre, in pictures of twice the size."""
DIGEST = "9f2c41d077ae0b35" * 4
FREE, FEE = ("P1-FREE", "free_quota", "限免名额"), ("P1-CON", "concierge", "礼宾")


@pytest.fixture(scope="module")
def typesetter() -> _Typesetter:
    return _Typesetter(60)


def entries(count: int) -> list[EntryView]:
    """Uses of two agreement lines in turn, each eleventh of them taken back; every fifth is free."""
    made = []
    for place in range(count):
        code, mode, title = FREE if place % 5 == 0 else FEE
        sign = -1 if place % 11 == 10 else 1
        made.append(
            EntryView(
                place, OCTOBER + timedelta(hours=place), "use" if sign > 0 else "undo", f"verification:{3000 + place}",
                code, 1, mode, title, "", sign, code == FREE[0], 0 if code == FREE[0] else sign * 1750,
            )
        )  # fmt: skip
    return made


def document(count: int, printed: list[EntryView] | None = None) -> StatementDocument:
    found = entries(count)
    sums = {code: sum(one.amount_minor for one in found if one.code == code) for code in (FREE[0], FEE[0])}
    uses = {code: sum(one.quantity for one in found if one.code == code) for code in (FREE[0], FEE[0])}
    net = sum(sums.values())
    head = StatementHead(
        1, "S92442668810214", 1, "P1", "合作方", "Partner", "2026-10", "CNY", "sent", net, 0, net, count,
        OCTOBER + timedelta(days=32), OCTOBER + timedelta(days=31), 9_000, DIGEST, "staff:1", "Anna", None, None, None,
    )  # fmt: skip
    lines = [
        LineView(1, 1, *FREE[:1], 1, *FREE[1:], "", uses[FREE[0]], uses[FREE[0]], 250, sums[FREE[0]], 600),
        LineView(2, 2, *FEE[:1], 1, *FEE[1:], "", uses[FEE[0]], 0, 1750, sums[FEE[0]], 600),
    ]
    terms = [
        LineTerms(1, FREE[0], 1, *FREE[1:], "", 250, 0, 200, 600, date(2026, 1, 1), None),
        LineTerms(2, FEE[0], 1, *FEE[1:], "", 1750, 0, 0, 600, date(2026, 1, 1), date(2026, 12, 31)),
    ]
    steps = [TransitionView(None, "draft", "prepared", "staff:1", "Anna", head.prepared_at)]
    return StatementDocument(StatementPage(head, lines, steps, None, 0), terms, found if printed is None else printed)


def to_html(made: StatementDocument, locale: str) -> str:
    load_catalogs()
    use_locale(locale)
    return statement_to_html(make_environment(str), made, locale, program_name="云栖会员")


def pages_of(made: bytes, folder: Path) -> list[str]:
    """The text of each page, in its layout."""
    file = folder / "statement.pdf"
    file.write_bytes(made)
    text = subprocess.run(["pdftotext", "-layout", str(file), "-"], capture_output=True, text=True, check=True).stdout
    return text.removesuffix("\f").split("\f")


def amounts_in(text: str) -> list[int]:
    """The amounts at the ends of lines, in minor units; what is free is nothing."""
    found = re.findall(r"(−?)¥\s?([\d,]+)\.(\d\d)$|(free)$", text, re.MULTILINE)
    return [
        0 if free else (-1 if sign else 1) * int(whole.replace(",", "") + rest) for sign, whole, rest, free in found
    ]


def test_every_entry_stands_on_a_numbered_page_under_the_same_head(typesetter: _Typesetter, tmp_path: Path) -> None:
    made = document(120)
    pages = pages_of(typesetter.set(to_html(made, "en")), tmp_path)
    assert len(pages) > 3
    for number, page in enumerate(pages, start=1):
        assert f"Page {number} of {len(pages)}" in page
        assert "S92442668810214 · Check value 9f2c 41d0" in page
    rows = [line for page in pages for line in page.splitlines() if re.search(r"(Use|Undone use) #3\d{3}", line)]
    assert [re.findall(r"#(3\d{3})", row)[0] for row in rows] == [one.source[-4:] for one in made.entries]
    assert amounts_in("\n".join(rows)) == [one.amount_minor for one in made.entries]
    with_entries = [page for page in pages if re.search(r"#3\d{3}", page)]
    assert all(re.search(r"Time\s+Event\s+Agreement\s+Quantity\s+Amount", page) for page in with_entries)
    assert re.search(rf"Net\s+{sum(one.quantity for one in made.entries)}\s", pages[-1])
    assert amounts_in(pages[-1])[-1] == made.page.head.net_minor


def test_figures_terms_and_check_value_stand_on_the_first_page(typesetter: _Typesetter, tmp_path: Path) -> None:
    made = document(3)
    html = to_html(made, "zh_CN")
    first, *more = pages_of(typesetter.set(html), tmp_path)
    words = " ".join(first.split())
    head = made.page.head
    assert "对账单 2026年10月 合作方 合作方 (P1)".replace(" ", "") in words.replace(" ", "").replace("云栖会员", "", 1)
    for amount in (head.payable_minor, head.receivable_minor, head.net_minor, 1750):
        assert format_money(amount, "CNY").replace("\N{THIN SPACE}", " ") in first.replace("\N{THIN SPACE}", " ")
    assert "每个自然月前 200 次免费，超出部分每次付合作方" in words
    assert "有效期 2026年1月1日 至 2026年12月31日" in words
    assert DIGEST in words.replace(" ", "")
    assert not re.search(r"[a-z]{3,}", words.replace("SHA", ""))
    assert len(more) <= 1
    assert typesetter.set(html) == typesetter.set(to_html(made, "zh_CN"))


def test_more_entries_than_fit_on_paper_are_said_to_be_in_the_files() -> None:
    html = to_html(document(700, printed=[]), "en")
    assert "XLSX, CSV and signed JSON of this statement hold every one of them" in html
    assert "verification" not in html


def test_a_name_with_markup_stays_text() -> None:
    made = document(1)
    renamed = LineTerms(1, "<script>", 1, *FREE[1:], "", 250, 0, 200, 600, date(2026, 1, 1), None)
    assert "<script" not in to_html(StatementDocument(made.page, [renamed], made.entries), "en")


def test_long_names_keep_to_their_columns(typesetter: _Typesetter) -> None:
    """A title without a space, a name as long as a sentence: nothing stands outside the margins, and the head stays one line."""
    word = "合作协议" * 12 + "Agreement" * 12
    made = document(30)
    page = replace(
        made.page,
        head=replace(made.page.head, partner_zh=word, partner_en=word),
        lines=[replace(line, title_zh=word, title_en=word) for line in made.page.lines],
    )
    long = replace(made, page=page, entries=[replace(one, title_zh=word, title_en=word) for one in made.entries])
    with PdfDocument(typesetter.render(to_html(long, "en"))) as opened:
        assert len(opened) > 1
        for sheet in opened:
            drawn = np.asarray(sheet.render(scale=2).to_pil().convert("L"))
            assert (drawn[:, : int(15 * DOTS)] == 255).all()
            assert (drawn[:, -int(15 * DOTS) :] == 255).all()
        # Between the head of a page and what it is about.
        later = np.asarray(opened[1].render(scale=2).to_pil().convert("L"))
        assert (later[int(18.5 * DOTS) : int(21.5 * DOTS)] == 255).all()


def test_a_statement_has_tags_for_screen_readers(typesetter: _Typesetter) -> None:
    with Pdf.open(io.BytesIO(typesetter.render(to_html(document(3), "en")))) as made:
        assert made.Root.MarkInfo.Marked
        assert str(made.Root.Lang) == "en"


@pytest.mark.parametrize(
    ("kind", "source", "says"),
    [
        ("use", "verification:12", ("Use", "#12")),
        ("undo", "verification:12", ("Undone use", "#12")),
        ("use", "offline:7:1", ("Offline conflict", "#7")),
        ("undo", "offline:7:1", ("Offline conflict, paid back", "#7")),
        ("use", "till-9", ("Use", "till-9")),
    ],
)
def test_an_entry_says_in_words_what_it_is_of(kind: str, source: str, says: tuple[str, str]) -> None:
    load_catalogs()
    use_locale("en")
    assert name_event(kind, source) == says
