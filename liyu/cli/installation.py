"""What every command needs of the installation it works on: its settings, its database, a way to run and to report."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, TypeVar

import click
import msgspec
from psycopg import AsyncConnection, OperationalError

from liyu.core.clock import Clock, SystemClock
from liyu.core.embedded import EmbeddedPostgresError, ensure_database
from liyu.core.settings import Settings

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
    try:
        return asyncio.run(work)
    except OperationalError as fault:
        raise click.ClickException(f"the database cannot be reached: {str(fault).strip()}") from fault


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


def show(result: Any, *, as_json: bool, words: Callable[[], str]) -> None:
    """Print a result: as one JSON document, or in words."""
    click.echo(msgspec.json.encode(result).decode() if as_json else words())


def json_option(function: Any) -> Any:
    """The option `--json` of every command that has a result."""
    return click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON document.")(function)
