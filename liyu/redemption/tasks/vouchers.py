"""Vouchers: gifts that nobody accepts, vouchers that run out, and word of it before."""

import structlog
from procrastinate import JobContext

from liyu.redemption.tasks.points import WAKING_HOURS
from liyu.redemption.tasks.worker import every, services_of
from liyu.vouchers.expire import expire_vouchers
from liyu.vouchers.gifts.service import lapse_gifts
from liyu.vouchers.remind import remind_of_vouchers

log = structlog.get_logger()


@every("*/10 * * * *", "expire_vouchers")
async def expire_vouchers_due(context: JobContext, timestamp: int) -> None:
    """Give back what nobody accepted in time, then mark vouchers whose validity is over."""
    services = services_of(context)
    async with await services.connect() as connection, connection.transaction():
        await lapse_gifts(connection, services.clock.now())
        await expire_vouchers(connection, services.clock.now())


@every("35 * * * *", "remind_of_vouchers")
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
