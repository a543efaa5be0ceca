"""`liyu points`: lapse what is past its last day."""

from datetime import datetime

import rich_click as click

from liyu.cli.installation import clock, connect, json_option, load_settings, report, run, show
from liyu.core.clock import local_date
from liyu.core.settings import Settings
from liyu.members.points.lapse import Moved, lapse_points


@click.group()
def command() -> None:
    """Points."""


@command.command()
@click.option("--as-of", type=click.DateTime(["%Y-%m-%d"]), help="The day that has begun; today when not given.")
@json_option
def expire(as_of: datetime | None, as_json: bool) -> None:
    """Lapse every lot whose last day is over: one transfer per lot. It can be stopped and run again at any time."""
    moved = run(_expire(load_settings(), as_of))
    show(
        {"lots": moved.lots, "points": moved.points},
        as_json=as_json,
        words=lambda: f"{moved.points} points of {moved.lots} lots have lapsed.",
    )


async def _expire(settings: Settings, as_of: datetime | None) -> Moved:
    now = clock().now()
    day = as_of.date() if as_of else local_date(now, settings.timezone)
    async with connect(settings) as connection:
        return await lapse_points(
            connection, day, actor="system", now=now, report=lambda moved: report(f"  {moved.lots} lots …")
        )
