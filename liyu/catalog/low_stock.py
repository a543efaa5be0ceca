"""What is about to run out: code pools by their forecast, and other stock by what is left of it. Whose is the first argument."""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.catalog.pools.queries import list_pools
from liyu.core.database import fetch_all
from liyu.partners.scope import PartnerScope, partner_filter

LOW_PERCENT = 10
"""Stock of which no more than this is left is low. Drops are meant to run out, and are left out."""
MOST_SHOWN = 6

_LOW = """
    SELECT i.sku, i.name_zh, i.name_en, s.total - s.taken AS "left", s.total
    FROM item i JOIN item_stock s ON s.item_id = i.id
    WHERE i.state = 'live' AND i.kind <> 'code' AND NOT i.is_drop AND (s.total - s.taken) * 100 <= s.total * %(percent)s
        AND (i.on_sale_from IS NULL OR i.on_sale_from <= %(now)s) AND (i.on_sale_to IS NULL OR i.on_sale_to > %(now)s)
        AND (%(partner)s::bigint IS NULL OR i.partner_id = %(partner)s)
    ORDER BY s.total - s.taken, i.id LIMIT %(most)s"""


class LowStock(Struct, frozen=True):
    """An item of which little is left; `total` is None for pools, which are filled again and again."""

    sku: str
    name_zh: str
    name_en: str
    left: int
    total: int | None
    is_pool: bool = False
    runs_out_on: date | None = None
    """Of a pool, at the present rate."""


async def list_low_stock(
    scope: PartnerScope, connection: AsyncConnection[Any], *, now: datetime, zone: ZoneInfo
) -> list[LowStock]:
    """Live items that are empty or low, the emptiest first."""
    values = {"percent": LOW_PERCENT, "now": now, "partner": partner_filter(scope), "most": MOST_SHOWN}
    low = await fetch_all(connection, LowStock, _LOW, values)
    pools = await list_pools(scope, connection, now=now, zone=zone)
    low += [
        LowStock(pool.sku, pool.name_zh, pool.name_en, pool.free, None, True, pool.future.runs_out_on)
        for pool in pools
        if pool.state == "live" and pool.future.level in ("empty", "low")
    ]
    return sorted(low, key=lambda one: (one.left, one.sku))[:MOST_SHOWN]
