"""Telling every process that the published catalog has changed. The message leaves with the commit, or not at all."""

from typing import Any

from psycopg import AsyncConnection

CATALOG_CHANNEL = "catalog"
STOCK_CHANNEL = "stock"
"""The desk sends the id of each item whose stock it moved."""

EVERYTHING = ""
"""The payload that asks for a full reload; whoever changes partners, stores or tiers sends it."""

MOST_SINGLE_NOTES = 500


async def announce_items(connection: AsyncConnection[Any], item_ids: list[int]) -> None:
    """Announce changed items: one by one, or as "everything" when there are many."""
    payloads = [str(item_id) for item_id in item_ids] if len(item_ids) <= MOST_SINGLE_NOTES else [EVERYTHING]
    await connection.execute(
        "SELECT pg_notify(%s, payload) FROM unnest(%s::text[]) AS payload", (CATALOG_CHANNEL, payloads)
    )


async def announce_everything(connection: AsyncConnection[Any]) -> None:
    """Ask for a full reload, after a change of something that many items show: a partner, a store, a tier."""
    await connection.execute("SELECT pg_notify(%s, %s)", (CATALOG_CHANNEL, EVERYTHING))
