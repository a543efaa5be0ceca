"""What desks have in common: whatever goes wrong, everybody who waits gets an answer."""

import asyncio
from typing import Any

from psycopg import AsyncConnection

from liyu.core.desk import GatheringDesk
from liyu.core.errors import DomainError


class Echo(GatheringDesk[str, str]):
    """Answers what it was asked, unless it is told to fail."""

    failures = 0
    """So often what is tried next fails: a batch, or what is read for a new connection."""

    def _fail(self) -> None:
        if self.failures:
            self.failures -= 1
            raise LookupError("The database is not ready.")

    async def prepare(self, connection: AsyncConnection[Any]) -> None:
        """Read nothing."""
        self._fail()

    async def settle(self, connection: AsyncConnection[Any], requests: list[str]) -> list[str | DomainError]:
        """Answer."""
        self._fail()
        return list(requests)


async def test_a_desk_whose_new_connection_fails_too_lives_on(database_url: str) -> None:
    desk = Echo(database_url)
    await desk.open()
    try:
        desk.failures = 2  # a batch, and then what a connection needs
        assert await asyncio.wait_for(desk._join("first"), 20) == "first"
        assert await asyncio.wait_for(desk._join("second"), 20) == "second"
    finally:
        await desk.close()
