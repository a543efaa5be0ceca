"""Background work: procrastinate on the same PostgreSQL. A job deferred in a transaction exists exactly if it commits."""

from typing import Any

from procrastinate import App, PsycopgConnector
from psycopg import AsyncConnection


def make_job_app(database_url: str, blueprints: list[Any]) -> App:
    """The job app of one process, with the tasks of the given blueprints."""
    app = App(connector=PsycopgConnector(conninfo=database_url, min_size=1, max_size=4))
    for blueprint in blueprints:
        app.add_tasks_from(blueprint, namespace="liyu")
    return app


_deferring = App(connector=PsycopgConnector())
"""Never opened: jobs are deferred through the connections of those who need them."""


async def defer(connection: AsyncConnection[Any], task: str, **arguments: Any) -> None:
    """Defer a task inside the transaction of `connection`: a rollback leaves no job, a commit leaves exactly one."""
    await _deferring.configure_task(f"liyu:{task}", connection=connection).defer_async(**arguments)
