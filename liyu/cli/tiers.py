"""`liyu tiers`: decide whose validity has ended."""

import sys
from datetime import datetime

import rich_click as click
from rich.console import Console
from rich.progress import Progress

from liyu.cli.installation import clock, connect, json_option, load_settings, run, show
from liyu.core.clock import local_date
from liyu.core.settings import Settings
from liyu.members.tiers.evaluate import Evaluated, count_due, evaluate_tiers


@click.group()
def command() -> None:
    """Tiers."""


@command.command()
@click.option("--as-of", type=click.DateTime(["%Y-%m-%d"]), help="The day that has begun; today when not given.")
@json_option
def evaluate(as_of: datetime | None, as_json: bool) -> None:
    """Decide every validity that is over, and lift who has reached a tier. It can be stopped and run again at any time."""
    done = run(_evaluate(load_settings(), as_of))
    show(
        done,
        as_json=as_json,
        words=lambda: (
            f"{done.retained} keep their tier, {done.downgraded} fall, {done.risen} rise, "
            f"{done.ended} tiers set by hand have ended."
        ),
    )


async def _evaluate(settings: Settings, as_of: datetime | None) -> Evaluated:
    now = clock().now()
    day = as_of.date() if as_of else local_date(now, settings.timezone)
    with Progress(console=Console(file=sys.stderr), transient=True) as progress:
        async with connect(settings) as connection:
            task = progress.add_task("Evaluating tiers", total=await count_due(connection, day))
            return await evaluate_tiers(
                connection, day, now=now, report=lambda members: progress.update(task, advance=members)
            )
