"""The mix of the mall: how many live rights there are by scene and by tier, against the targets that operators set."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.catalog.models import SCENES
from liyu.core.bulk import encode_rows, record_of

_COUNTS = """
    SELECT i.scene, coalesce(t.code, (SELECT code FROM tier ORDER BY rank LIMIT 1)) AS tier, i.state = 'live', count(*)
    FROM item i LEFT JOIN tier t ON t.id = i.tier_id
    WHERE i.state IN ('live', 'draft', 'submitted', 'approved', 'paused') AND i.variant_of IS NULL GROUP BY 1, 2, 3"""
_CANDIDATES = "SELECT scene, count(*) FROM right_candidate WHERE state IN ('open', 'planned') GROUP BY scene"
_TIERS = "SELECT code, name_zh, name_en FROM tier ORDER BY rank"
_TARGETS = "SELECT axis, code, wanted FROM mix_target"


class Target(Struct, frozen=True):
    """How many rights there should be."""

    axis: str
    code: str
    wanted: int
    changed_at: datetime


class TierName(Struct, frozen=True):
    """A tier, the lowest first."""

    code: str
    name_zh: str
    name_en: str


class Line(Struct, frozen=True):
    """A scene or a tier: what is there, what is on the way, what is wanted."""

    code: str
    live: int
    coming: int
    """Items that are not on sale: drafts, under review, approved or paused."""
    candidates: int
    wanted: int

    @property
    def missing(self) -> int:
        """How many rights it lacks."""
        return max(self.wanted - self.live, 0)


class Mix(Struct, frozen=True):
    """The mix. An item without a lowest tier counts for the lowest one; members of a tier have those below theirs, too."""

    tiers: list[TierName]
    cells: dict[tuple[str, str], int]
    """Live items by scene and lowest tier."""
    scenes: list[Line]
    by_tier: list[Line]

    @property
    def thin(self) -> list[Line]:
        """The scenes that lack most, the thinnest first."""
        return sorted((one for one in self.scenes if one.missing), key=lambda one: (-one.missing, one.live))


def make_mix(
    tiers: Sequence[TierName],
    counts: Sequence[tuple[str, str, bool, int]],
    candidates: Mapping[str, int],
    targets: Mapping[tuple[str, str], int],
) -> Mix:
    """Sum the counts (scene, lowest tier, live?, items) by scene and by tier, beside their targets. Pure."""
    cells: Counter[tuple[str, str]] = Counter()
    coming: Counter[tuple[str, str]] = Counter()
    for scene, tier, is_live, number in counts:
        (cells if is_live else coming)[scene, tier] += number

    def line(axis: str, code: str, place: int, waiting: int) -> Line:
        live, soon = (sum(n for key, n in one.items() if key[place] == code) for one in (cells, coming))
        return Line(code, live, soon, waiting, targets.get((axis, code), 0))

    return Mix(
        list(tiers),
        dict(cells),
        [line("scene", scene, 0, candidates.get(scene, 0)) for scene in SCENES],
        [line("tier", tier.code, 1, 0) for tier in tiers],
    )


async def load_mix(connection: AsyncConnection[Any]) -> Mix:
    """The mix as it is now."""
    tiers = [TierName(*row) for row in await (await connection.execute(_TIERS)).fetchall()]
    counts = await (await connection.execute(_COUNTS)).fetchall()
    candidates = dict(await (await connection.execute(_CANDIDATES)).fetchall())
    targets = {(axis, code): wanted for axis, code, wanted in await (await connection.execute(_TARGETS)).fetchall()}
    return make_mix(tiers, counts, candidates, targets)


async def set_targets(connection: AsyncConnection[Any], targets: Sequence[Target]) -> None:
    """Set the targets that are given; others stay."""
    await connection.execute(
        f"INSERT INTO mix_target (axis, code, wanted, changed_at) SELECT axis, code, wanted, changed_at FROM {record_of(Target)} "
        "ON CONFLICT (axis, code) DO UPDATE SET wanted = excluded.wanted, changed_at = excluded.changed_at",
        (encode_rows(list(targets)),),
    )
