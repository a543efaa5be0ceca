"""Connections for the one or two small reads that every page of a signed-in person begins with.

They need no transaction, and no check before use: a connection that turns out to be broken is replaced and the read is done
once more. Through the pool of the unit of work such a read would cost four ways to the database instead of one.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from psycopg import AsyncConnection, OperationalError

MOST_CONNECTIONS = 8

Result = TypeVar("Result")


class Reader:
    """A few connections in autocommit, opened when they are needed."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._idle: list[AsyncConnection[Any]] = []
        # In a rush readers wait for each other instead of taking all the connections that the database has.
        self._places = asyncio.Semaphore(MOST_CONNECTIONS)

    async def read(self, ask: Callable[[AsyncConnection[Any]], Awaitable[Result]]) -> Result:
        """What `ask` answers on a connection of its own. Raises what it raises; a lost connection is tried again once."""
        async with self._places:
            if self._idle:
                connection = self._idle.pop()
                try:
                    return await self._ask(connection, ask)
                except OperationalError:
                    # The database was away: the other idle ones are broken, too.
                    await self.close()
            return await self._ask(await self._connect(), ask)

    async def close(self) -> None:
        """Let go of the idle connections."""
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.close()

    async def _ask(
        self, connection: AsyncConnection[Any], ask: Callable[[AsyncConnection[Any]], Awaitable[Result]]
    ) -> Result:
        try:
            answer = await ask(connection)
        except BaseException:
            # A caller that went away may have left an answer unread on it.
            await connection.close()
            raise
        self._idle.append(connection)
        return answer

    async def _connect(self) -> AsyncConnection[Any]:
        return await AsyncConnection.connect(
            self._database_url,
            autocommit=True,
            options="-c timezone=UTC -c lock_timeout=5s -c plan_cache_mode=force_generic_plan",
        )
