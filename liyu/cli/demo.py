"""`liyu demo`: the demo program."""

import time

import rich_click as click

from liyu.cli.db import upgrade_database
from liyu.cli.installation import clock, connect, load_settings, report, run
from liyu.core.settings import Settings


@click.command()
@click.option("--if-empty", is_flag=True, help="Do nothing when members have joined already.")
@click.option("--logins", is_flag=True, help="Print who can sign in, and load nothing.")
def command(if_empty: bool, logins: bool) -> None:
    """Load a brand's program with real purchases, real brand names and a month to settle. The same result each time."""
    from liyu.demo.logins import describe_logins

    if logins:
        click.echo(describe_logins())
        return
    settings, began = load_settings(), time.monotonic()
    upgrade_database(settings)
    if run(_load(settings, if_empty)):
        report(f"The demo program is there ({time.monotonic() - began:.0f} s).")


async def _load(settings: Settings, if_empty: bool) -> bool:
    from liyu.demo.load import INTERRUPTED, has_members, load_demo, was_interrupted

    async with connect(settings) as connection:
        if await was_interrupted(connection):
            raise click.ClickException(INTERRUPTED)
        if await has_members(connection):
            if if_empty:
                return False
            raise click.ClickException("the installation has members already; the demo needs an empty one")
        await load_demo(settings, connection, clock().now(), lambda line: report(f"  {line} …"))
    return True
