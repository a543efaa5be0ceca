"""Background work: procrastinate on the same PostgreSQL. A job deferred in a transaction exists exactly if it commits."""

from collections.abc import Awaitable, Callable
from typing import Any

from procrastinate import App, Blueprint, PsycopgConnector, RetryStrategy
from psycopg import AsyncConnection

from liyu.core.settings import Settings

ATTEMPTS = 5
RETRY = RetryStrategy(max_attempts=ATTEMPTS, exponential_wait=3)
Work = Callable[..., Awaitable[None]]


def make_job_app(database_url: str, blueprints: list[Any]) -> App:
    """The job app of one process, with the tasks of the given blueprints."""
    app = App(connector=PsycopgConnector(conninfo=database_url, min_size=1, max_size=4))
    for blueprint in blueprints:
        app.add_tasks_from(blueprint, namespace="liyu")
    return app


def run_every(
    blueprint: Blueprint, cron: str, name: str, *, retry: RetryStrategy | None = RETRY
) -> Callable[[Work], Any]:
    """Decorate a task that runs by the clock (`cron`, in UTC) and waits at most once; it takes its context and the timestamp."""

    def decorate(work: Work) -> Any:
        task = blueprint.task(name=name, pass_context=True, queueing_lock=name, retry=retry or False)(work)
        return blueprint.periodic(cron=cron)(task)

    return decorate


async def open_connection(settings: Settings) -> AsyncConnection[Any]:
    """A connection for one task, in autocommit: the task opens its own transactions."""
    assert settings.database_url is not None
    return await AsyncConnection.connect(settings.database_url, autocommit=True, options="-c timezone=UTC")


_deferring = App(connector=PsycopgConnector())
"""Never opened: jobs are deferred through the connections of those who need them."""


async def defer(connection: AsyncConnection[Any], task: str, **arguments: Any) -> None:
    """Defer a task inside the transaction of `connection`: a rollback leaves no job, a commit leaves exactly one."""
    await _deferring.configure_task(f"liyu:{task}", connection=connection).defer_async(**arguments)
