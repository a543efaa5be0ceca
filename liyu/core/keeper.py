"""Something small that every process keeps in memory, loaded whole, and fresh within a moment of the commit that changed it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import psycopg
import structlog
from psycopg import AsyncConnection

HEARTBEAT = 15.0
PAUSE = 1.0

Kept = TypeVar("Kept")
log = structlog.get_logger()


class Keeper(Generic[Kept]):
    """Follows one channel of notifications. `current` is what `load(connection, version)` gave last."""

    def __init__(
        self,
        database_url: str,
        channel: str,
        load: Callable[[AsyncConnection[Any], int], Awaitable[Kept]],
        nothing: Kept,
    ) -> None:
        self.database_url = database_url
        self.channel = channel
        self.current = nothing
        self._load = load
        self._version = 0
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Listen, load, and keep it fresh. Raises psycopg's OperationalError without a database."""
        connection = await self._listen()
        self._task = asyncio.create_task(self._follow(connection), name=f"keeper of {self.channel}")

    async def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def refresh(self, connection: AsyncConnection[Any]) -> None:
        """Load it anew."""
        self._version += 1
        self.current = await self._load(connection, self._version)

    async def _listen(self) -> AsyncConnection[Any]:
        options = f"-c timezone=UTC -c application_name=liyu-{self.channel}"
        connection = await AsyncConnection.connect(self.database_url, autocommit=True, options=options)
        try:
            await connection.execute(f"LISTEN {self.channel}")
            # Listening came first, so nothing falls between the two.
            await self.refresh(connection)
        except BaseException:
            await connection.close()
            raise
        return connection

    async def _follow(self, connection: AsyncConnection[Any]) -> None:
        while True:
            try:
                async with connection:
                    await self._hear(connection)
            except psycopg.OperationalError as fault:
                log.warning("keeper_lost_its_connection", channel=self.channel, fault=str(fault))
            connection = await self._listen_again()

    async def _hear(self, connection: AsyncConnection[Any]) -> None:
        while True:
            heard = [note async for note in connection.notifies(timeout=HEARTBEAT, stop_after=1)]
            if heard:
                await self.refresh(connection)
            else:
                await connection.execute("SELECT 1")

    async def _listen_again(self) -> AsyncConnection[Any]:
        while True:
            with contextlib.suppress(psycopg.OperationalError):
                return await self._listen()
            await asyncio.sleep(PAUSE)
