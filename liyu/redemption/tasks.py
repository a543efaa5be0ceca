"""Background work of the domain: each task is idempotent and harmless when it runs twice."""

import tempfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from msgspec import to_builtins
from procrastinate import Blueprint, JobContext, RetryStrategy
from psycopg import AsyncConnection

from liyu.catalog.favourites import watch_favourites
from liyu.catalog.names import KIND_NAMES
from liyu.catalog.planned_prices import publish_due_prices
from liyu.catalog.pools.watch import watch_pools
from liyu.core.clock import Clock, local_date
from liyu.core.database import Sessions, unit_of_work
from liyu.core.i18n import Message
from liyu.core.limits import forget_old
from liyu.core.outbox import deliver_due
from liyu.core.settings import Settings
from liyu.core.storage import open_storage
from liyu.members.imports.apply import apply_import
from liyu.members.imports.errors import FileUnreadableError, ImportNotReadyError
from liyu.members.imports.queries import load_import
from liyu.members.imports.retention import forget_old_rows
from liyu.members.imports.service import Work, dry_run, forget_upload
from liyu.members.imports.undo import undo_import
from liyu.members.notices import forget_old_notices
from liyu.members.points.birthdays import post_birthdays
from liyu.members.points.expiry_change import carry_out_changes
from liyu.members.points.expiry_remind import Translate, remind_of_lapses
from liyu.members.points.health_count import count_points
from liyu.members.points.inactivity import lapse_inactive, remind_of_inactivity
from liyu.members.points.lapse import lapse_points, mature_points
from liyu.members.service.index import index_due
from liyu.members.tags.export_job import forget_old_exports, load_export, write_export
from liyu.members.tags.service import evaluate_rules
from liyu.members.tiers.evaluate import evaluate_tiers
from liyu.redemption.aftersale.photos import delete_erased_photos
from liyu.redemption.books import prove_books
from liyu.redemption.closing import close_due_accounts
from liyu.redemption.draws.run import run_draws
from liyu.redemption.drops.hand_on import lapse_offers
from liyu.redemption.drops.line import forget_lines
from liyu.redemption.drops.service import end_due
from liyu.redemption.drops.tally import forget_subjects
from liyu.redemption.drops.waves import open_due_waves
from liyu.redemption.names import STATE_NAMES
from liyu.redemption.orderdesk.export import forget_old_exports as forget_order_exports
from liyu.redemption.orderdesk.export import load_export as load_redemption_export
from liyu.redemption.orderdesk.export import write_export as write_order_export
from liyu.redemption.orderdesk.hanging import release_hanging
from liyu.redemption.payments.cash import refund
from liyu.redemption.payments.events import handle_event
from liyu.redemption.payments.provider import make_provider
from liyu.redemption.payments.settle import check_payment, settle_due
from liyu.redemption.queries import RedemptionLine
from liyu.redemption.recall import refund_recall
from liyu.redemption.topup.deliver import carry_out_due
from liyu.vouchers.expire import expire_vouchers

log = structlog.get_logger()
tasks = Blueprint()

ACTOR = "system"
RETRY = RetryStrategy(max_attempts=5, exponential_wait=3)
WAKING_HOURS = range(9, 20)
"""Local hours in which members may be reminded of something: a phone should not ring at night for it."""


@dataclass(frozen=True, slots=True)
class WorkerServices:
    """What tasks need of their process."""

    settings: Settings
    clock: Clock
    sessions: Sessions
    translate: Translate
    """Messages of the domain in the words of a language."""

    async def connect(self) -> AsyncConnection[Any]:
        """A connection in autocommit; the task opens its own transactions."""
        assert self.settings.database_url is not None
        return await AsyncConnection.connect(self.settings.database_url, autocommit=True, options="-c timezone=UTC")


def _services(context: JobContext) -> WorkerServices:
    services: WorkerServices = context.additional_context["services"]
    return services


@tasks.periodic(cron="5 * * * *")
@tasks.task(name="turn_the_day", pass_context=True, queueing_lock="turn_the_day", retry=RETRY)
async def turn_the_day(context: JobContext, timestamp: int) -> None:
    """Mature pending points, then lapse lots past their last day. Hourly, so that any time zone's midnight is met."""
    services = _services(context)
    now = services.clock.now()
    day = local_date(now, services.settings.timezone)
    async with await services.connect() as connection:
        matured = await mature_points(connection, day, actor=ACTOR, now=now)
        lapsed = await lapse_points(connection, day, actor=ACTOR, now=now)
    log.info("day_turned", day=day.isoformat(), matured=matured.points, lapsed=lapsed.points)


