"""Vouchers of one item differ in a few marks only: the sheet is set once, and the marks are stamped into copies of it.

Only this module and `fonts.py` know pikepdf. A master is a PDF in which placeholders stand where the marks will. A placeholder
holds every character that may come in its place, so its drawing tells the glyphs and their widths, and the font in the master
has them; a picture of one pixel keeps the place of the QR code. What is stamped looks as if it had been set with the rest.
"""

import io
import zlib
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from msgspec import Struct
from pikepdf import (
    Array,
    Dictionary,
    Name,
    ObjectStreamMode,
    Operator,
    Page,
    Pdf,
    String,
    parse_content_stream,
    unparse_content_stream,
)

from liyu.vouchers.fonts import shrink_fonts
from liyu.vouchers.qr import trace_qr
from liyu.vouchers.sheets import Layout, Marks

_POINTS = 72 / 25.4
_A4 = (210 * _POINTS, 297 * _POINTS)
_SCALE = 0.92
"""Of A6 on the A4 sheet, so that cut marks stand outside and no printer's margin bites."""
_COLUMNS, _ROWS = 2, 2
_MARK, _GAP = 5 * _POINTS, 1.5 * _POINTS
_GLYPH_BYTES = 2
_FIRST_CODE = "/V0"
_OF_A_PAGE = ("/MediaBox", "/Contents", "/Resources")


class MarkDoesNotFitError(ValueError):
    """A mark has a character that its placeholder has not."""


class _TextPlace(Struct, frozen=True):
    name: str
    glyphs: dict[str, tuple[str, float]]
    """Of each character its glyph in hexadecimal and what TJ takes off its width."""

    def draw(self, text: str) -> bytes:
        try:
            glyphs = [self.glyphs[character] for character in text]
        except KeyError as fault:
            raise MarkDoesNotFitError(f"{self.name} has no {fault.args[0]!r}") from fault
        return b"[%s] TJ\n" % "".join(f"<{glyph}>{off:g}" for glyph, off in glyphs).encode()


class _QrPlace(Struct, frozen=True):
    name: str
    """Of the picture among the page's resources."""


_Place = _TextPlace | _QrPlace
_Piece = bytes | _Place


class _MasterPage(Struct, frozen=True):
    page: Page
    width: float
    height: float
    pieces: list[_Piece]


class Master:
    """A sheet with placeholders, taken apart at them. `glyph_of` gives the glyph's number of a character of its first font."""

    def __init__(self, content: bytes, places: Mapping[str, str], glyph_of: Mapping[str, int]) -> None:
        self.pdf = Pdf.open(io.BytesIO(content))
        shrink_fonts(self.pdf)
        wanted = {"".join(f"{glyph_of[sign]:04x}" for sign in text): (name, text) for name, text in places.items()}
        self.pages = [_take_apart(page, wanted) for page in self.pdf.pages]


def stamp(vouchers: Sequence[tuple[Master, Marks]], layout: Layout = "a6") -> bytes:
    """One PDF of vouchers in their order, on a page each or four on a sheet with cut marks. The same ones give the same bytes."""
    printing = _Printing(vouchers[0][0])
    if layout == "a4":
        for _, alike in groupby(vouchers, key=lambda voucher: id(voucher[0])):
            printing.lay_out(list(alike))
    else:
        for master, marks in vouchers:
            printing.add_pages(master, marks)
    return printing.finish(vouchers[0][1].made_at)


def merge(parts: Sequence[bytes]) -> bytes:
    """PDFs one after the other, as one; a blank page when there are none."""
    merged = Pdf.new()
    branches, count = Array(), 0
    for content in parts:
        with Pdf.open(io.BytesIO(content)) as part:
            if not count:
                merged.trailer.Info = merged.copy_foreign(part.trailer.Info)
                merged.Root.Lang = part.Root.Lang
            branches.append(_graft(merged, part))
            count += len(part.pages)
    if not count:
        merged.add_blank_page()
        return _write(merged)
    merged.Root.Pages.Kids, merged.Root.Pages.Count = branches, count
    return _write(merged)


def _graft(merged: Pdf, part: Pdf) -> Any:
    """The pages of a part as one branch of the page tree: adding them one by one takes a time that grows with the square."""
    drawings = [Dictionary({name: page.obj[name] for name in _OF_A_PAGE}) for page in part.pages]
    copied = merged.copy_foreign(part.make_indirect(Array(drawings)))
    branch = merged.make_indirect(Dictionary(Type=Name.Pages, Parent=merged.Root.Pages, Count=len(drawings)))
    pages = [Dictionary({**dict(one.items()), "/Type": Name.Page, "/Parent": branch}) for one in copied.as_list()]
    branch.Kids = Array([merged.make_indirect(page) for page in pages])
    return branch


