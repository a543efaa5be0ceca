"""What the server draws as plain SVG, without script or inline style: scales, and columns of some days."""

from collections.abc import Sequence
from datetime import date

from msgspec import Struct

from liyu.web.formats import format_short_day
from liyu.web.i18n import current_locale

GRID_LINES = 4
WIDTH, HEIGHT = 720, 240
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 26, 30
_GAP = 0.34


class GridLine(Struct, frozen=True):
    """One horizontal line with its figure."""

    y: float
    label: str


class Label(Struct, frozen=True):
    """A month or a day under the chart; a minor one is left out on phones."""

    x: float
    text: str
    minor: bool = False


class Column(Struct, frozen=True):
    """One day: the whole column, and the part of it that is marked, at its foot."""

    x: float
    y: float
    height: float
    marked_y: float
    marked_height: float
    label: str
    count: int
    marked: int


class DayChart(Struct, frozen=True):
    """Everything that the template draws; coordinates in a box of `width` × `height`."""

    width: int
    height: int
    left: int
    right: int
    column_width: float
    columns: list[Column]
    grid: list[GridLine]
    labels: list[Label]


def draw_days(days: Sequence[tuple[date, int, int]]) -> DayChart:
    """Columns of days in order, each with a count and how many of it are marked; the scale begins at zero."""
    locale = current_locale()
    top, bottom = round_up(max([1, *(count for _, count, _ in days)])), HEIGHT - BOTTOM
    step = (WIDTH - LEFT - RIGHT) / max(1, len(days))
    wide = step * (1 - _GAP)

    def tall(count: int) -> float:
        return round(count / top * (bottom - TOP), 1)

    last = len(days) - 1
    return DayChart(
        WIDTH,
        HEIGHT,
        LEFT,
        WIDTH - RIGHT,
        round(wide, 1),
        [
            Column(
                x=round(LEFT + index * step + step * _GAP / 2, 1),
                y=bottom - tall(count),
                height=tall(count),
                marked_y=bottom - tall(marked),
                marked_height=tall(marked),
                label=format_short_day(day, locale),
                count=count,
                marked=marked,
            )
            for index, (day, count, marked) in enumerate(days)
        ],
        draw_grid(top, TOP, bottom),
        [
            Label(round(LEFT + (index + 0.5) * step, 1), format_short_day(day, locale), (last - index) % 4 != 0)
            for index, (day, _, _) in enumerate(days)
            if (last - index) % 2 == 0
        ],
    )


def draw_grid(top: int, ceiling: float, bottom: float) -> list[GridLine]:
    """Lines from zero at the bottom to the scale's end at the ceiling."""
    return [
        GridLine(bottom - line / GRID_LINES * (bottom - ceiling), _short(top * line // GRID_LINES))
        for line in range(GRID_LINES + 1)
    ]


def round_up(value: int) -> int:
    """The next figure of 4, 8, 20, 40, 60, 80 × 10ⁿ, so that a quarter of it is a round figure, too."""
    scale = 1
    while True:
        for step in (4, 8, 20):
            if value <= step * scale:
                return step * scale
        scale *= 10


def _short(value: int) -> str:
    return f"{value // 1000:,}k" if value >= 1000 and value % 1000 == 0 else f"{value:,}"
