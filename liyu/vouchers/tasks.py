"""Background work on paper: printing what was ordered, and letting old files go."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog
from procrastinate import Blueprint, JobContext
from psycopg import AsyncConnection

from liyu.core.clock import Clock
from liyu.core.errors import NotFoundError
from liyu.core.jobs import ATTEMPTS, RETRY, open_connection, run_every
from liyu.core.settings import Settings
from liyu.core.storage import open_storage
from liyu.vouchers.batches import BROKE_OFF, ToSheets, carry_out, forget_old_prints, stop_print
from liyu.vouchers.pdf import PdfFailedError, PdfMaker

log = structlog.get_logger()
print_tasks = Blueprint()

OpenSheets = Callable[[AsyncConnection[Any]], Awaitable[ToSheets]]
"""Gives what sets sheets for the program as it is now; the web layer has the templates."""


@dataclass(frozen=True, slots=True)
class PrintServices:
    """What printing needs of its process."""

    settings: Settings
    clock: Clock
    maker: PdfMaker
    open_sheets: OpenSheets

    async def connect(self) -> AsyncConnection[Any]:
        """A connection in autocommit: the progress is to be seen."""
        return await open_connection(self.settings)


@print_tasks.task(name="print_vouchers", pass_context=True, retry=RETRY)
async def print_vouchers(context: JobContext, print_id: int) -> None:
    """Print what was ordered, or the rest of it; what cannot be set or kept stops it, and its page says why."""
    services: PrintServices = context.additional_context["printing"]
    async with await services.connect() as connection:
        try:
            await carry_out(
                connection,
                print_id,
                storage=open_storage(services.settings),
                maker=services.maker,
                to_sheets=await services.open_sheets(connection),
                now=services.clock.now(),
            )
        except NotFoundError:
            return
        except PdfFailedError as fault:
            log.warning("print_stopped", print_id=print_id, problem=fault.code)
        except Exception:
            # After the last try nobody would be printing it any more, and its page would say so for ever.
            if context.job.attempts >= ATTEMPTS:
                await stop_print(connection, print_id, BROKE_OFF)
            raise


@run_every(print_tasks, "50 * * * *", "forget_prints")
async def forget_prints(context: JobContext, timestamp: int) -> None:
    """Delete printed vouchers whose days are over."""
    services: PrintServices = context.additional_context["printing"]
    async with await services.connect() as connection:
        await forget_old_prints(connection, open_storage(services.settings), services.clock.now())
