"""Campaigns: giving what was started, noting whose day of the year it is, ending what is over."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import structlog
from procrastinate import JobContext
from psycopg import AsyncConnection

from liyu.core.clock import local_date
from liyu.core.jobs import RETRY
from liyu.core.storage import open_storage
from liyu.redemption.campaigns.calendar import MADE_UP_DAYS, list_yearly, note_due
from liyu.redemption.campaigns.issue import carry_out, list_left
from liyu.redemption.campaigns.records import load_campaign
from liyu.redemption.campaigns.service import KEPT_DRAFT_DAYS, finish_campaign, forget_drafts
from liyu.redemption.giftcodes.batches import forget_lists
from liyu.redemption.tasks.worker import ACTOR, WorkerServices, every, services_of, tasks

log = structlog.get_logger()


@tasks.task(name="issue_campaign", pass_context=True, retry=RETRY)
async def issue_campaign(context: JobContext, campaign_id: int) -> None:
    """Give to everybody who waits; a second worker at the same campaign helps and does no harm."""
    services = services_of(context)
    async with await services.connect() as connection:
        await carry_out(connection, campaign_id, actor=ACTOR, now=services.clock.now, zone=services.settings.timezone)


@every("* * * * *", "issue_campaigns")
async def issue_campaigns(context: JobContext, timestamp: int) -> None:
    """Take up what a worker that died has left."""
    services = services_of(context)
    async with await services.connect() as connection:
        waiting = await list_left(connection)

    async def give(connection: AsyncConnection[Any], campaign_id: int) -> None:
        await carry_out(connection, campaign_id, actor=ACTOR, now=services.clock.now, zone=services.settings.timezone)

    await _for_each(services, waiting, give)


@every("10 * * * *", "keep_the_days")
async def keep_the_days(context: JobContext, timestamp: int) -> None:
    """Note whose birthday or anniversary it is, and give; hourly, so that a worker that was away makes up for the day.

    What nobody started or fetched in its days goes.
    """
    services = services_of(context)
    now, zone = services.clock.now(), services.settings.timezone
    today = local_date(now, zone)
    async with await services.connect() as connection:
        await forget_lists(connection, open_storage(services.settings), now=now)
        async with connection.transaction():
            await forget_drafts(connection, before=now - timedelta(days=KEPT_DRAFT_DAYS), actor=ACTOR, now=now)
        running = await list_yearly(connection)

    async def keep(connection: AsyncConnection[Any], campaign_id: int) -> None:
        campaign = await load_campaign(connection, campaign_id)
        noted = await note_due(connection, campaign, now=now, today=today, zone=zone)
        await carry_out(connection, campaign_id, actor=ACTOR, now=services.clock.now, zone=zone)
        if campaign.ends_on is not None and today > campaign.ends_on + timedelta(days=MADE_UP_DAYS):
            async with connection.transaction():
                await finish_campaign(connection, campaign_id, reason="over", actor=ACTOR, now=now)
        log.info("days_kept", campaign=campaign_id, members=noted)

    await _for_each(services, running, keep)


async def _for_each(
    services: WorkerServices, campaigns: list[int], work: Callable[[AsyncConnection[Any], int], Awaitable[None]]
) -> None:
    """Do it for each campaign on a connection of its own: what goes wrong with one keeps none of the others from its turn.

    Raises what went wrong last, so that it is tried again.
    """
    wrong: Exception | None = None
    for campaign_id in campaigns:
        try:
            async with await services.connect() as connection:
                await work(connection, campaign_id)
        except Exception as fault:
            log.exception("campaign_failed", campaign=campaign_id)
            wrong = fault
    if wrong is not None:
        raise wrong
