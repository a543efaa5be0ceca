"""What an operator should look at before drops collide: found in the plan, without any I/O."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from msgspec import Struct

from liyu.redemption.drops.queries import DropLine

CLOSE = timedelta(minutes=10)
"""Waves of two drops that open closer together than this share one rush."""
LATE = timedelta(hours=24)
"""A drop that is not announced so long before its opening is seen by few."""


class Conflict(Struct, frozen=True):
    """Something that stands against a plan: `rush_together`, `item_not_live` or `not_announced`."""

    kind: str
    at: datetime
    drop: DropLine
    other: DropLine | None = None


def find_conflicts(drops: Sequence[DropLine], now: datetime) -> list[Conflict]:
    """All conflicts of these drops from now on, in the order of time."""
    waves = sorted(
        ((wave.opens_at, drop) for drop in drops if drop.state in ("planned", "announced") for wave in drop.waves),
        key=lambda opening: opening[0],
    )
    found = [
        Conflict("rush_together", at, drop, before)
        for (earlier, before), (at, drop) in pairwise(waves)
        if at - earlier < CLOSE and drop.id != before.id and at > now
    ]
    for drop in drops:
        opens_at = drop.waves[0].opens_at
        if drop.state in ("planned", "announced") and drop.ends_at > now and drop.item_state != "live":
            found.append(Conflict("item_not_live", opens_at, drop))
        if drop.state == "planned" and opens_at - now < LATE:
            found.append(Conflict("not_announced", opens_at, drop))
    return sorted(found, key=lambda conflict: conflict.at)
