"""The chart of points issued, spent and lapsed, drawn on the server as plain SVG: it needs no script and no inline style."""

from collections.abc import Sequence
from datetime import date
from typing import Protocol

from msgspec import Struct

from liyu.members.points.health import MonthOfPoints
from liyu.web.charts import GridLine, Label, draw_grid, round_up
from liyu.web.formats import format_month
from liyu.web.i18n import current_locale

WIDTH, HEIGHT = 720, 250
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 20, 30


class MonthRow(Protocol):
    """The figures of one month."""

    @property
    def month(self) -> date:
        """First day of the month."""
        ...

    @property
    def issued(self) -> int:
        """Points issued."""
        ...

    @property
    def spent(self) -> int:
        """Points spent."""
        ...


class Chart(Struct, frozen=True):
    """Everything that the template draws; coordinates in a box of `width` × `height`."""

    width: int
    height: int
    left: int
    right: int
    area: str
    issued: str
    spent: str
    lapsed: str | None
    """Only where the figures have it."""
    grid: list[GridLine]
    labels: list[Label]


def draw_months(months: Sequence[MonthRow]) -> Chart:
    """Two or three lines over the months, upon a scale that begins at zero and ends at a round figure."""
    lapsed = [row.lapsed for row in months if isinstance(row, MonthOfPoints)]
    top = round_up(max([1, *(row.issued for row in months), *(row.spent for row in months), *lapsed]))
    bottom = HEIGHT - BOTTOM
    step = (WIDTH - LEFT - RIGHT) / max(1, len(months) - 1)

    def at(index: int, value: int) -> str:
        return f"{LEFT + index * step:.1f},{bottom - max(0, value) / top * (bottom - TOP):.1f}"

    issued = " ".join(at(index, row.issued) for index, row in enumerate(months))
    last = len(months) - 1
    return Chart(
        width=WIDTH,
        height=HEIGHT,
        left=LEFT,
        right=WIDTH - RIGHT,
        area=f"{at(0, 0)} {issued} {at(last, 0)}",
        issued=issued,
        spent=" ".join(at(index, row.spent) for index, row in enumerate(months)),
        lapsed=" ".join(at(index, value) for index, value in enumerate(lapsed)) or None,
        grid=draw_grid(top, TOP, bottom),
        labels=[
            Label(LEFT + index * step, format_month(row.month, current_locale()))
            for index, row in enumerate(months)
            if (last - index) % 2 == 0
        ],
    )
