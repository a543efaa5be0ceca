"""What every page says about the program: kept in the process, so that a guest's page asks the database nothing."""

import asyncio
import time
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from liyu.core.database import Sessions, driver_connection
from liyu.core.money import DEFAULT_CURRENCY
from liyu.members.models import Program
from liyu.redemption.orderdesk.rules import DEFAULT_RULES, load_rules

_FRESH_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class ProgramFacts:
    """The program as pages show it."""

    name_zh: str = "礼遇"
    name_en: str = "Liyu"
    currency: str = DEFAULT_CURRENCY
    lapsed_grace_days: int = 0
    undo_minutes: int = 0
    return_days: int = DEFAULT_RULES.return_days
    """Days in which goods may be given back where their item says nothing else."""
    points_per_currency_unit: int = 10
    support_phone: str = ""
    demo: bool = False


class ProgramCache:
    """The program's facts, read again in the background when they are older than half a minute."""

    def __init__(self) -> None:
        self.facts = ProgramFacts()
        self._read_at = float("-inf")
        self._task: asyncio.Task[None] | None = None

    def current(self, sessions: Sessions) -> ProgramFacts:
        """The facts at hand, at once; starts a reading when they are old."""
        if time.monotonic() - self._read_at > _FRESH_SECONDS and (self._task is None or self._task.done()):
            self._read_at = time.monotonic()
            self._task = asyncio.get_running_loop().create_task(self.refresh(sessions))
        return self.facts

    async def refresh(self, sessions: Sessions) -> None:
        """Read the program now; without a database the facts at hand stay."""
        try:
            async with sessions() as session:
                row = await session.scalar(select(Program))
                rules = await load_rules(await driver_connection(session))
        except (SQLAlchemyError, OSError):
            return
        self._read_at = time.monotonic()
        if row is not None:
            self.facts = ProgramFacts(
                name_zh=row.name_zh,
                name_en=row.name_en,
                currency=row.currency,
                lapsed_grace_days=row.lapsed_grace_days,
                undo_minutes=row.undo_minutes,
                return_days=rules.return_days,
                points_per_currency_unit=row.points_per_currency_unit,
                support_phone=row.support_phone,
                demo=row.demo,
            )

    async def close(self) -> None:
        """Wait for a reading that is under way."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
