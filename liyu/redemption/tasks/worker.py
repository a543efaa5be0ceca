"""What all tasks share: the blueprint that they stand on, and what they need of their process."""

from dataclasses import dataclass
from typing import Any

from procrastinate import Blueprint, JobContext, RetryStrategy
from psycopg import AsyncConnection

from liyu.core.clock import Clock
from liyu.core.database import Sessions
from liyu.core.settings import Settings
from liyu.members.points.expiry_remind import Translate

tasks = Blueprint()

ACTOR = "system"
RETRY = RetryStrategy(max_attempts=5, exponential_wait=3)


@dataclass(frozen=True, slots=True)
class WorkerServices:
    """What tasks need of their process."""

    settings: Settings
    clock: Clock
    sessions: Sessions
    translate: Translate
    """Messages of the domain in the words of a language."""

    async def connect(self) -> AsyncConnection[Any]:
        """A connection in autocommit; the task opens its own transactions."""
        assert self.settings.database_url is not None
        return await AsyncConnection.connect(self.settings.database_url, autocommit=True, options="-c timezone=UTC")


def services_of(context: JobContext) -> WorkerServices:
    """What the worker that runs a task has for it."""
    services: WorkerServices = context.additional_context["services"]
    return services
