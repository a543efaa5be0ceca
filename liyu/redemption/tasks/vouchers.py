"""Vouchers: gifts that nobody accepts, vouchers that run out, and word of it before."""

import structlog
from procrastinate import JobContext

from liyu.redemption.tasks.points import WAKING_HOURS
from liyu.redemption.tasks.worker import RETRY, services_of, tasks
from liyu.vouchers.expire import expire_vouchers
from liyu.vouchers.gifts.service import lapse_gifts
from liyu.vouchers.remind import remind_of_vouchers

log = structlog.get_logger()


@tasks.periodic(cron="*/10 * * * *")
@tasks.task(name="expire_vouchers", pass_context=True, queueing_lock="expire_vouchers", retry=RETRY)
async def expire_vouchers_due(context: JobContext, timestamp: int) -> None:
    """Give back what nobody accepted in time, then mark vouchers whose validity is over."""
    services = services_of(context)
    async with await services.connect() as connection, connection.transaction():
        await lapse_gifts(connection, services.clock.now())
        await expire_vouchers(connection, services.clock.now())


@tasks.periodic(cron="35 * * * *")
@tasks.task(name="remind_of_vouchers", pass_context=True, queueing_lock="remind_of_vouchers", retry=RETRY)
async def remind_members_of_vouchers(context: JobContext, timestamp: int) -> None:
    """Tell members of vouchers that run out soon. Hourly, so that a day without a worker is made up for."""
    services = services_of(context)
    now, settings = services.clock.now(), services.settings
    if now.astimezone(settings.timezone).hour not in WAKING_HOURS:
        return
    async with await services.connect() as connection:
        told = await remind_of_vouchers(
            connection,
            now=now,
            zone=settings.timezone,
            translate=services.translate,
            base_url=settings.base_url,
            locale=settings.locale,
        )
    log.info("reminded_of_vouchers", vouchers=told)
