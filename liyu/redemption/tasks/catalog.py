"""The catalog: pools that run low, recalls, planned prices, favourites."""

import structlog
from procrastinate import JobContext

from liyu.catalog.favourites import watch_favourites
from liyu.catalog.planned_prices import publish_due_prices
from liyu.catalog.pools.watch import watch_pools
from liyu.core.jobs import RETRY
from liyu.members.notices import forget_old_notices
from liyu.redemption.recall import refund_recall
from liyu.redemption.tasks.worker import every, services_of, tasks

log = structlog.get_logger()


@every("35 * * * *", "watch_pools")
async def watch_pools_hourly(context: JobContext, timestamp: int) -> None:
    """Say once of each code pool that it runs low."""
    services = services_of(context)
    settings = services.settings
    async with await services.connect() as connection:
        told = await watch_pools(
            connection,
            now=services.clock.now(),
            zone=settings.timezone,
            translate=services.translate,
            base_url=settings.base_url,
            locale=settings.locale,
        )
    log.info("pools_watched", low=told)


@tasks.task(name="refund_recall", pass_context=True, retry=RETRY)
async def refund_recall_orders(context: JobContext, recall_id: int, actor: str) -> None:
    """Give the points of orders back whose recalled codes cannot be replaced."""
    services = services_of(context)
    async with await services.connect() as connection:
        refunded = await refund_recall(
            connection, recall_id, actor=actor, now=services.clock.now(), zone=services.settings.timezone
        )
    log.info("recall_refunded", recall=recall_id, orders=refunded)


@every("* * * * *", "publish_prices")
async def publish_planned_prices(context: JobContext, timestamp: int) -> None:
    """Publish the prices that were planned and whose hour has come; every minute."""
    services = services_of(context)
    async with await services.connect() as connection:
        decided = await publish_due_prices(connection, now=services.clock.now(), zone=services.settings.timezone)
    if decided:
        log.info("prices_published", prices=decided)


@every("*/10 * * * *", "watch_favourites")
async def watch_members_favourites(context: JobContext, timestamp: int) -> None:
    """Tell members whose favourite has come within reach or is back, and forget what was told long ago."""
    services = services_of(context)
    now = services.clock.now()
    async with await services.connect() as connection:
        told = await watch_favourites(connection, now=now)
        await forget_old_notices(connection, now=now)
    if told:
        log.info("favourites_watched", told=told)
