"""`liyu db`: bring the database up to date, and prove that the books balance."""

import sys

import rich_click as click

from liyu.cli.installation import clock, connect, json_option, load_settings, report, run, show, told_when_unreachable
from liyu.core.settings import Settings


@click.group()
def command() -> None:
    """Bring the database up to date, and prove that the books balance."""


@command.command()
def upgrade() -> None:
    """Bring the database to the newest revision; an empty one gets the default program."""
    upgrade_database(load_settings())
    report("The database is up to date.")


def upgrade_database(settings: Settings) -> None:
    """Run the migrations and make sure that there is a program."""
    from liyu.core import migrations

    assert settings.database_url is not None
    with told_when_unreachable():
        migrations.upgrade(settings.database_url)
    run(_ensure_program(settings))


async def _ensure_program(settings: Settings) -> None:
    from liyu.members.program import ensure_program

    async with connect(settings) as connection, connection.transaction():
        await ensure_program(connection)


@command.command()
@json_option
def prove(as_json: bool) -> None:
    """Recompute every balance, lot and count from the transfers; exit 1 with the offenders if the books do not balance."""
    result = run(_prove(load_settings()))
    lines = [f"{offender['check']}: {offender['what']} has {offender['found']}, should have {offender['expected']}"
             for offender in result.offenders]  # fmt: skip
    summary = (
        f"{result.transfers} transfers, {result.accounts} accounts and {result.lots} lots in {result.milliseconds} ms"
    )
    head = f"The books balance: {summary}." if result.balanced else f"The books do NOT balance ({summary}):"
    answer = {
        "balanced": result.balanced,
        "at": result.at,
        "accounts": result.accounts,
        "lots": result.lots,
        "transfers": result.transfers,
        "milliseconds": result.milliseconds,
        "offenders": result.offenders,
    }
    show(answer, as_json=as_json, words=lambda: "\n".join([head, *lines]))
    if not result.balanced:
        sys.exit(1)


async def _prove(settings: Settings):  # type: ignore[no-untyped-def]
    from liyu.redemption.books import prove_books

    async with connect(settings) as connection, connection.transaction():
        return await prove_books(connection, clock().now())
