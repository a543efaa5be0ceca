"""Picks what the site serves out of the installed packages into `liyu/static/vendor/`, which git ignores.

Scripts are copied as they come; the icons named in `liyu/static/icons.txt` become one sprite; the Chinese font is cut
to the characters that vouchers and statements use, so that a PDF takes a third of the time. Letters that it lacks, such as
those of Łódź or ไทย, come from the Noto fonts of their scripts.
"""

import re
import shutil
from pathlib import Path

from fontTools import subset
from pylopdf_fonts_zh_cn import sans_path

from scripts.steps import ROOT

NODE_MODULES = ROOT / "node_modules"
STATIC = ROOT / "liyu" / "static"
VENDOR = STATIC / "vendor"
ICON_STROKE = "1.6"

SCRIPTS = {
    "htmx.min.js": "htmx.org/dist/htmx.min.js",
    "htmx-ext-sse.min.js": "htmx-ext-sse/dist/sse.min.js",
    "idiomorph-ext.min.js": "idiomorph/dist/idiomorph-ext.min.js",
    "barcode-detector.js": "barcode-detector/dist/iife/polyfill.js",
    "noble-ed25519.js": "@noble/ed25519/index.js",
    "zxing_reader.wasm": "zxing-wasm/dist/reader/zxing_reader.wasm",
    "echarts.min.js": "echarts/dist/echarts.min.js",
}
LETTERS = {
    "NotoSans.ttf": "noto-sans/400Regular/NotoSans_400Regular.ttf",
    "NotoSansArabic.ttf": "noto-sans-arabic/400Regular/NotoSansArabic_400Regular.ttf",
    "NotoSansHebrew.ttf": "noto-sans-hebrew/400Regular/NotoSansHebrew_400Regular.ttf",
    "NotoSansThai.ttf": "noto-sans-thai/400Regular/NotoSansThai_400Regular.ttf",
}


def main() -> None:
    """Build everything anew."""
    VENDOR.mkdir(parents=True, exist_ok=True)
    for name, source in SCRIPTS.items():
        shutil.copyfile(NODE_MODULES / source, VENDOR / name)
    (VENDOR / "icons.svg").write_text(build_sprite(read_icon_names(STATIC / "icons.txt")))
    cut_font(sans_path(), VENDOR / "fonts" / "LiyuSansSC.otf")
    for name, source in LETTERS.items():
        shutil.copyfile(NODE_MODULES / "@expo-google-fonts" / source, VENDOR / "fonts" / name)


def read_icon_names(path: Path) -> list[str]:
    """The names in the list, one a line, sorted and each once."""
    return sorted({line.strip() for line in path.read_text().splitlines() if line.strip()})


def build_sprite(names: list[str]) -> str:
    """One SVG with a symbol for each icon; ends the program with the names that the icon set does not have."""
    unknown = [name for name in names if not icon_path(name).is_file()]
    if unknown:
        raise SystemExit(f"liyu/static/icons.txt: no such icon: {', '.join(unknown)}")
    symbols = "".join(build_symbol(name, icon_path(name).read_text()) for name in names)
    return f'<svg xmlns="http://www.w3.org/2000/svg">\n{symbols}</svg>\n'


def icon_path(name: str) -> Path:
    """Where the icon set keeps an icon."""
    return NODE_MODULES / "lucide-static" / "icons" / f"{name}.svg"


def build_symbol(name: str, drawing: str) -> str:
    """The shapes of one icon as a symbol that takes the colour of the text around it."""
    matched = re.search(r"<svg[^>]*>(.*)</svg>", drawing, re.DOTALL)
    assert matched is not None, name
    shapes = " ".join(matched.group(1).split())
    look = (
        f'fill="none" stroke="currentColor" stroke-width="{ICON_STROKE}" stroke-linecap="round" stroke-linejoin="round"'
    )
    return f'<symbol id="{name}" viewBox="0 0 24 24" {look}>{shapes}</symbol>\n'


def cut_font(source: Path, target: Path) -> None:
    """Cut the font to GB 2312, Latin and punctuation, without subroutines, which slow every further cut down."""
    options = subset.Options(desubroutinize=True, hinting=False, layout_features=["kern"], glyph_names=False)
    font = subset.load_font(str(source), options)
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=list_characters())
    cutter.subset(font)
    target.parent.mkdir(parents=True, exist_ok=True)
    subset.save_font(font, str(target), options)


def list_characters() -> set[int]:
    """The code points of GB 2312 (6,763 characters and its signs), Latin-1 and common punctuation."""
    pairs = (bytes((row, cell)) for row in range(0xA1, 0xF8) for cell in range(0xA1, 0xFF))
    chinese = {ord(character) for pair in pairs for character in pair.decode("gb2312", errors="ignore")}
    latin = {*range(0x20, 0x7F), *range(0xA0, 0x100)}
    return chinese | latin | {*range(0x2010, 0x2040), ord("€"), ord("™")}


if __name__ == "__main__":
    main()
