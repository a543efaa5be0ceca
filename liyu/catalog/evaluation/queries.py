"""Reading what is evaluated: items that have been scored, and live ones that nobody has scored yet."""

from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.catalog.errors import ItemNotFoundError
from liyu.core.database import fetch_all

_SCORED = """
    SELECT i.id, i.sku, i.name_zh, i.name_en, i.scene, i.state, i.kind, s.taken
    FROM item i JOIN item_stock s ON s.item_id = i.id
    WHERE EXISTS (SELECT FROM score_sheet x WHERE x.item_id = i.id) ORDER BY i.id"""
_UNSCORED = """
    SELECT i.id, i.sku, i.name_zh, i.name_en, i.scene, i.state, i.kind, s.taken
    FROM item i JOIN item_stock s ON s.item_id = i.id
    WHERE i.state = 'live' AND i.variant_of IS NULL AND NOT EXISTS (SELECT FROM score_sheet x WHERE x.item_id = i.id)
    ORDER BY s.taken DESC, i.id LIMIT %s"""
_ONE = """
    SELECT i.id, i.sku, i.name_zh, i.name_en, i.scene, i.state, i.kind, s.taken
    FROM item i JOIN item_stock s ON s.item_id = i.id WHERE i.sku = %s"""


class RightLine(Struct, frozen=True):
    """An item as the evaluation sees it."""

    id: int
    sku: str
    name_zh: str
    name_en: str
    scene: str
    state: str
    kind: str
    taken: int
    """Units that members have redeemed."""


async def scored_items(connection: AsyncConnection[Any]) -> list[RightLine]:
    """Every item that has a score sheet."""
    return await _rows(connection, _SCORED, ())


async def unscored_items(connection: AsyncConnection[Any], *, size: int) -> list[RightLine]:
    """Live items without a score sheet, those redeemed most first."""
    return await _rows(connection, _UNSCORED, (size,))


async def find_right(connection: AsyncConnection[Any], sku: str) -> RightLine:
    """An item by its number. Raises ItemNotFoundError."""
    found = await _rows(connection, _ONE, (sku,))
    if not found:
        raise ItemNotFoundError
    return found[0]


async def _rows(connection: AsyncConnection[Any], query: str, values: tuple[Any, ...]) -> list[RightLine]:
    return await fetch_all(connection, RightLine, query, values)
