"""The installation itself: the proof of the books, messages out, files of rows, counters, stalled jobs."""

from datetime import UTC, datetime

import structlog
from msgspec import convert
from procrastinate import JobContext
from procrastinate.exceptions import UniqueViolation
from procrastinate.jobs import Status

from liyu.core.clock import local_date
from liyu.core.database import unit_of_work
from liyu.core.exports import MEMBERS, forget_old_exports, load_export, write_export
from liyu.core.i18n import Message
from liyu.core.jobs import RETRY
from liyu.core.limits import forget_old
from liyu.core.outbox import deliver_due
from liyu.core.storage import open_storage
from liyu.core.webhooks.messages import send_due
from liyu.members.tags.export import members_sheet
from liyu.members.tags.queries import Audience
from liyu.redemption.aftersale.photos import delete_erased_photos
from liyu.redemption.books import prove_books
from liyu.redemption.orderdesk.export import orders_sheet
from liyu.redemption.queries import RedemptionFilter
from liyu.redemption.tasks.worker import every, services_of, tasks

log = structlog.get_logger()


@every("0 22 * * *", "prove_books")
async def prove_books_daily(context: JobContext, timestamp: int) -> None:
    """Prove the books at 22:00 UTC, early morning in China; the console shows the result."""
    services = services_of(context)
    async with await services.connect() as connection, connection.transaction():
        result = await prove_books(connection, services.clock.now())
    if not result.balanced:
        log.error("books_do_not_balance", offenders=result.offenders)


@every("* * * * *", "deliver_outbox", retry=None)
async def deliver_outbox(context: JobContext, timestamp: int) -> None:
    """Send the mail that waits, where a mail server is configured."""
    services = services_of(context)
    if services.settings.smtp_url:
        await deliver_due(services.sessions, services.clock, services.settings.smtp_url)


@every("* * * * *", "send_webhooks", retry=None)
async def send_webhooks(context: JobContext, timestamp: int) -> None:
    """Send hosts and partners what they subscribed to."""
    services = services_of(context)
    async with await services.connect() as connection:
        await send_due(
            connection,
            secret_key=services.settings.secret_key,
            allow_private=services.settings.is_development,
            now=services.clock.now(),
        )


@tasks.task(name="write_export", pass_context=True, retry=RETRY)
async def write_ordered_export(context: JobContext, export_id: int) -> None:
    """Write a large file of members or orders, in the language in which it was ordered."""
    services = services_of(context)
    zone, now = services.settings.timezone, services.clock.now()
    async with await services.connect() as connection, await services.connect() as reading, reading.transaction():
        export = await load_export(connection, export_id)

        def say(text: str) -> str:
            return services.translate(Message(text), export.locale)

        if export.kind == MEMBERS:
            sheet = members_sheet(reading, convert(export.wanted, Audience), local_date(now, zone), zone, say)
        else:
            sheet = orders_sheet(reading, convert(export.wanted, RedemptionFilter), export.locale, zone, say)
        await write_export(connection, export, sheet, storage=open_storage(services.settings), now=now)


@every("35 * * * *", "forget_exports")
async def forget_exports(context: JobContext, timestamp: int) -> None:
    """Delete files of rows whose day is over, and photos of members who were erased."""
    services = services_of(context)
    async with await services.connect() as connection:
        storage = open_storage(services.settings)
        await forget_old_exports(connection, storage, services.clock.now())
        await delete_erased_photos(connection, storage)


@every("20 * * * *", "forget_old_limits", retry=None)
async def forget_old_limits(context: JobContext, timestamp: int) -> None:
    """Drop the counts of limits whose windows ended long ago."""
    services = services_of(context)
    async with unit_of_work(services.sessions) as session:
        await forget_old(session, now=services.clock.now())


@every("*/10 * * * *", "retry_stalled", retry=None)
async def retry_stalled(context: JobContext, timestamp: int) -> None:
    """Take up the jobs of workers that died; one of which another of its kind waits already is given up for that one."""
    jobs = context.app.job_manager
    for job in await jobs.get_stalled_jobs():
        try:
            await jobs.retry_job(job, retry_at=datetime.now(UTC))
        except UniqueViolation:
            await jobs.finish_job(job, status=Status.FAILED, delete_job=False)
