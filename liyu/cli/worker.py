"""`liyu worker`: runs background jobs until it is stopped."""

import asyncio

import rich_click as click

from liyu.cli.installation import clock, load_settings, require_tables, run
from liyu.core.settings import Settings

CONCURRENCY = 4
GRACE_SECONDS = 20


@click.command()
def command() -> None:
    """Run background jobs: points that mature and lapse, vouchers that expire, mail, proofs of the books."""
    run(_work(load_settings()))


async def _work(settings: Settings) -> None:
    from liyu.core.database import make_engine, make_sessions
    from liyu.core.jobs import make_job_app
    from liyu.redemption.tasks import WorkerServices, tasks
    from liyu.vouchers.pdf import BATCH_SECONDS, PdfMaker
    from liyu.vouchers.tasks import PrintServices, print_tasks
    from liyu.web.i18n import load_catalogs, translate
    from liyu.web.paper import open_sheets

    assert settings.database_url is not None
    await require_tables(settings)
    engine = make_engine(settings.database_url, pool_size=2)
    load_catalogs()
    services = WorkerServices(settings, clock(), make_sessions(engine), translate)
    printing = PrintServices(settings, services.clock, PdfMaker(seconds=BATCH_SECONDS), open_sheets(settings))
    app = make_job_app(settings.database_url, [tasks, print_tasks])
    try:
        async with app.open_async():
            await app.run_worker_async(
                concurrency=CONCURRENCY,
                shutdown_graceful_timeout=GRACE_SECONDS,
                additional_context={"services": services, "printing": printing},
            )
    finally:
        await asyncio.to_thread(printing.maker.close)
        await engine.dispose()
