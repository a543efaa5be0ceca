"""A draw and its prizes as the other modules read them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from liyu.core.database import fetch_all
from liyu.core.errors import NotFoundError
from liyu.redemption.draws.states import WITH_LIST, WITH_SEED


class TierTickets(Struct, frozen=True):
    """How many tickets an entry of a member of a tier has."""

    tier_id: int
    tickets: int


class Draw(Struct, frozen=True):
    """A draw with the item that stands for its entries. Points are those of one entry at the base price."""

    id: int
    number: str
    state: str
    item_id: int
    sku: str
    scene: str
    name_zh: str
    name_en: str
    points: int
    per_member_limit: int | None
    per_person_limit: int | None
    opens_at: datetime | None
    """As announced; in a draft the window of the item."""
    closes_at: datetime | None
    draws_at: datetime
    losing_points: str
    claim_hours: int | None
    tier_tickets: list[TierTickets] | None
    created_by: str
    created_at: datetime
    announced_at: datetime | None
    commitment: str | None
    frozen_at: datetime | None
    list_hash: str | None
    entries: int | None
    tickets: int | None
    decided_at: datetime | None
    seed: str | None
    finished_at: datetime | None

    @property
    def kind(self) -> str:
        """The kind of the item that stands for its entries."""
        return "draw"

    @property
    def has_list(self) -> bool:
        """Whether its list of entries is frozen and published."""
        return self.state in WITH_LIST

    @property
    def has_seed(self) -> bool:
        """Whether its seed is revealed and its order known."""
        return self.state in WITH_SEED

    def is_open(self, now: datetime) -> bool:
        """Whether one can enter."""
        return self.state == "announced" and self.opens_at is not None and self.opens_at <= now < self._closes

    def is_coming(self, now: datetime) -> bool:
        """Whether it is announced and one cannot enter yet."""
        return self.state == "announced" and self.opens_at is not None and now < self.opens_at

    @property
    def _closes(self) -> datetime:
        assert self.closes_at is not None
        return self.closes_at


class Prize(Struct, frozen=True):
    """Units of an item that are to be won; `given` of them are handed out."""

    id: int
    position: int
    item_id: int
    sku: str
    kind: str
    scene: str
    name_zh: str
    name_en: str
    value_minor: int
    units: int
    given: int


_DRAW = """
    SELECT d.id, d.number, d.state, i.id AS item_id, i.sku, i.scene, i.name_zh, i.name_en, i.points, i.per_member_limit,
        i.per_person_limit, coalesce(d.opens_at, i.on_sale_from) AS opens_at, coalesce(d.closes_at, i.on_sale_to) AS closes_at,
        d.draws_at, d.losing_points, d.claim_hours, d.tier_tickets, d.created_by, d.created_at, d.announced_at, d.commitment,
        d.frozen_at, d.list_hash, d.entries, d.tickets, d.decided_at, d.seed, d.finished_at
    FROM draw d JOIN item i ON i.id = d.entry_item_id"""
_PRIZES = """
    SELECT p.id, p.position, p.item_id, i.sku, i.kind, i.scene, i.name_zh, i.name_en, i.value_minor, p.units, p.given
    FROM draw_prize p JOIN item i ON i.id = p.item_id WHERE p.draw_id = %s ORDER BY p.position"""


async def find_draw(connection: AsyncConnection[Any], number: str) -> Draw:
    """The draw with this number. Raises NotFoundError."""
    found = await find_draws(connection, "WHERE d.number = %s", (number,))
    if not found:
        raise NotFoundError
    return found[0]


async def read_draw(connection: AsyncConnection[Any], draw_id: int) -> Draw:
    """The draw with this id. Raises NotFoundError."""
    found = await find_draws(connection, "WHERE d.id = %s", (draw_id,))
    if not found:
        raise NotFoundError
    return found[0]


async def find_draws(connection: AsyncConnection[Any], where: str, values: Sequence[Any] = ()) -> list[Draw]:
    """The draws that a clause selects; `d` is the draw and `i` the item of its entries."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(f"{_DRAW} {where}", values)
        return [msgspec.convert(row, Draw) for row in await cursor.fetchall()]


async def lock_draw(connection: AsyncConnection[Any], draw_id: int) -> str:
    """Lock a draw and return its state. Accounts and stocks are locked before it, redemptions after the stocks."""
    row = await (await connection.execute("SELECT state FROM draw WHERE id = %s FOR UPDATE", (draw_id,))).fetchone()
    if row is None:
        raise NotFoundError
    return str(row[0])


async def list_prizes(connection: AsyncConnection[Any], draw_id: int) -> list[Prize]:
    """What is to be won, the first prize first."""
    return await fetch_all(connection, Prize, _PRIZES, (draw_id,))


async def move_draw(
    connection: AsyncConnection[Any],
    draw_id: int,
    before: str,
    wanted: str,
    *,
    reason: str,
    actor: str,
    now: datetime,
) -> None:
    """Record that a draw has changed its state; the caller has written it."""
    await connection.execute(
        "INSERT INTO draw_transition (draw_id, from_state, to_state, reason, actor, at) VALUES (%s, %s, %s, %s, %s, %s)",
        (draw_id, before, wanted, reason, actor, now),
    )
