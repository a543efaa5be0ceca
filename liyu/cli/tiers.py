"""`liyu tiers`: decide whose validity has ended."""

from datetime import datetime

import rich_click as click

from liyu.cli.installation import (
    as_of_option,
    connect,
    json_option,
    load_settings,
    now_and_day,
    run,
    show,
    show_progress,
)
from liyu.core.settings import Settings
from liyu.members.tiers.evaluate import Evaluated, count_due, evaluate_tiers


@click.group()
def command() -> None:
    """Decide which members keep their tier, and who rises."""


@command.command()
@as_of_option
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
    now, day = now_and_day(settings, as_of)
    async with connect(settings) as connection:
        with show_progress("Evaluating tiers", await count_due(connection, day)) as move:
            return await evaluate_tiers(connection, day, now=now, report=lambda members: move(advance=members))
