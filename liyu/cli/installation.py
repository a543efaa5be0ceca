"""What every command needs of the installation it works on: its settings, its database, a way to run and to report."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import date, datetime
from typing import Any, TypeVar

import click
import msgspec
from psycopg import AsyncConnection, OperationalError
from rich.console import Console
from rich.progress import Progress
from sqlalchemy.exc import OperationalError as AlchemyOperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.clock import Clock, SystemClock, local_date
from liyu.core.database import make_engine, make_sessions, unit_of_work
from liyu.core.embedded import EmbeddedPostgresError, ensure_database
from liyu.core.settings import Settings

FAULTS_SHOWN = 20

Result = TypeVar("Result")


def load_settings() -> Settings:
    """The settings, with the URL of the database filled in; the embedded one is started when none is given."""
    settings = Settings.from_environment()
    if settings.database_url is not None:
        return settings
    try:
        return replace(settings, database_url=ensure_database(settings.data_dir, report=report))
    except EmbeddedPostgresError as fault:
        raise click.ClickException(str(fault)) from fault


def report(line: str) -> None:
    """A line about what is going on; standard output stays clean for results."""
    click.echo(line, err=True)


def clock() -> Clock:
    """The clock of commands."""
    return SystemClock()


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end; a database that cannot be reached is one clear line."""
    with told_when_unreachable():
        return asyncio.run(work)


@contextmanager
def told_when_unreachable() -> Iterator[None]:
    """Say in one clear line that the database cannot be reached."""
    try:
        yield
    except (OperationalError, AlchemyOperationalError) as fault:
        reason = fault.orig if isinstance(fault, AlchemyOperationalError) else fault
        raise click.ClickException(f"the database cannot be reached: {str(reason).strip()}") from fault


@asynccontextmanager
async def connect(settings: Settings) -> AsyncIterator[AsyncConnection[Any]]:
    """A connection in autocommit; whoever writes opens a transaction.

    Raises click.ClickException when the database was not brought up to date.
    """
    assert settings.database_url is not None
    async with await AsyncConnection.connect(
        settings.database_url, autocommit=True, options="-c timezone=UTC"
    ) as connection:
        found = await connection.execute("SELECT to_regclass('program') IS NOT NULL")
        if await found.fetchone() != (True,):
            raise click.ClickException("the database is empty: run `liyu db upgrade` first")
        yield connection


async def require_tables(settings: Settings) -> None:
    """Raise click.ClickException when the database was not brought up to date: for what connects by itself later."""
    async with connect(settings):
        pass


@asynccontextmanager
async def open_unit_of_work(settings: Settings) -> AsyncIterator[AsyncSession]:
    """A session, committed at its end. Raises as `connect` does."""
    await require_tables(settings)
    assert settings.database_url is not None
    engine = make_engine(settings.database_url, pool_size=1)
    try:
        async with unit_of_work(make_sessions(engine)) as session:
            yield session
    finally:
        await engine.dispose()


def show(result: Any, *, as_json: bool, words: Callable[[], str]) -> None:
    """Print a result: as one JSON document, or in words."""
    click.echo(msgspec.json.encode(result).decode() if as_json else words())


def tell_faults(lines: Sequence[str]) -> list[str]:
    """The lines of a report about rows that failed: the first of them, and how many there are besides."""
    listed = [f"  {line}" for line in lines[:FAULTS_SHOWN]]
    if len(lines) > FAULTS_SHOWN:
        listed.append(f"  … and {len(lines) - FAULTS_SHOWN} more; --json lists them all")
    return listed


@contextmanager
def show_progress(label: str, total: int | None = None) -> Iterator[Callable[..., None]]:
    """A bar on a terminal, beside the results. What it gives moves the bar by `completed` or `advance`, or changes `total`."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(label, total=total)

        def move(**changes: Any) -> None:
            progress.update(task, **changes)

        yield move


json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON document.")
"""Of every command that has a result."""

as_of_option = click.option(
    "--as-of", type=click.DateTime(["%Y-%m-%d"]), help="The day that has begun; today when not given."
)


def now_and_day(settings: Settings, as_of: datetime | None) -> tuple[datetime, date]:
    """The instant at which a command runs, and the day for which it does, in the program's zone."""
    now = clock().now()
    return now, as_of.date() if as_of else local_date(now, settings.timezone)
