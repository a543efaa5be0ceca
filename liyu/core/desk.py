"""What desks have in common: one in each process gathers the requests that wait, and settles them as one batch in one transaction.

Read `docs/algorithms/desk.md` for the why. What a batch locks, loads, decides and saves is for each desk to say.
"""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

import structlog
from psycopg import AsyncConnection, Error, IntegrityError, OperationalError
from psycopg.errors import DeadlockDetected, LockNotAvailable, QueryCanceled

from liyu.core.errors import BusyError, DomainError

BATCH_SIZE = 256
GATHERING_TURNS = 2
"""For so many turns of the event loop what is ready to be read joins the batch. Without them a rush falls into two crowds, of
which one is decided while the other is answered, and each batch is half as large (docs/adr/0018)."""
LOCK_SECONDS = 3
TRIES = 3

CONNECTION_SETTINGS = (
    "timezone=UTC",
    f"lock_timeout={LOCK_SECONDS}s",
    "jit=off",
    # A batch looks up a few hundred rows by key. Nested index scans are right for that whatever the statistics say, and
    # an installation that has just been filled has none.
    "enable_seqscan=off",
    "enable_hashjoin=off",
    "enable_mergejoin=off",
    # The same few statements again and again: planned once, whatever the values.
    "plan_cache_mode=force_generic_plan",
)

Request = TypeVar("Request")
Answer = TypeVar("Answer")

log = structlog.get_logger()


class _Waiting(Generic[Request, Answer]):
    """A request and the caller who waits for its outcome; the caller may be gone by then."""

    __slots__ = ("future", "request")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def answer(self, outcome: Answer | DomainError) -> None:
        if self.future.done():
            return
        if isinstance(outcome, DomainError):
            self.future.set_exception(outcome)
        else:
            self.future.set_result(outcome)


class GatheringDesk(ABC, Generic[Request, Answer]):
    """Settles requests for one process. Any number of desks work on the same database at once: the locks are there."""

    passing_faults: tuple[type[Exception], ...] = (IntegrityError, LockNotAvailable, DeadlockDetected, QueryCanceled)
    """Why the database refuses a batch that may go through one by one, or the next time."""

    def __init__(self, database_url: str, *, batch_size: int = BATCH_SIZE) -> None:
        self.database_url = database_url
        self._batch_size = batch_size
        self._waiting: list[_Waiting[Request, Answer]] = []
        self._something_waits = asyncio.Event()
        self._connection: AsyncConnection[Any] | None = None
        self._worker: asyncio.Task[None] | None = None
        self.joined = self.settled = 0
        """Requests that came and that are done since the desk was made: their difference is the line at this desk."""

    @abstractmethod
    async def settle(self, connection: AsyncConnection[Any], requests: list[Request]) -> list[Answer | DomainError]:
        """Begin a transaction, decide the requests in order, save and commit. What it raises rolls all of it back."""

    async def prepare(self, connection: AsyncConnection[Any]) -> None:
        """Read what stays the same as long as the connection lives."""

    async def open(self) -> None:
        """Connect and start to work."""
        await self._connect()
        self._worker = asyncio.create_task(self._work(), name=type(self).__name__)

    async def close(self) -> None:
        """Finish the batch in hand, refuse what still waits, and disconnect."""
        if self._worker is not None:
            self._worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._worker
        for waiting in self._waiting:
            waiting.answer(BusyError())
        if self._connection is not None:
            await self._connection.close()

    def _join(self, request: Request) -> asyncio.Future[Answer]:
        """Put a request into the line; a caller that goes away changes nothing about its outcome."""
        waiting: _Waiting[Request, Answer] = _Waiting(request)
        self._waiting.append(waiting)
        self.joined += 1
        self._something_waits.set()
        return waiting.future

    async def _work(self) -> None:
        while True:
            await self._something_waits.wait()
            for _ in range(GATHERING_TURNS):
                await asyncio.sleep(0)
            batch, self._waiting = self._waiting[: self._batch_size], self._waiting[self._batch_size :]
            if not self._waiting:
                self._something_waits.clear()
            # A batch in hand is finished even when the desk is told to close: its outcome may already be committed.
            settling = asyncio.create_task(self._settle_all(batch))
            try:
                await asyncio.shield(settling)
            except asyncio.CancelledError:
                await settling
                raise
            self.settled += len(batch)

    async def _settle_all(self, batch: list[_Waiting[Request, Answer]]) -> None:
        outcomes = await self._try_to_settle([waiting.request for waiting in batch])
        if outcomes is None and len(batch) > 1:
            # One bad request harms no other: each gets a transaction of its own.
            for waiting in batch:
                await self._settle_all([waiting])
            return
        for waiting, outcome in zip(batch, outcomes or [BusyError()], strict=True):
            waiting.answer(outcome)

    async def _try_to_settle(self, requests: list[Request]) -> list[Answer | DomainError] | None:
        tries = TRIES if len(requests) == 1 else 1
        for _ in range(tries):
            try:
                return await self._settle(requests)
            except self.passing_faults as fault:
                log.warning("batch_refused_by_database", requests=len(requests), fault=type(fault).__name__)
            except OperationalError as fault:
                log.warning("desk_lost_its_connection", fault=str(fault))
                await self._reconnect()
            except Exception:
                log.exception("batch_failed", requests=len(requests))
                await self._reconnect()
        return None

    async def _settle(self, requests: list[Request]) -> list[Answer | DomainError]:
        connection = await self._connect()
        try:
            return await self.settle(connection, requests)
        except BaseException:
            await self._roll_back()
            raise

    async def _roll_back(self) -> None:
        """Leave no transaction open. Where even that fails, a new connection is made before the next batch."""
        assert self._connection is not None
        try:
            await self._connection.rollback()
        except Error:
            await self._connection.close()

    async def _connect(self) -> AsyncConnection[Any]:
        if self._connection is None or self._connection.closed:
            options = " ".join(f"-c {setting}" for setting in CONNECTION_SETTINGS)
            connection = await AsyncConnection.connect(self.database_url, autocommit=True, options=options)
            try:
                await self.prepare(connection)
            except BaseException:
                await connection.close()
                raise
            self._connection = connection
        return self._connection

    async def _reconnect(self) -> None:
        """Connect anew. Where that fails, too, whatever the reason, the next try connects: the desk lives on."""
        if self._connection is not None:
            with contextlib.suppress(Error):
                await self._connection.close()
            self._connection = None
        try:
            await self._connect()
        except OperationalError:
            await asyncio.sleep(0.5)
        except Exception:
            log.exception("desk_has_no_connection")
            await asyncio.sleep(0.5)
