"""`liyu points`: lapse what is past its last day, remind members of what lapses soon, forecast it, count the roll-ups."""

from datetime import datetime

import rich_click as click

from liyu.cli.installation import (
    as_of_option,
    clock,
    connect,
    json_option,
    load_settings,
    now_and_day,
    run,
    show,
    show_progress,
)
from liyu.core.settings import Settings
from liyu.members.points.forecast import LapseMonth, forecast_lapses
from liyu.members.points.health_count import count_points
from liyu.members.points.inactivity import lapse_inactive
from liyu.members.points.lapse import count_due_to_lapse, lapse_points
from liyu.members.points.portions import Moved


@click.group()
def command() -> None:
    """Lapse points, remind members of what lapses, forecast it, count the figures of points health."""


@command.command()
@as_of_option
@json_option
def expire(as_of: datetime | None, as_json: bool) -> None:
    """Lapse every lot whose last day is over: one transfer per lot. It can be stopped and run again at any time."""
    moved = run(_expire(load_settings(), as_of))
    show(
        {"lots": moved.lots, "points": moved.points},
        as_json=as_json,
        words=lambda: f"{moved.points:,} points of {moved.lots:,} lots have lapsed.",
    )


@command.command()
@as_of_option
@json_option
def remind(as_of: datetime | None, as_json: bool) -> None:
    """Tell members of points that lapse soon, once for each month. It can be stopped and run again at any time."""
    told = run(_remind(load_settings(), as_of))
    show({"told": told}, as_json=as_json, words=lambda: f"{told:,} reminders were written.")


@command.command()
@json_option
def forecast(as_json: bool) -> None:
    """What lapses in which month unless it is spent before."""
    months = run(_forecast(load_settings()))
    show(months, as_json=as_json, words=lambda: "\n".join(_line(month) for month in months) or "Nothing lapses.")


@command.command()
@click.option("--anew", is_flag=True, help="From all transfers, not only from what came since the last count.")
def count(anew: bool) -> None:
    """Bring the figures of the pages points health and books up to date; the worker does it every hour."""
    run(_count(load_settings(), anew))
    click.echo("The figures are up to date.")


def _line(month: LapseMonth) -> str:
    return f"{month.month:%Y-%m}  {month.points:>14,}" if month.month else f"never    {month.points:>14,}"


async def _expire(settings: Settings, as_of: datetime | None) -> Moved:
    now, day = now_and_day(settings, as_of)
    async with connect(settings) as connection:
        due = await count_due_to_lapse(connection, day)
        with show_progress("Lapsing lots", due) as move:
            moved = await lapse_points(
                connection, day, actor="system", now=now, report=lambda moved: move(completed=moved.lots)
            )
            silent = await lapse_inactive(connection, day, zone=settings.timezone, actor="system", now=now)
            return Moved(moved.lots + silent.lots, moved.points + silent.points)


async def _remind(settings: Settings, as_of: datetime | None) -> int:
    from liyu.members.points.expiry_remind import remind_of_lapses
    from liyu.web.i18n import load_catalogs, translate

    load_catalogs()
    now, day = now_and_day(settings, as_of)
    async with connect(settings) as connection:
        with show_progress("Writing reminders") as move:
            return await remind_of_lapses(
                connection,
                day,
                now=now,
                translate=translate,
                base_url=settings.base_url,
                locale=settings.locale,
                report=lambda told: move(completed=told),
            )


async def _forecast(settings: Settings) -> list[LapseMonth]:
    async with connect(settings) as connection:
        return await forecast_lapses(connection)


async def _count(settings: Settings, anew: bool) -> None:
    async with connect(settings) as connection, connection.transaction():
        await count_points(connection, now=clock().now(), zone=settings.timezone, anew=anew)
