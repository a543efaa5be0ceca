"""What all tasks share: the blueprint that they stand on, and what they need of their process."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from procrastinate import Blueprint, JobContext
from psycopg import AsyncConnection

from liyu.core.clock import Clock
from liyu.core.database import Sessions
from liyu.core.i18n import Translate
from liyu.core.jobs import open_connection, run_every
from liyu.core.settings import Settings

tasks = Blueprint()
every = partial(run_every, tasks)

ACTOR = "system"


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
        return await open_connection(self.settings)


def services_of(context: JobContext) -> WorkerServices:
    """What the worker that runs a task has for it."""
    services: WorkerServices = context.additional_context["services"]
    return services
