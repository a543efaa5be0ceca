from liyu.core import limits
from liyu.core.database import unit_of_work
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