class _Copied(Struct):
    """A master's page as one output has it: what all copies share is there once."""

    resources: dict[str, Any]
    pictures: dict[str, Any]

    def resources_with(self, codes: Mapping[str, Any]) -> Any:
        """The resources of a page with these QR codes."""
        return Dictionary({**self.resources, "/XObject": Dictionary({**self.pictures, **codes})})


class _Printing:
    """One PDF in the making."""

    def __init__(self, first: Master) -> None:
        self.pdf = Pdf.new()
        self.pdf.trailer.Info = self.pdf.copy_foreign(first.pdf.trailer.Info)
        self.pdf.Root.Lang = first.pdf.Root.get("/Lang", String(""))
        self._copied: dict[int, list[_Copied]] = {}
        self._pieces: dict[bytes, Any] = {}

    def add_pages(self, master: Master, marks: Marks) -> None:
        """A voucher on pages of its own; their drawing is shared but for the marks."""
        for found, copied in zip(master.pages, self._copy(master), strict=True):
            codes = self._codes(found, marks, _FIRST_CODE)
            drawing = Array(self._draw(found, marks, _FIRST_CODE))
            self._add_page(found.width, found.height, drawing, copied.resources_with(codes))

    def lay_out(self, vouchers: Sequence[tuple[Master, Marks]]) -> None:
        """Vouchers of one master on sheets of A4, row by row; their drawing is shared but for the marks."""
        pages = [
            (found, copied, marks)
            for master, marks in vouchers
            for found, copied in zip(master.pages, self._copy(master), strict=True)
        ]
        each = _COLUMNS * _ROWS
        for start in range(0, len(pages), each):
            drawing: list[Any] = [self._shared(_CUT_MARKS)]
            codes: dict[str, Any] = {}
            for slot, (found, _, marks) in enumerate(pages[start : start + each]):
                code = f"/V{slot}"
                codes |= self._codes(found, marks, code)
                drawing.append(self._shared(_place(slot, found.width, found.height)))
                drawing += self._draw(found, marks, code)
                drawing.append(self._shared(b"\nQ"))
            self._add_page(*_A4, Array(drawing), pages[start][1].resources_with(codes))

    def finish(self, made_at: str) -> bytes:
        """The bytes of the PDF."""
        self.pdf.trailer.Info.CreationDate = String(made_at)
        return _write(self.pdf)

    def _copy(self, master: Master) -> list[_Copied]:
        known = self._copied.get(id(master))
        if known is None:
            known = self._copied[id(master)] = [self._copy_page(found) for found in master.pages]
        return known

    def _copy_page(self, found: _MasterPage) -> _Copied:
        resources = dict(self.pdf.copy_foreign(self._indirect(found)).items())
        pictures = dict(resources.pop("/XObject", Dictionary()).items())
        return _Copied(resources, {name: pictures[name] for name in pictures if _QrPlace(name) not in found.pieces})

    @staticmethod
    def _indirect(found: _MasterPage) -> Any:
        resources = found.page.obj.Resources
        if not resources.is_indirect:
            raise ValueError("WeasyPrint keeps the resources of all pages in one object of their own")
        return resources

    def _draw(self, found: _MasterPage, marks: Marks, code: str) -> list[Any]:
        """The pieces of a page in their order, with the marks of one voucher."""
        return [
            self._shared(piece) if isinstance(piece, bytes) else self._stream(_draw(piece, marks, code))
            for piece in found.pieces
        ]

    def _shared(self, drawing: bytes) -> Any:
        """A piece of drawing that is kept once."""
        if drawing not in self._pieces:
            self._pieces[drawing] = self._stream(drawing)
        return self._pieces[drawing]

    def _codes(self, found: _MasterPage, marks: Marks, name: str) -> dict[str, Any]:
        """The QR code of a page that has the place for it, by the name that it gets."""
        return {name: self._qr(marks.qr)} if any(isinstance(piece, _QrPlace) for piece in found.pieces) else {}

    def _qr(self, text: str) -> Any:
        """A QR code as a drawing that fills the unit square, as pictures do."""
        modules, path = trace_qr(text)
        return self._stream(
            b"1 g 0 0 %d %d re f 0 g\n%s f" % (modules, modules, path),
            Type=Name.XObject,
            Subtype=Name.Form,
            BBox=[0, 0, modules, modules],
            Matrix=[1 / modules, 0, 0, 1 / modules, 0, 0],
        )

    def _stream(self, content: bytes, **entries: Any) -> Any:
        packed = self.pdf.make_stream(zlib.compress(content), **entries)
        packed.Filter = Name.FlateDecode
        return packed

    def _add_page(self, width: float, height: float, contents: Any, resources: Any) -> None:
        page = Dictionary(Type=Name.Page, MediaBox=[0, 0, width, height], Contents=contents, Resources=resources)
        self.pdf.pages.append(Page(self.pdf.make_indirect(page)))


