"""A worker for tests: it does what waits, and stops. Nothing is due by the clock: tests of such tasks call them."""

from procrastinate import PsycopgConnector
from procrastinate.periodic import PeriodicRegistry

from liyu.core.clock import FixedClock
from liyu.core.database import Sessions
from liyu.core.jobs import make_job_app
from liyu.core.settings import Settings
from liyu.redemption.tasks import WorkerServices, tasks
from liyu.vouchers.pdf import PdfMaker
from liyu.vouchers.tasks import PrintServices, print_tasks
from liyu.web.i18n import translate
from liyu.web.paper import open_sheets

_app = make_job_app("", [tasks, print_tasks])
"""One for all tests: tasks belong to the app that they were added to first."""


class Worker:
    """Does what waits."""

    def __init__(self, settings: Settings, clock: FixedClock, sessions: Sessions) -> None:
        self.services = WorkerServices(settings, clock, sessions, translate)
        self.printing = PrintServices(settings, clock, PdfMaker(workers=1), open_sheets(settings))
        self.url = settings.database_url or ""

    async def run(self) -> None:
        """Do all jobs that wait."""
        with _app.replace_connector(PsycopgConnector(conninfo=self.url, min_size=1, max_size=4)) as app:
            app.periodic_registry = PeriodicRegistry()  # type: ignore[no-untyped-call]  # it has no types
            async with app.open_async():
                await app.run_worker_async(
                    wait=False,
                    install_signal_handlers=False,
                    listen_notify=False,
                    additional_context={"services": self.services, "printing": self.printing},
                )
        self.printing.maker.close()
