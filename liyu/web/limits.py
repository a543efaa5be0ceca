from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from liyu.core import limits
from liyu.core.database import unit_of_work
from liyu.core.errors import DomainError
from liyu.core.limits import Subject
from liyu.web.services import Services


async def count_hit(services: Services, name: str, subject: str) -> None:
    """Count one hit of a named limit in a transaction of its own, so that it counts whatever becomes of the request.

    Raises LimitExceededError when it is one too many. Refused hits are not counted: they do not prolong the wait.
    """
    async with unit_of_work(services.sessions) as session:
        await limits.hit(session, name, subject, now=services.clock.now())


async def forget_hits(services: Services, name: str, subject: str) -> None:
    """Start over, after a success."""
    async with unit_of_work(services.sessions) as session:
        await limits.forget(session, name, subject)


@asynccontextmanager
async def guessing(services: Services, subjects: Sequence[Subject], unknown: type[DomainError]) -> AsyncIterator[None]:
    """Let nobody try codes who has guessed too often; what the block raises as `unknown` is one guess more (docs/rules.md 11).

    Looks first and counts afterwards, so that right codes cost nothing. A burst that comes at once passes the look: what keeps it
    from finding a code is the codes' length. Raises LimitExceededError, and what the block raises.
    """
    async with unit_of_work(services.sessions) as session:
        for name, subject in subjects:
            await limits.ensure_within(session, name, subject, now=services.clock.now())
    try:
        yield
    except unknown:
        for name, subject in subjects:
            await count_hit(services, name, subject)
        raise