def _write(pdf: Pdf) -> bytes:
    written = io.BytesIO()
    pdf.save(written, deterministic_id=True, object_stream_mode=ObjectStreamMode.generate)
    return written.getvalue()


def _draw(place: _Place, marks: Marks, code: str) -> bytes:
    if isinstance(place, _TextPlace):
        return place.draw(marks.texts[place.name])
    return b"%s Do\n" % code.encode()


def _take_apart(page: Page, wanted: Mapping[str, tuple[str, str]]) -> _MasterPage:
    pieces: list[_Piece] = []
    kept: list[Any] = []
    pixels = {
        name for name, picture in page.get_images(recursive=False).items() if (picture.Width, picture.Height) == (1, 1)
    }
    for instruction in parse_content_stream(page):
        place = _find_place(instruction, wanted, pixels)
        if place is None:
            kept.append(instruction)
            continue
        pieces += [unparse_content_stream(kept) + b"\n", place]
        kept = []
    _, _, width, height = (float(edge) for edge in page.mediabox)
    return _MasterPage(page, width, height, [*pieces, unparse_content_stream(kept)])


def _find_place(instruction: Any, wanted: Mapping[str, tuple[str, str]], pixels: set[str]) -> _Place | None:
    if instruction.operator == Operator("Do") and str(instruction.operands[0]) in pixels:
        return _QrPlace(str(instruction.operands[0]))
    if instruction.operator != Operator("TJ"):
        return None
    glyphs = _read_glyphs(instruction.operands[0])
    found = wanted.get("".join(glyph for glyph, _ in glyphs))
    if found is None:
        return None
    name, signs = found
    # The last glyph of a line carries no spacing; its sign stands earlier, too.
    return _TextPlace(name, dict(reversed(list(zip(signs, glyphs, strict=True)))))


def _read_glyphs(operand: Any) -> list[tuple[str, float]]:
    """The glyphs of a TJ with all that is taken off after each of them."""
    glyphs: list[tuple[str, float]] = []
    for part in operand:
        if isinstance(part, String):
            numbers = bytes(part)
            glyphs += [(numbers[at : at + _GLYPH_BYTES].hex(), 0.0) for at in range(0, len(numbers), _GLYPH_BYTES)]
        elif glyphs:
            glyph, off = glyphs[-1]
            glyphs[-1] = (glyph, off + float(part))
    return glyphs


_WIDTH, _HEIGHT = 105 * _POINTS * _SCALE, 148 * _POINTS * _SCALE
_LEFT, _BOTTOM = (_A4[0] - _COLUMNS * _WIDTH) / 2, (_A4[1] - _ROWS * _HEIGHT) / 2


def _corner(slot: int) -> tuple[float, float]:
    """The lower left corner of a place on A4; the first is at the top left."""
    row, column = divmod(slot, _COLUMNS)
    return _LEFT + column * _WIDTH, _BOTTOM + (_ROWS - 1 - row) * _HEIGHT


def _place(slot: int, width: float, height: float) -> bytes:
    """Move and scale what follows to a place on A4, and let nothing of it stand outside."""
    x, y = _corner(slot)
    lift = _HEIGHT - height * _SCALE
    return b"q %.3f 0 0 %.3f %.3f %.3f cm 0 0 %.3f %.3f re W n\n" % (_SCALE, _SCALE, x, y + lift, width, height)


def _draw_cut_marks() -> bytes:
    right, top = _LEFT + _COLUMNS * _WIDTH, _BOTTOM + _ROWS * _HEIGHT
    lines = []
    for column in range(_COLUMNS + 1):
        x = _LEFT + column * _WIDTH
        lines += [(x, top + _GAP, x, top + _GAP + _MARK), (x, _BOTTOM - _GAP, x, _BOTTOM - _GAP - _MARK)]
    for row in range(_ROWS + 1):
        y = _BOTTOM + row * _HEIGHT
        lines += [(right + _GAP, y, right + _GAP + _MARK, y), (_LEFT - _GAP, y, _LEFT - _GAP - _MARK, y)]
    drawn = b" ".join(b"%.3f %.3f m %.3f %.3f l" % line for line in lines)
    return b"q 0.3 w 0 G %s S Q" % drawn


_CUT_MARKS = _draw_cut_marks()