@tasks.periodic(cron="50 19 * * *")
@tasks.task(name="lapse_inactive", pass_context=True, queueing_lock="lapse_inactive", retry=RETRY)
async def lapse_points_of_inactive(context: JobContext, timestamp: int) -> None:
    """Lapse the points of who has done nothing for the program's days, if it has such a rule; daily."""
    services = _services(context)
    now, zone = services.clock.now(), services.settings.timezone
    async with await services.connect() as connection:
        lapsed = await lapse_inactive(connection, local_date(now, zone), zone=zone, actor=ACTOR, now=now)
    if lapsed.lots:
        log.info("inactive_lapsed", lots=lapsed.lots, points=lapsed.points)


@tasks.periodic(cron="20 * * * *")
@tasks.task(name="post_birthdays", pass_context=True, queueing_lock="post_birthdays", retry=RETRY)
async def post_birthdays_due(context: JobContext, timestamp: int) -> None:
    """Give members what the rules say for their birthday; hourly, so that a worker that was away makes up for the day."""
    services = _services(context)
    now, zone = services.clock.now(), services.settings.timezone
    async with await services.connect() as connection:
        given = await post_birthdays(connection, local_date(now, zone), actor=ACTOR, now=now, zone=zone)
    log.info("birthdays_posted", members=given)


@tasks.periodic(cron="* * * * *")
@tasks.task(name="carry_out_expiry_changes", pass_context=True, queueing_lock="carry_out_expiry_changes", retry=RETRY)
async def carry_out_expiry_changes(context: JobContext, timestamp: int) -> None:
    """Go on with orders for later last days that were too large for the page on which they were given."""
    services = _services(context)
    async with await services.connect() as connection:
        moved = await carry_out_changes(connection, now=services.clock.now())
    if moved.lots:
        log.info("expiry_changed", lots=moved.lots, points=moved.points)


@tasks.periodic(cron="15 * * * *")
@tasks.task(name="remind_of_lapses", pass_context=True, queueing_lock="remind_of_lapses", retry=RETRY)
async def remind_members_of_lapses(context: JobContext, timestamp: int) -> None:
    """Tell members of points that lapse soon, once for each month. Hourly, so that a day without a worker is made up for."""
    services = _services(context)
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


@tasks.periodic(cron="25 * * * *")
@tasks.task(name="count_points", pass_context=True, queueing_lock="count_points", retry=RETRY)
async def count_points_hourly(context: JobContext, timestamp: int) -> None:
    """Bring the roll-ups up to date that the points health page reads."""
    services = _services(context)
    async with await services.connect() as connection, connection.transaction():
        await count_points(connection, now=services.clock.now(), zone=services.settings.timezone)


@tasks.periodic(cron="7 * * * *")
@tasks.task(name="evaluate_tiers", pass_context=True, queueing_lock="evaluate_tiers", retry=RETRY)
async def evaluate_tiers_due(context: JobContext, timestamp: int) -> None:
    """Decide the tiers whose validity has ended. Hourly, so that any time zone's midnight is met; mostly nobody is due."""
    services = _services(context)
    now = services.clock.now()
    async with await services.connect() as connection:
        evaluated = await evaluate_tiers(connection, local_date(now, services.settings.timezone), now=now)
    log.info("tiers_evaluated", **to_builtins(evaluated))


@tasks.periodic(cron="* * * * *")
@tasks.task(name="run_drops", pass_context=True, queueing_lock="run_drops", retry=RETRY)
async def run_drops(context: JobContext, timestamp: int) -> None:
    """Open waves, hand on what was kept past its deadline, and end drops; each is done once, whoever does it."""
    services = _services(context)
    now = services.clock.now()
    async with await services.connect() as connection:
        opened = await open_due_waves(connection, now=now)
        lapsed = await lapse_offers(connection, now=now)
        ended = await end_due(connection, actor=ACTOR, now=now)
        await forget_subjects(connection, now=now)
        await forget_lines(connection, now=now)
    if opened or lapsed or ended:
        log.info("drops_run", opened=opened, lapsed=lapsed, ended=ended)


