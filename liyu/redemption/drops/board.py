"""The board of drops: what every process knows of those that are announced, so that their pages and rules cost no query."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct
from psycopg import AsyncConnection

RUSH = timedelta(minutes=3)
"""For so long after each opening of a wave the rush is on."""
READY = timedelta(minutes=10)
"""From so long before an opening its question can be answered, so that one tap is enough when it opens."""

_BOARD = """
    SELECT coalesce(json_agg(json_build_object('id', d.id, 'number', d.number, 'sku', i.sku, 'item_id', d.item_id,
        'ends_at', d.ends_at, 'offer_minutes', d.offer_minutes, 'asks_attention', d.asks_attention, 'waves', (
            SELECT json_agg(json_build_object('number', w.number, 'opens_at', w.opens_at, 'units', w.units,
                'is_stocked', w.stocked_at IS NOT NULL) ORDER BY w.number)
            FROM drop_wave w WHERE w.drop_id = d.id)) ORDER BY d.id), '[]')::text
    FROM drop d JOIN item i ON i.id = d.item_id WHERE d.state = 'announced'"""


class Wave(Struct, frozen=True):
    """Units that become available at one instant."""

    number: int
    opens_at: datetime
    units: int
    is_stocked: bool


class AnnouncedDrop(Struct, frozen=True):
    """A drop that members see."""

    id: int
    number: str
    sku: str
    item_id: int
    ends_at: datetime
    offer_minutes: int
    asks_attention: bool
    waves: list[Wave]

    @property
    def units(self) -> int:
        """The units of all waves."""
        return sum(wave.units for wave in self.waves)

    def next_wave(self, now: datetime) -> Wave | None:
        """The wave that opens next."""
        return next((wave for wave in self.waves if wave.opens_at > now), None)

    def is_open(self, now: datetime) -> bool:
        """Whether its first wave has opened and its sale goes on."""
        return self.waves[0].opens_at <= now < self.ends_at

    def is_rushed(self, now: datetime) -> bool:
        """Whether a wave has just opened."""
        return any(wave.opens_at <= now < wave.opens_at + RUSH for wave in self.waves)

    def shows_question(self, now: datetime) -> bool:
        """Whether the question can be answered: from a while before each opening until its rush is over."""
        return self.asks_attention and any(wave.opens_at - READY <= now < wave.opens_at + RUSH for wave in self.waves)


class Board(Struct, frozen=True):
    """All announced drops; `version` grows with every change."""

    version: int
    drops: dict[str, AnnouncedDrop] = {}
    by_sku: dict[str, AnnouncedDrop] = {}

    def has_due_wave(self, now: datetime) -> bool:
        """Whether a later wave's instant has come while its units are not in stock yet."""
        return any(not wave.is_stocked and wave.opens_at <= now for drop in self.drops.values() for wave in drop.waves)


_decoder = msgspec.json.Decoder(list[AnnouncedDrop])


async def load_board(connection: AsyncConnection[Any], version: int) -> Board:
    """The drops that are announced."""
    row = await (await connection.execute(_BOARD)).fetchone()
    assert row is not None
    drops = _decoder.decode(row[0])
    return Board(version, {drop.number: drop for drop in drops}, {drop.sku: drop for drop in drops})
