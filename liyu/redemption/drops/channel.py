"""Telling every process that drops were planned, announced or ended. The message leaves with the commit, or not at all."""

from typing import Any

from psycopg import AsyncConnection

DROP_CHANNEL = "drops"


async def announce_drops(connection: AsyncConnection[Any]) -> None:
    """Ask every process to look at the drops anew."""
    await connection.execute("SELECT pg_notify(%s, '')", (DROP_CHANNEL,))
