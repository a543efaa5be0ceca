"""A radar chart of scores, drawn on the server as plain SVG: it needs no script and no inline style."""

from collections.abc import Sequence
from fractions import Fraction
from math import cos, pi, sin

from msgspec import Struct

SIZE, CENTRE, RADIUS = 320, 160, 124
RINGS = (2, 4, 6, 8, 10)
HIGHEST = 10


class Axis(Struct, frozen=True):
    """A spoke with its label at the end."""

    x: float
    y: float
    label_x: float
    label_y: float
    anchor: str
    label: str


class Radar(Struct, frozen=True):
    """Everything that the template draws, in a box of `size` × `size`; polygons as SVG points."""

    size: int
    centre: int
    axes: list[Axis]
    rings: list[str]
    scores: str
    average: str | None
    """The mean of everything that was evaluated, to compare with."""


def draw_radar(labels: Sequence[str], scores: Sequence[Fraction], average: Sequence[Fraction] | None = None) -> Radar:
    """One polygon for the scores (1 to 10), one for the average; the first axis points up, the others follow clockwise."""
    count = len(labels)
    return Radar(
        SIZE,
        CENTRE,
        [_axis(place, count, label) for place, label in enumerate(labels)],
        [_polygon([Fraction(ring)] * count) for ring in RINGS],
        _polygon(scores),
        _polygon(average) if average else None,
    )


def _polygon(values: Sequence[Fraction]) -> str:
    points = (_at(place, len(values), float(value) / HIGHEST) for place, value in enumerate(values))
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _axis(place: int, count: int, label: str) -> Axis:
    x, y = _at(place, count, 1)
    label_x, label_y = _at(place, count, 1.14)
    anchor = "middle" if abs(label_x - CENTRE) < 1 else "start" if label_x > CENTRE else "end"
    # Labels at the sides stand above and below their spoke's end, where there is room for words.
    return Axis(round(x, 1), round(y, 1), round(label_x, 1), round(label_y + 4, 1), anchor, label)


def _at(place: int, count: int, share: float) -> tuple[float, float]:
    angle = 2 * pi * place / count - pi / 2
    return CENTRE + RADIUS * share * cos(angle), CENTRE + RADIUS * share * sin(angle)
