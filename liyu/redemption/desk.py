"""The desk: one in each process. It gathers the requests that are waiting and settles them as one batch in one transaction.

Read `docs/algorithms/desk.md` for the why. The order is lock → load → decide → save → commit → answer.
"""

import asyncio
import contextlib
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from msgspec import Struct
from psycopg import AsyncConnection, Error, IntegrityError, OperationalError
from psycopg.errors import DeadlockDetected, LockNotAvailable, QueryCanceled

from liyu.core.clock import Clock, local_date
from liyu.core.errors import BusyError, DomainError, IdempotencyConflictError
from liyu.core.ledger.posting import system_accounts
from liyu.redemption.decide import apply, decide
from liyu.redemption.errors import RefusedError, UnknownItemError, UnknownMemberError, make_reason
from liyu.redemption.load import MergedMeanwhileError, is_contested, load_state, lock_and_read_stocks
from liyu.redemption.save import Batch, add_granted, add_refused, save
from liyu.redemption.state import Answer, DeskState, Granted, Ids, KeptAnswer, RedeemRequest

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

log = structlog.get_logger()


class Redeemed(Struct, frozen=True):
    """What a granted request got. `replayed` tells that this is the first answer once more."""

    number: str
    state: str
    points: int
    voucher_ids: list[int]
    expires_at: datetime | None
    replayed: bool = False


Outcome = Redeemed | DomainError


class _Waiting:
    """A request and the caller who waits for its outcome; the caller may be gone by then."""

    __slots__ = ("future", "request")

    def __init__(self, request: RedeemRequest) -> None:
        self.request = request
        self.future: asyncio.Future[Redeemed] = asyncio.get_running_loop().create_future()

    def answer(self, outcome: Outcome) -> None:
        if self.future.done():
            return
        if isinstance(outcome, DomainError):
            self.future.set_exception(outcome)
        else:
            self.future.set_result(outcome)


class Desk:
    """Decides redemptions for one process. Any number of desks work on the same database at once: the locks are there."""

    def __init__(self, database_url: str, clock: Clock, zone: ZoneInfo, *, payments_available: bool = False) -> None:
        self.database_url = database_url
        self.clock = clock
        self.zone = zone
        self.payments_available = payments_available
        self._waiting: list[_Waiting] = []
        self._something_waits = asyncio.Event()
        self._connection: AsyncConnection[Any] | None = None
        self._accounts: dict[str, int] = {}
        self._worker: asyncio.Task[None] | None = None
        self.joined = self.settled = 0
        """Requests that came and that are done since the desk was made: their difference is the line at this desk."""

    async def open(self) -> None:
        """Connect and start to work."""
        await self._connect()
        self._worker = asyncio.create_task(self._work(), name="desk")

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

    async def redeem(self, request: RedeemRequest) -> Redeemed:
        """Settle one request; a caller that goes away changes nothing about the outcome.

        Raises RefusedError with every reason, UnknownMemberError, UnknownItemError, IdempotencyConflictError or BusyError.
        """
        waiting = _Waiting(request)
        self._waiting.append(waiting)
        self.joined += 1
        self._something_waits.set()
        return await waiting.future

    async def _work(self) -> None:
        while True:
            await self._something_waits.wait()
            for _ in range(GATHERING_TURNS):
                await asyncio.sleep(0)
            batch, self._waiting = self._waiting[:BATCH_SIZE], self._waiting[BATCH_SIZE:]
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

    async def _settle_all(self, batch: list[_Waiting]) -> None:
        outcomes = await self._try_to_settle([waiting.request for waiting in batch])
        if outcomes is None and len(batch) > 1:
            # One bad request harms no other: each gets a transaction of its own.
            for waiting in batch:
                await self._settle_all([waiting])
            return
        for waiting, outcome in zip(batch, outcomes or [BusyError()], strict=True):
            waiting.answer(outcome)

    async def _try_to_settle(self, requests: list[RedeemRequest]) -> list[Outcome] | None:
        tries = TRIES if len(requests) == 1 else 1
        for _ in range(tries):
            try:
                return await self._settle(requests)
            except (IntegrityError, LockNotAvailable, DeadlockDetected, QueryCanceled, MergedMeanwhileError) as fault:
                log.warning("batch_refused_by_database", requests=len(requests), fault=type(fault).__name__)
            except OperationalError as fault:
                log.warning("desk_lost_its_connection", fault=str(fault))
                await self._reconnect()
            except Exception:
                log.exception("batch_failed", requests=len(requests))
                await self._reconnect()
        return None

    async def _settle(self, requests: list[RedeemRequest]) -> list[Outcome]:
        connection = await self._connect()
        now = self.clock.now()
        today = local_date(now, self.zone)
        try:
            state, ids = await load_state(
                connection, requests, now, today, self.zone, payments_available=self.payments_available
            )
            if is_contested(state, requests):
                await lock_and_read_stocks(connection, state, requests)
            batch = Batch(now)
            outcomes = [self._settle_one(batch, state, request, ids) for request in requests]
            await save(connection, batch, self._accounts["points_redeemed"])
        except BaseException:
            await self._roll_back()
            raise
        return outcomes

    async def _roll_back(self) -> None:
        """Leave no transaction open. Where even that fails, a new connection is made before the next batch."""
        assert self._connection is not None
        try:
            await self._connection.rollback()
        except Error:
            await self._connection.close()

    def _settle_one(self, batch: Batch, state: DeskState, request: RedeemRequest, ids: Ids) -> Outcome:
        place = (request.scope, request.key)
        if place in state.answers:
            return replay(state.answers[place], request)
        if request.member not in state.members:
            return UnknownMemberError()
        if request.sku not in state.items:
            return UnknownItemError()
        decision = decide(state, request)
        if isinstance(decision, Granted):
            apply(state, request, decision)
            answer = add_granted(batch, state, request, decision, ids)
        else:
            answer = add_refused(batch, request, decision)
        state.answers[place] = KeptAnswer(request.body_hash, answer)
        return outcome_of(answer)

    async def _connect(self) -> AsyncConnection[Any]:
        if self._connection is None or self._connection.closed:
            options = " ".join(f"-c {setting}" for setting in CONNECTION_SETTINGS)
            self._connection = await AsyncConnection.connect(self.database_url, autocommit=True, options=options)
            self._accounts = await system_accounts(self._connection)
        return self._connection

    async def _reconnect(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(Error):
                await self._connection.close()
            self._connection = None
        try:
            await self._connect()
        except OperationalError:
            await asyncio.sleep(0.5)


def replay(kept: KeptAnswer, request: RedeemRequest) -> Outcome:
    """The first answer once more, or a conflict when the body is another one (DESIGN rule 8)."""
    if kept.body_hash != request.body_hash:
        return IdempotencyConflictError()
    return outcome_of(kept.answer, replayed=True)


def outcome_of(answer: Answer, *, replayed: bool = False) -> Outcome:
    """What a caller gets for an answer."""
    if answer.refused is not None:
        return RefusedError(reasons=[make_reason(name, **details) for name, details in answer.refused])
    return Redeemed(answer.number, answer.state, answer.points, answer.voucher_ids, answer.expires_at, replayed)
