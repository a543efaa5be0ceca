"""The desk: one in each process. It gathers the requests that are waiting and settles them as one batch in one transaction.

Read `docs/algorithms/desk.md` for the why. The order is lock → load → decide → save → commit → answer.
"""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.clock import Clock, local_date
from liyu.core.desk import BATCH_SIZE, GatheringDesk
from liyu.core.errors import DomainError, IdempotencyConflictError
from liyu.core.ledger.posting import system_accounts
from liyu.redemption.decide import apply, decide
from liyu.redemption.errors import RefusedError, UnknownItemError, UnknownMemberError, make_reason
from liyu.redemption.load import MergedMeanwhileError, is_contested, load_state, lock_and_read_stocks
from liyu.redemption.save import Batch, add_granted, add_refused, save
from liyu.redemption.state import Answer, DeskState, Granted, Ids, KeptAnswer, RedeemRequest


class Redeemed(Struct, frozen=True):
    """What a granted request got. `replayed` tells that this is the first answer once more."""

    number: str
    state: str
    points: int
    voucher_ids: list[int]
    expires_at: datetime | None
    replayed: bool = False


Outcome = Redeemed | DomainError


class Desk(GatheringDesk[RedeemRequest, Redeemed]):
    """Decides redemptions for one process."""

    passing_faults = (*GatheringDesk.passing_faults, MergedMeanwhileError)

    def __init__(self, database_url: str, clock: Clock, zone: ZoneInfo, *, payments_available: bool = False) -> None:
        super().__init__(database_url, batch_size=BATCH_SIZE)
        self.clock = clock
        self.zone = zone
        self.payments_available = payments_available
        self._accounts: dict[str, int] = {}

    async def redeem(self, request: RedeemRequest) -> Redeemed:
        """Settle one request; a caller that goes away changes nothing about the outcome.

        Raises RefusedError with every reason, UnknownMemberError, UnknownItemError, IdempotencyConflictError or BusyError.
        """
        return await self._join(request)

    async def prepare(self, connection: AsyncConnection[Any]) -> None:
        """Read the system accounts."""
        self._accounts = await system_accounts(connection)

    async def settle(self, connection: AsyncConnection[Any], requests: list[RedeemRequest]) -> list[Outcome]:
        """Lock, load, decide, save and commit one batch."""
        now = self.clock.now()
        today = local_date(now, self.zone)
        state, ids = await load_state(
            connection, requests, now, today, self.zone, payments_available=self.payments_available
        )
        if is_contested(state, requests):
            await lock_and_read_stocks(connection, state, requests)
        batch = Batch(now)
        outcomes = [self._settle_one(batch, state, request, ids) for request in requests]
        await save(connection, batch, self._accounts["points_redeemed"])
        return outcomes

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


def replay(kept: KeptAnswer, request: RedeemRequest) -> Outcome:
    """The first answer once more, or a conflict when the body is another one (docs/rules.md 8)."""
    if kept.body_hash != request.body_hash:
        return IdempotencyConflictError()
    return outcome_of(kept.answer, replayed=True)


def outcome_of(answer: Answer, *, replayed: bool = False) -> Outcome:
    """What a caller gets for an answer."""
    if answer.refused is not None:
        return RefusedError(reasons=[make_reason(name, **details) for name, details in answer.refused])
    return Redeemed(answer.number, answer.state, answer.points, answer.voucher_ids, answer.expires_at, replayed)
