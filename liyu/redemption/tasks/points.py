"""Points: what matures, lapses, is given and reminded of by the calendar."""

import structlog
from procrastinate import JobContext

from liyu.core.clock import local_date
from liyu.members.points.birthdays import post_birthdays
from liyu.members.points.expiry_change import carry_out_changes
from liyu.members.points.expiry_remind import remind_of_lapses
from liyu.members.points.health_count import count_points
from liyu.members.points.inactivity import lapse_inactive, remind_of_inactivity
from liyu.members.points.lapse import lapse_points, mature_points
from liyu.redemption.tasks.worker import ACTOR, every, services_of

log = structlog.get_logger()
WAKING_HOURS = range(9, 20)
"""Local hours in which members may be reminded of something: a phone should not ring at night for it."""


@every("5 * * * *", "turn_the_day")
async def turn_the_day(context: JobContext, timestamp: int) -> None:
    """Mature pending points, then lapse lots past their last day. Hourly, so that any time zone's midnight is met."""
    services = services_of(context)
    now = services.clock.now()
    day = local_date(now, services.settings.timezone)
    async with await services.connect() as connection:
        matured = await mature_points(connection, day, actor=ACTOR, now=now)
        lapsed = await lapse_points(connection, day, actor=ACTOR, now=now)
    log.info("day_turned", day=day.isoformat(), matured=matured.points, lapsed=lapsed.points)


@every("50 19 * * *", "lapse_inactive")
async def lapse_points_of_inactive(context: JobContext, timestamp: int) -> None:
    """Lapse the points of who has done nothing for the program's days, if it has such a rule; daily."""
    services = services_of(context)
    now, zone = services.clock.now(), services.settings.timezone
    async with await services.connect() as connection:
        lapsed = await lapse_inactive(connection, local_date(now, zone), zone=zone, actor=ACTOR, now=now)
    if lapsed.lots:
        log.info("inactive_lapsed", lots=lapsed.lots, points=lapsed.points)


@every("20 * * * *", "post_birthdays")
async def post_birthdays_due(context: JobContext, timestamp: int) -> None:
    """Give members what the rules say for their birthday; hourly, so that a worker that was away makes up for the day."""
    services = services_of(context)
    now, zone = services.clock.now(), services.settings.timezone
    async with await services.connect() as connection:
        given = await post_birthdays(connection, local_date(now, zone), actor=ACTOR, now=now, zone=zone)
    log.info("birthdays_posted", members=given)


@every("* * * * *", "carry_out_expiry_changes")
async def carry_out_expiry_changes(context: JobContext, timestamp: int) -> None:
    """Go on with orders for later last days that were too large for the page on which they were given."""
    services = services_of(context)
    async with await services.connect() as connection:
        moved = await carry_out_changes(connection, now=services.clock.now())
    if moved.lots:
        log.info("expiry_changed", lots=moved.lots, points=moved.points)


@every("15 * * * *", "remind_of_lapses")
async def remind_members_of_lapses(context: JobContext, timestamp: int) -> None:
    """Tell members of points that lapse soon, once for each month. Hourly, so that a day without a worker is made up for."""
    services = services_of(context)
    now, settings = services.clock.now(), services.settings
    if now.astimezone(settings.timezone).hour not in WAKING_HOURS:
        return
    async with await services.connect() as connection:
        told = await remind_of_lapses(
            connection,
            local_date(now, settings.timezone),
            now=now,
            translate=services.translate,
            base_url=settings.base_url,
            locale=settings.locale,
        )
        told += await remind_of_inactivity(
            connection,
            local_date(now, settings.timezone),
            now=now,
            zone=settings.timezone,
            translate=services.translate,
            base_url=settings.base_url,
            locale=settings.locale,
        )
    log.info("reminded_of_lapses", members=told)


@every("25 * * * *", "count_points")
async def count_points_hourly(context: JobContext, timestamp: int) -> None:
    """Bring the roll-ups up to date that the points health page reads."""
    services = services_of(context)
    async with await services.connect() as connection, connection.transaction():
        await count_points(connection, now=services.clock.now(), zone=services.settings.timezone)