@tasks.periodic(cron="35 * * * *")
@tasks.task(name="watch_pools", pass_context=True, queueing_lock="watch_pools", retry=RETRY)
async def watch_pools_hourly(context: JobContext, timestamp: int) -> None:
    """Say once of each code pool that it runs low."""
    services = _services(context)
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
    services = _services(context)
    async with await services.connect() as connection:
        refunded = await refund_recall(
            connection, recall_id, actor=actor, now=services.clock.now(), zone=services.settings.timezone
        )
    log.info("recall_refunded", recall=recall_id, orders=refunded)


@tasks.task(name="read_import", pass_context=True, retry=RETRY)
async def read_import(context: JobContext, import_id: int, actor: str) -> None:
    """Read an uploaded file of members and compare it with them; then the upload is not needed any more."""
    services = _services(context)
    now = services.clock.now()
    storage = open_storage(services.settings)
    async with await services.connect() as connection:
        name = (await load_import(connection, import_id)).storage_name
        if name is None:
            return
        with tempfile.NamedTemporaryFile() as file:
            file.write(await storage.get(name))
            file.flush()
            today = local_date(now, services.settings.timezone)
            # A file that cannot be read is refused, and the page says why. One that was read before needs nothing more.
            with suppress(FileUnreadableError, ImportNotReadyError):
                await dry_run(connection, Work(import_id, actor, now), Path(file.name), today)
        await forget_upload(connection, import_id)
    await storage.delete(name)


@tasks.task(name="apply_import", pass_context=True, retry=RETRY)
async def apply_confirmed_import(context: JobContext, import_id: int, actor: str) -> None:
    """Apply what was confirmed; a second worker finds nothing left to do."""
    services = _services(context)
    async with await services.connect() as connection:
        with suppress(ImportNotReadyError):
            await apply_import(connection, Work(import_id, actor, services.clock.now()), services.settings.timezone)


@tasks.task(name="undo_import", pass_context=True, retry=RETRY)
async def undo_applied_import(context: JobContext, import_id: int, actor: str) -> None:
    """Undo an import; a second worker finds nothing left to do."""
    services = _services(context)
    async with await services.connect() as connection:
        with suppress(ImportNotReadyError):
            await undo_import(connection, Work(import_id, actor, services.clock.now()))


@tasks.task(name="write_export", pass_context=True, retry=RETRY)
async def write_ordered_export(context: JobContext, export_id: int) -> None:
    """Write a large file of members, in the language in which it was ordered."""
    services = _services(context)
    async with await services.connect() as connection, await services.connect() as reading:
        locale = (await load_export(connection, export_id)).locale
        await write_export(
            connection,
            reading,
            export_id,
            storage=open_storage(services.settings),
            translate=lambda text: services.translate(Message(text), locale),
            zone=services.settings.timezone,
            now=services.clock.now(),
        )


@tasks.periodic(cron="35 * * * *")
@tasks.task(name="forget_exports", pass_context=True, queueing_lock="forget_exports", retry=RETRY)
async def forget_exports(context: JobContext, timestamp: int) -> None:
    """Delete files of members and orders whose day is over, and photos of members who were erased."""
    services = _services(context)
    async with await services.connect() as connection:
        storage, now = open_storage(services.settings), services.clock.now()
        await forget_old_exports(connection, storage, now)
        await forget_order_exports(connection, storage, now)
        await delete_erased_photos(connection, storage)


@tasks.periodic(cron="40 20 * * *")
@tasks.task(name="forget_import_rows", pass_context=True, queueing_lock="forget_import_rows", retry=RETRY)
async def forget_import_rows(context: JobContext, timestamp: int) -> None:
    """Let the rows of old import files go."""
    services = _services(context)
    async with await services.connect() as connection:
        forgotten = await forget_old_rows(connection, actor=ACTOR, now=services.clock.now())
    log.info("import_rows_forgotten", imports=forgotten)


@tasks.periodic(cron="25 * * * *")
@tasks.task(name="evaluate_tags", pass_context=True, queueing_lock="evaluate_tags", retry=RETRY)
async def evaluate_tags(context: JobContext, timestamp: int = 0, code: str | None = None) -> None:
    """Let the rules of tags and badges give and take theirs; hourly, and at once when a rule was changed."""
    services = _services(context)
    now, zone = services.clock.now(), services.settings.timezone
    async with await services.connect() as connection:
        done = await evaluate_rules(connection, local_date(now, zone), now=now, zone=zone, code=code)
    log.info("tags_evaluated", given=done.given, taken=done.taken)


