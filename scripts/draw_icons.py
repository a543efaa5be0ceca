"""Draws the icons of the mall as an app out of the same shapes as `img/favicon.svg`: `python -m scripts.draw_icons`.

The ticket lies within the safe zone of maskable icons (W3C manifest: a circle of 80 % of the width), so one drawing serves both.
"""

from PIL import Image, ImageDraw

from scripts.steps import ROOT

FOLDER = ROOT / "liyu" / "static" / "img"
SIZES = (180, 192, 512)
FINENESS = 4
PINE, PAPER, GOLD = "#184f3d", "#fdfbf4", "#f2d08a"
_UNITS = 80
"""The favicon's 64 units with a margin of 8 on each side."""


def main() -> None:
    """Draw all sizes."""
    for size in SIZES:
        draw_icon(size).save(FOLDER / f"app-{size}.png", optimize=True)


def draw_icon(size: int) -> Image.Image:
    """The icon, drawn finer and made smaller, which smoothes its edges; 64 colours are enough."""
    side = size * FINENESS
    image = Image.new("RGB", (side, side), PINE)
    draw = ImageDraw.Draw(image)

    def at(number: float) -> float:
        return (number + 8) * side / _UNITS

    width = round(3.5 * side / _UNITS)
    notch = 6 + 3.5 / 2
    for x, start, end in ((14, -90, 90), (50, 90, 270)):
        draw.arc((at(x - notch), at(32 - notch), at(x + notch), at(32 + notch)), start, end, fill=PAPER, width=width)
    for y in (19, 45):
        draw.line((at(14) - width / 2, at(y), at(50) + width / 2, at(y)), fill=PAPER, width=width)
    for x in (14, 50):
        for top, bottom in ((19, 26), (38, 45)):
            draw.line((at(x), at(top), at(x), at(bottom)), fill=PAPER, width=width)
    for top in (22, 30, 38):
        draw.line((at(38), at(top), at(38), at(top + 4)), fill=GOLD, width=width)
    return image.resize((size, size), Image.Resampling.LANCZOS).quantize(64)


if __name__ == "__main__":
    main()
