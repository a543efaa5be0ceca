"""The desk of verifications: one in each process, which answers all tills that wait in one transaction."""

from typing import Any
from zoneinfo import ZoneInfo

from psycopg import AsyncConnection

from liyu.core.clock import Clock
from liyu.core.desk import GatheringDesk
from liyu.core.errors import DomainError
from liyu.partners.settlement.accrue import PricedLine
from liyu.vouchers.save import UsedUpHook
from liyu.vouchers.shown import VerifyRequest
from liyu.vouchers.tokens import Tokens
from liyu.vouchers.verify import Verified, settle


class VerifyDesk(GatheringDesk[VerifyRequest, Verified]):
    """Verifies for one process."""

    def __init__(
        self, database_url: str, clock: Clock, zone: ZoneInfo, tokens: Tokens, on_used_up: UsedUpHook | None = None
    ) -> None:
        super().__init__(database_url)
        self.clock = clock
        self.zone = zone
        self.tokens = tokens
        self.on_used_up = on_used_up
        self._lines: dict[int, PricedLine] = {}

    async def verify(self, request: VerifyRequest) -> Verified:
        """Verify one voucher; a caller that goes away changes nothing about the outcome.

        Raises a VoucherRefusedError, of which the attempt is kept; OtherStoreError, LimitExceededError,
        IdempotencyConflictError or BusyError.
        """
        return await self._join(request)

    async def settle(
        self, connection: AsyncConnection[Any], requests: list[VerifyRequest]
    ) -> list[Verified | DomainError]:
        """Lock, load, decide, save and commit one batch."""
        lines = dict(self._lines)
        outcomes = await settle(
            connection,
            requests,
            now=self.clock.now(),
            zone=self.zone,
            tokens=self.tokens,
            lines=lines,
            on_used_up=self.on_used_up,
            whole=True,
        )
        # What was read of new lines is kept once it is committed: a partner's account may have been made with it.
        self._lines = lines
        return outcomes
