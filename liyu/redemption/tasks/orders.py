"""Orders: drops and draws, payments, top-ups, and what hangs."""

import structlog
from msgspec import to_builtins
from procrastinate import JobContext

from liyu.core.jobs import RETRY
from liyu.redemption.draws.run import run_draws
from liyu.redemption.drops.hand_on import lapse_offers
from liyu.redemption.drops.line import forget_lines
from liyu.redemption.drops.service import end_due
from liyu.redemption.drops.tally import forget_subjects
from liyu.redemption.drops.waves import open_due_waves
from liyu.redemption.orderdesk.hanging import release_hanging
from liyu.redemption.payments.cash import refund
from liyu.redemption.payments.events import handle_event
from liyu.redemption.payments.provider import make_provider
from liyu.redemption.payments.settle import check_payment, settle_due
from liyu.redemption.tasks.worker import ACTOR, every, services_of, tasks
from liyu.redemption.topup.deliver import carry_out_due

log = structlog.get_logger()


@every("* * * * *", "run_drops")
async def run_drops(context: JobContext, timestamp: int) -> None:
    """Open waves, hand on what was kept past its deadline, and end drops; each is done once, whoever does it."""
    services = services_of(context)
    now = services.clock.now()
    async with await services.connect() as connection:
        opened = await open_due_waves(connection, now=now)
        lapsed = await lapse_offers(connection, now=now)
        ended = await end_due(connection, actor=ACTOR, now=now)
        await forget_subjects(connection, now=now)
        await forget_lines(connection, now=now)
    if opened or lapsed or ended:
        log.info("drops_run", opened=opened, lapsed=lapsed, ended=ended)


@tasks.task(name="handle_payment_event", pass_context=True, retry=RETRY)
async def handle_payment_event(context: JobContext, event_id: str) -> None:
    """Do what a webhook of the payment provider asks for."""
    services = services_of(context)
    async with await services.connect() as connection:
        await handle_event(connection, event_id, services.clock.now(), services.settings.timezone)


@tasks.task(name="check_payment", pass_context=True, retry=RETRY)
async def check_payment_of_order(context: JobContext, number: str) -> None:
    """Ask the provider whether an order was paid, or let it take no more money for one that is decided."""
    services = services_of(context)
    provider = make_provider(services.settings)
    if provider is None:
        return
    async with await services.connect() as connection:
        await check_payment(connection, provider, number, services.clock.now(), services.settings.timezone)


@tasks.task(name="refund_payment", pass_context=True, retry=RETRY)
async def refund_payment(context: JobContext, refund_id: int) -> None:
    """Give money back; without the provider's keys it stays wanted."""
    services = services_of(context)
    provider = make_provider(services.settings)
    if provider is None:
        return
    async with await services.connect() as connection:
        await refund(connection, provider, refund_id, services.clock.now())


@tasks.periodic(cron="* * * * *")
@tasks.task(name="deliver_top_ups", pass_context=True, retry=RETRY)
async def deliver_top_ups(context: JobContext, timestamp: int = 0) -> None:
    """Tell the systems that carry top-ups out; at once when one is ordered, and each minute for what is to be tried again."""
    services = services_of(context)
    settings = services.settings
    async with await services.connect() as connection:
        await carry_out_due(
            connection,
            secret_key=settings.secret_key,
            allow_private=settings.is_development,
            now=services.clock.now(),
            zone=settings.timezone,
        )


@every("*/10 * * * *", "care_for_orders")
async def care_for_orders(context: JobContext, timestamp: int) -> None:
    """Take parcels as received, give back what hangs, and let requests lapse whose time is over."""
    services = services_of(context)
    async with await services.connect() as connection:
        done = await release_hanging(connection, now=services.clock.now(), zone=services.settings.timezone)
    if any(to_builtins(done).values()):
        log.info("orders_cared_for", **to_builtins(done))


@every("* * * * *", "settle_payments")
async def settle_payments_due(context: JobContext, timestamp: int) -> None:
    """Release orders that were not paid by their deadline, and take up what earlier jobs left."""
    services = services_of(context)
    settings = services.settings
    async with await services.connect() as connection:
        done = await settle_due(connection, make_provider(settings), services.clock.now(), settings.timezone)
    if done.released:
        log.info("holds_released", **to_builtins(done))


@every("* * * * *", "run_draws")
async def run_draws_due(context: JobContext, timestamp: int) -> None:
    """Freeze the lists of draws, draw winners, hand unclaimed prizes on, and give points back that are owed."""
    services = services_of(context)
    settings = services.settings
    async with await services.connect() as connection:
        done = await run_draws(
            connection, secret_key=settings.secret_key, now=services.clock.now(), zone=settings.timezone
        )
    if any(to_builtins(done).values()):
        log.info("draws_run", **to_builtins(done))
