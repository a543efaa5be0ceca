"""What each web process does for drops: it knows the board, opens waves at their instant, and writes down what it counted."""

import asyncio
import contextlib
from typing import Any

import structlog
from psycopg import AsyncConnection, OperationalError

from liyu.core.clock import Clock
from liyu.core.errors import DomainError
from liyu.core.keeper import Keeper
from liyu.redemption.desk import Desk, Redeemed
from liyu.redemption.drops.attempts import Attempts
from liyu.redemption.drops.board import Board, load_board
from liyu.redemption.drops.channel import DROP_CHANNEL
from liyu.redemption.drops.line import LineDesk
from liyu.redemption.drops.tally import Tally
from liyu.redemption.drops.waves import open_due_waves

TICK_SECONDS = 0.25
WRITE_EVERY = 4
"""Ticks between two writes of what was counted."""

log = structlog.get_logger()


class DropKeeper:
    """One for each web process. The worker opens waves, too; whoever is first does it (`open_due_waves`)."""

    def __init__(self, database_url: str, clock: Clock, desk: Desk) -> None:
        self.database_url = database_url
        self.clock = clock
        self.desk = LineDesk(desk)
        self.tally = Tally()
        self.attempts = Attempts()
        self._asked: set[asyncio.Task[Redeemed]] = set()
        self._board = Keeper(database_url, DROP_CHANNEL, load_board, Board(0))
        self._connection: AsyncConnection[Any] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def board(self) -> Board:
        """The drops that are announced, as of a moment ago."""
        return self._board.current

    def note(self, sku: str, member: str, refusal: DomainError) -> None:
        """Count a refusal that a host was given for a member, and note it for the log of why, if the item has a drop."""
        drop = self.board.by_sku.get(sku)
        if drop is not None:
            now = self.clock.now()
            self.tally.count(drop.id, refusal.stable_code, now=now)
            self.attempts.note(drop.id, member, refusal, now=now)

    def remember(self, asked: asyncio.Task[Redeemed]) -> asyncio.Task[Redeemed]:
        """Keep hold of a request to the desk until it is settled, whether or not somebody still waits for it."""
        self._asked.add(asked)
        asked.add_done_callback(self._let_go_of)
        return asked

    def _let_go_of(self, asked: asyncio.Task[Redeemed]) -> None:
        self._asked.discard(asked)
        if not asked.cancelled():
            # The outcome is kept for its key; who waits in the line looks it up.
            asked.exception()

    async def open(self) -> None:
        """Begin. Raises psycopg's OperationalError without a database."""
        await self._board.open()
        self._task = asyncio.create_task(self._tick(), name="drops")

    async def close(self) -> None:
        """Write down what was counted, and stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        with contextlib.suppress(OperationalError):
            await self._write()
        await self._board.close()
        if self._connection is not None:
            await self._connection.close()

    async def _tick(self) -> None:
        ticks = 0
        while True:
            await asyncio.sleep(TICK_SECONDS)
            ticks += 1
            try:
                if self.board.has_due_wave(self.clock.now()):
                    await open_due_waves(await self._connect(), now=self.clock.now())
                    await self._board.refresh(await self._connect())
                if ticks % WRITE_EVERY == 0:
                    await self._write()
                    await self._tell_line()
            except OperationalError as fault:
                log.warning("drops_lost_their_connection", fault=str(fault))
                await self._let_go()
            except Exception:
                # Whatever it is, the next tick must come: a wave opens in it.
                log.exception("drops_failed")
                await self._let_go()

    async def _write(self) -> None:
        if self.tally.has_news:
            await self.tally.write(await self._connect())
        if self.attempts.has_news:
            await self.attempts.write(await self._connect())

    async def _tell_line(self) -> None:
        if self.desk.has_news:
            await self.desk.tell(await self._connect(), now=self.clock.now())
        else:
            self.desk.rest()

    async def _connect(self) -> AsyncConnection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = await AsyncConnection.connect(
                self.database_url,
                autocommit=True,
                options="-c timezone=UTC -c application_name=liyu-drops -c lock_timeout=3s",
            )
        return self._connection

    async def _let_go(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(OperationalError):
                await self._connection.close()
            self._connection = None
