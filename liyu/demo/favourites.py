"""What the demo's member keeps an eye on: marked before a drop opened, so that the inbox says that it is open now."""

from datetime import datetime, timedelta
from typing import Any

from psycopg import AsyncConnection

from liyu.catalog.favourites import look_at_item, mark_favourite, watch_favourites
from liyu.demo.activity import DEMO_MEMBER
from liyu.members.queries import find_member_id

FAVOURITES = ("G-BIKE", "ATOUR-STAY", "G-LONGJING", "CMB-LOUNGE-2")
SEEN = ("WANDA-2D", "GIVE-TREE", "HEYTEA-SIGNATURE", "CMB-LOUNGE-2")


async def keep_an_eye(connection: AsyncConnection[Any], now: datetime) -> None:
    """Mark favourites, look at a few items, and let the watch tell what has come within reach."""
    member = await find_member_id(connection, DEMO_MEMBER)
    found = await connection.execute(
        "SELECT sku, id, on_sale_from FROM item WHERE sku = ANY(%s)", ([*FAVOURITES, *SEEN],)
    )
    items = {sku: (item_id, opens) for sku, item_id, opens in await found.fetchall()}
    for sku in FAVOURITES:
        item_id, opens = items[sku]
        before = opens - timedelta(hours=1) if opens is not None and opens <= now else now
        await mark_favourite(connection, member, item_id, now=before)
    for minutes, sku in enumerate(SEEN):
        await look_at_item(connection, member, items[sku][0], now=now - timedelta(minutes=len(SEEN) - minutes))
    await watch_favourites(connection, now=now)
