"""Members: tiers, tags, files in and out, closing, the index for searching."""

import tempfile
from contextlib import suppress
from pathlib import Path

import structlog
from msgspec import to_builtins
from procrastinate import JobContext

from liyu.core.clock import local_date
from liyu.core.jobs import RETRY
from liyu.core.storage import open_storage
from liyu.members.imports.apply import apply_import
from liyu.members.imports.errors import FileUnreadableError, ImportNotReadyError
from liyu.members.imports.queries import load_import
from liyu.members.imports.retention import forget_old_rows
from liyu.members.imports.service import Work, dry_run, forget_upload
from liyu.members.imports.undo import undo_import
from liyu.members.service.index import index_due
from liyu.members.tags.service import evaluate_rules
from liyu.members.tiers.evaluate import evaluate_tiers
from liyu.redemption.closing import close_due_accounts
from liyu.redemption.tasks.worker import ACTOR, every, services_of, tasks

log = structlog.get_logger()


@every("7 * * * *", "evaluate_tiers")
async def evaluate_tiers_due(context: JobContext, timestamp: int) -> None:
    """Decide the tiers whose validity has ended. Hourly, so that any time zone's midnight is met; mostly nobody is due."""
    services = services_of(context)
    now = services.clock.now()
    async with await services.connect() as connection:
        evaluated = await evaluate_tiers(connection, local_date(now, services.settings.timezone), now=now)
    log.info("tiers_evaluated", **to_builtins(evaluated))


@tasks.task(name="read_import", pass_context=True, retry=RETRY)
async def read_import(context: JobContext, import_id: int, actor: str) -> None:
    """Read an uploaded file of members and compare it with them; then the upload is not needed any more."""
    services = services_of(context)
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
    services = services_of(context)
    async with await services.connect() as connection:
        with suppress(ImportNotReadyError):
            await apply_import(connection, Work(import_id, actor, services.clock.now()), services.settings.timezone)


@tasks.task(name="undo_import", pass_context=True, retry=RETRY)
async def undo_applied_import(context: JobContext, import_id: int, actor: str) -> None:
    """Undo an import; a second worker finds nothing left to do."""
    services = services_of(context)
    async with await services.connect() as connection:
        with suppress(ImportNotReadyError):
            await undo_import(connection, Work(import_id, actor, services.clock.now()))


@every("40 20 * * *", "forget_import_rows")
async def forget_import_rows(context: JobContext, timestamp: int) -> None:
    """Let the rows of old import files go."""
    services = services_of(context)
    async with await services.connect() as connection:
        forgotten = await forget_old_rows(connection, actor=ACTOR, now=services.clock.now())
    log.info("import_rows_forgotten", imports=forgotten)


@every("25 * * * *", "evaluate_tags")
async def evaluate_tags(context: JobContext, timestamp: int = 0, code: str | None = None) -> None:
    """Let the rules of tags and badges give and take theirs; hourly, and at once when a rule was changed."""
    services = services_of(context)
    now, zone = services.clock.now(), services.settings.timezone
    async with await services.connect() as connection:
        done = await evaluate_rules(connection, local_date(now, zone), now=now, zone=zone, code=code)
    log.info("tags_evaluated", given=done.given, taken=done.taken)


@every("25 * * * *", "close_due_accounts")
async def close_accounts_due(context: JobContext, timestamp: int) -> None:
    """Close and erase the accounts whose members asked for it and have not thought again."""
    services = services_of(context)
    async with await services.connect() as connection:
        closed = await close_due_accounts(connection, services.clock.now(), actor=ACTOR)
    log.info("accounts_closed", accounts=closed)


@every("* * * * *", "index_members")
async def index_members(context: JobContext, timestamp: int) -> None:
    """Make the terms anew by which members are found, where a file has changed names or phones."""
    async with await services_of(context).connect() as connection:
        await index_due(connection)
