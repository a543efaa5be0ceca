"""The installation itself: the proof of the books, messages out, counters, stalled jobs."""

from datetime import UTC, datetime

import structlog
from procrastinate import JobContext

from liyu.core.database import unit_of_work
from liyu.core.limits import forget_old
from liyu.core.outbox import deliver_due
from liyu.redemption.books import prove_books
from liyu.redemption.tasks.worker import RETRY, services_of, tasks

log = structlog.get_logger()


@tasks.periodic(cron="0 22 * * *")
@tasks.task(name="prove_books", pass_context=True, queueing_lock="prove_books", retry=RETRY)
async def prove_books_daily(context: JobContext, timestamp: int) -> None:
    """Prove the books at 22:00 UTC, early morning in China; the console shows the result."""
    services = services_of(context)
    async with await services.connect() as connection, connection.transaction():
        result = await prove_books(connection, services.clock.now())
    if not result.balanced:
        log.error("books_do_not_balance", offenders=result.offenders)


@tasks.periodic(cron="* * * * *")
@tasks.task(name="deliver_outbox", pass_context=True, queueing_lock="deliver_outbox")
async def deliver_outbox(context: JobContext, timestamp: int) -> None:
    """Send the mail that waits, where a mail server is configured."""
    services = services_of(context)
    if services.settings.smtp_url:
        await deliver_due(services.sessions, services.clock, services.settings.smtp_url)


@tasks.periodic(cron="20 * * * *")
@tasks.task(name="forget_old_limits", pass_context=True, queueing_lock="forget_old_limits")
async def forget_old_limits(context: JobContext, timestamp: int) -> None:
    """Drop the counts of limits whose windows ended long ago."""
    services = services_of(context)
    async with unit_of_work(services.sessions) as session:
        await forget_old(session, now=services.clock.now())


@tasks.periodic(cron="*/10 * * * *")
@tasks.task(name="retry_stalled", pass_context=True, queueing_lock="retry_stalled")
async def retry_stalled(context: JobContext, timestamp: int) -> None:
    """Take up the jobs of workers that died."""
    for job in await context.app.job_manager.get_stalled_jobs():
        await context.app.job_manager.retry_job(job, retry_at=datetime.now(UTC))
