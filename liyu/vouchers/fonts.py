"""Fonts in PDFs, cut to what is drawn.

WeasyPrint keeps the numbers of glyphs when it cuts a font, so thousands of empty ones stay, each with its metrics, in a wrapper
that PDF does not need: they make most of a voucher's bytes. A font keyed by CID names its glyphs, so the empty ones can go,
once each glyph has for its name the number by which the page calls it.
"""

import io

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont
from pikepdf import Name, Pdf, Stream

_EMPTY = b"\x0e"
"""An outline that ends at once."""
_WRAPPED, _BARE = Name.OpenType, Name.CIDFontType0C


def shrink_fonts(pdf: Pdf) -> None:
    """Replace wrapped fonts by the bare outlines of the glyphs they have; other fonts stay. The same font gives the same bytes."""
    for found in pdf.objects:
        if isinstance(found, Stream) and found.get("/Subtype") == _WRAPPED:
            with TTFont(io.BytesIO(found.read_bytes())) as font:
                bare = _cut(font)
            if bare is not None:
                found.write(bare)
                found.Subtype = _BARE


def _cut(font: TTFont) -> bytes | None:
    """The outlines alone; None for a font that is not keyed by CID."""
    if "CFF " not in font or not hasattr(font["CFF "].cff.topDictIndex[0], "ROS"):
        return None
    _name_by_number(font)
    outlines = font["CFF "].cff.topDictIndex[0].CharStrings
    subsetter = Subsetter(Options(notdef_outline=True, glyph_names=True, drop_tables=["VORG", "vmtx", "vhea"]))
    subsetter.populate(glyphs=[name for name in font.getGlyphOrder() if outlines[name].bytecode != _EMPTY])
    subsetter.subset(font)
    whole = io.BytesIO()
    font.save(whole)
    with TTFont(whole) as cut:
        bare: bytes = cut.reader["CFF "]
    return bare


def _name_by_number(font: TTFont) -> None:
    outlines = font["CFF "].cff.topDictIndex[0]
    strings = outlines.CharStrings.charStrings
    numbers = [strings[name] for name in font.getGlyphOrder()]
    names = [".notdef", *(f"cid{number:05d}" for number in range(1, len(numbers)))]
    outlines.CharStrings.charStrings = dict(zip(names, numbers, strict=True))
    outlines.charset = names
    font.setGlyphOrder(names)