@tasks.periodic(cron="* * * * *")
@tasks.task(name="publish_prices", pass_context=True, queueing_lock="publish_prices", retry=RETRY)
async def publish_planned_prices(context: JobContext, timestamp: int) -> None:
    """Publish the prices that were planned and whose hour has come; every minute."""
    services = _services(context)
    async with await services.connect() as connection:
        decided = await publish_due_prices(connection, now=services.clock.now(), zone=services.settings.timezone)
    if decided:
        log.info("prices_published", prices=decided)


@tasks.periodic(cron="*/10 * * * *")
@tasks.task(name="watch_favourites", pass_context=True, queueing_lock="watch_favourites", retry=RETRY)
async def watch_members_favourites(context: JobContext, timestamp: int) -> None:
    """Tell members whose favourite has come within reach or is back, and forget what was told long ago."""
    services = _services(context)
    now = services.clock.now()
    async with await services.connect() as connection:
        told = await watch_favourites(connection, now=now)
        await forget_old_notices(connection, now=now)
    if told:
        log.info("favourites_watched", told=told)


@tasks.periodic(cron="10 * * * *")
@tasks.task(name="expire_vouchers", pass_context=True, queueing_lock="expire_vouchers", retry=RETRY)
async def expire_vouchers_due(context: JobContext, timestamp: int) -> None:
    """Mark vouchers whose validity is over."""
    services = _services(context)
    async with await services.connect() as connection, connection.transaction():
        await expire_vouchers(connection, services.clock.now())


@tasks.periodic(cron="25 * * * *")
@tasks.task(name="close_due_accounts", pass_context=True, queueing_lock="close_due_accounts", retry=RETRY)
async def close_accounts_due(context: JobContext, timestamp: int) -> None:
    """Close and erase the accounts whose members asked for it and have not thought again."""
    services = _services(context)
    async with await services.connect() as connection:
        closed = await close_due_accounts(connection, services.clock.now(), actor=ACTOR)
    log.info("accounts_closed", accounts=closed)


@tasks.task(name="handle_payment_event", pass_context=True, retry=RETRY)
async def handle_payment_event(context: JobContext, event_id: str) -> None:
    """Do what a webhook of the payment provider asks for."""
    services = _services(context)
    async with await services.connect() as connection:
        await handle_event(connection, event_id, services.clock.now(), services.settings.timezone)


@tasks.task(name="check_payment", pass_context=True, retry=RETRY)
async def check_payment_of_order(context: JobContext, number: str) -> None:
    """Ask the provider whether an order was paid, or let it take no more money for one that is decided."""
    services = _services(context)
    provider = make_provider(services.settings)
    if provider is None:
        return
    async with await services.connect() as connection:
        await check_payment(connection, provider, number, services.clock.now(), services.settings.timezone)


@tasks.task(name="refund_payment", pass_context=True, retry=RETRY)
async def refund_payment(context: JobContext, refund_id: int) -> None:
    """Give money back; without the provider's keys it stays wanted."""
    services = _services(context)
    provider = make_provider(services.settings)
    if provider is None:
        return
    async with await services.connect() as connection:
        await refund(connection, provider, refund_id, services.clock.now())


@tasks.task(name="write_redemption_export", pass_context=True, retry=RETRY)
async def write_redemption_export(context: JobContext, export_id: int) -> None:
    """Write a file of orders, in the language in which it was ordered."""
    services = _services(context)
    async with await services.connect() as connection:
        locale = (await load_redemption_export(connection, export_id)).locale

        def say(text: str) -> str:
            return services.translate(Message(text), locale)

        def words(line: RedemptionLine) -> tuple[str, str, str, str]:
            names = (line.name_zh, line.partner_zh) if locale != "en" else (line.name_en, line.partner_en)
            return say(STATE_NAMES[line.state]), say(KIND_NAMES[line.kind]), names[0] or line.name_zh, names[1] or ""

        await write_order_export(
            connection,
            export_id,
            storage=open_storage(services.settings),
            translate=say,
            words=words,
            zone=services.settings.timezone,
            now=services.clock.now(),
        )


@tasks.periodic(cron="* * * * *")
@tasks.task(name="deliver_top_ups", pass_context=True, retry=RETRY)
async def deliver_top_ups(context: JobContext, timestamp: int = 0) -> None:
    """Tell the systems that carry top-ups out; at once when one is ordered, and each minute for what is to be tried again."""
    services = _services(context)
    settings = services.settings
    async with await services.connect() as connection:
        await carry_out_due(
            connection,
            secret_key=settings.secret_key,
            allow_private=settings.is_development,
            now=services.clock.now(),
            zone=settings.timezone,
        )


@tasks.periodic(cron="*/10 * * * *")
@tasks.task(name="care_for_orders", pass_context=True, queueing_lock="care_for_orders", retry=RETRY)
async def care_for_orders(context: JobContext, timestamp: int) -> None:
    """Take parcels as received, give back what hangs, and let requests lapse whose time is over."""
    services = _services(context)
    async with await services.connect() as connection:
        done = await release_hanging(connection, now=services.clock.now(), zone=services.settings.timezone)
    if any(to_builtins(done).values()):
        log.info("orders_cared_for", **to_builtins(done))


@tasks.periodic(cron="* * * * *")
@tasks.task(name="settle_payments", pass_context=True, queueing_lock="settle_payments", retry=RETRY)
async def settle_payments_due(context: JobContext, timestamp: int) -> None:
    """Release orders that were not paid by their deadline, and take up what earlier jobs left."""
    services = _services(context)
    settings = services.settings
    async with await services.connect() as connection:
        done = await settle_due(connection, make_provider(settings), services.clock.now(), settings.timezone)
    if done.released:
        log.info("holds_released", **to_builtins(done))


@tasks.periodic(cron="* * * * *")
@tasks.task(name="run_draws", pass_context=True, queueing_lock="run_draws", retry=RETRY)
async def run_draws_due(context: JobContext, timestamp: int) -> None:
    """Freeze the lists of draws, draw winners, hand unclaimed prizes on, and give points back that are owed."""
    services = _services(context)
    settings = services.settings
    async with await services.connect() as connection:
        done = await run_draws(
            connection, secret_key=settings.secret_key, now=services.clock.now(), zone=settings.timezone
        )
    if any(to_builtins(done).values()):
        log.info("draws_run", **to_builtins(done))


@tasks.periodic(cron="0 22 * * *")
@tasks.task(name="prove_books", pass_context=True, queueing_lock="prove_books", retry=RETRY)
async def prove_books_daily(context: JobContext, timestamp: int) -> None:
    """Prove the books at 22:00 UTC, early morning in China; the console shows the result."""
    services = _services(context)
    async with await services.connect() as connection, connection.transaction():
        result = await prove_books(connection, services.clock.now())
    if not result.balanced:
        log.error("books_do_not_balance", offenders=result.offenders)


@tasks.periodic(cron="* * * * *")
@tasks.task(name="deliver_outbox", pass_context=True, queueing_lock="deliver_outbox")
async def deliver_outbox(context: JobContext, timestamp: int) -> None:
    """Send the mail that waits, where a mail server is configured."""
    services = _services(context)
    if services.settings.smtp_url:
        await deliver_due(services.sessions, services.clock, services.settings.smtp_url)


@tasks.periodic(cron="20 * * * *")
@tasks.task(name="forget_old_limits", pass_context=True, queueing_lock="forget_old_limits")
async def forget_old_limits(context: JobContext, timestamp: int) -> None:
    """Drop the counts of limits whose windows ended long ago."""
    services = _services(context)
    async with unit_of_work(services.sessions) as session:
        await forget_old(session, now=services.clock.now())


@tasks.periodic(cron="* * * * *")
@tasks.task(name="index_members", pass_context=True, queueing_lock="index_members", retry=RETRY)
async def index_members(context: JobContext, timestamp: int) -> None:
    """Make the terms anew by which members are found, where a file has changed names or phones."""
    async with await _services(context).connect() as connection:
        await index_due(connection)


@tasks.periodic(cron="*/10 * * * *")
@tasks.task(name="retry_stalled", pass_context=True, queueing_lock="retry_stalled")
async def retry_stalled(context: JobContext, timestamp: int) -> None:
    """Take up the jobs of workers that died."""
    for job in await context.app.job_manager.get_stalled_jobs():
        await context.app.job_manager.retry_job(job, retry_at=datetime.now(UTC))
