"""Code pools, alike for the partner's own people and the operators: reading the forms, doing the acts, showing a pool.

Whose pools may be touched is the first argument. Codes leave the system in one way only: as the faulty rows of an import, for
whoever brought them, and that is an audit event.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from litestar import Request
from litestar.datastructures import UploadFile
from litestar.response import Stream
from psycopg import AsyncConnection
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.catalog.pools.files import MOST_CODES, fault_rows, read_codes
from liyu.catalog.pools.imports import CodesImported, CodeStatus, Fault, GivenCode, import_codes, split_codes
from liyu.catalog.pools.queries import (
    FAULTS_SHOWN,
    FaultLine,
    ImportLine,
    Pool,
    find_import,
    list_faults,
    list_imports,
    list_pools,
    list_recalls,
    list_reveals,
    load_pool,
)
from liyu.catalog.pools.recall import Recall, Recalled, recall_codes
from liyu.catalog.pools.watch import set_watch
from liyu.core.database import driver_connection
from liyu.core.errors import DomainError
from liyu.core.i18n import N_, Message
from liyu.core.settings import LOCALES
from liyu.partners.scope import PartnerScope, partner_filter
from liyu.web.actor import actor_of
from liyu.web.attachments import CSV, headers_of
from liyu.web.audit import record_act
from liyu.web.formats import current_zone
from liyu.web.forms import CheckField, FileField, Form, IntegerField, TextField
from liyu.web.i18n import translate
from liyu.web.visit import visit_of

AnyRequest = Request[Any, Any, Any]
NameOf = Callable[[str], str]
"""A person behind a reference such as `staff:3`, as the reader knows them."""

LARGEST_UPLOAD = 20 * 1024 * 1024
MOST_PASTED = 2_000_000

LEVELS: dict[str, tuple[str, str]] = {
    "empty": (N_("Empty"), "red"),
    "low": (N_("Low"), "gold"),
    "fine": (N_("Well filled"), ""),
    "idle": (N_("Nothing taken lately"), "grey"),
}
STATUSES: dict[str, str] = {
    "existing": N_("In a pool already"),
    "duplicate": N_("Twice in the list"),
    "failed": N_("Cannot be a code"),
}
FAULTS: dict[str, str] = {
    "empty": N_("The row is empty."),
    "too_long": N_("It has more than 500 characters."),
    "unreadable": N_("It has characters that cannot be shown."),
    "number": N_("The spreadsheet kept it as a number and lost its last digits: format the column as text."),
    "columns": N_("There is more than one column and no heading that says which one is the code."),
}


REASONS = {"supplier_error": N_("The supplier reported an error")}
"""Reasons that a program wrote; people write theirs freely."""


class ImportForm(Form):
    file = FileField(N_("File of codes"), required=False)
    codes = TextField(N_("Codes"), required=False, maximum=MOST_PASTED)

    def check(self) -> Iterable[tuple[str, Message]]:
        if self.file is None and not self.codes:
            yield "codes", Message(N_("Choose a file, or paste codes."))
        elif self.file is not None and self.codes:
            yield "codes", Message(N_("Either a file or pasted codes, not both."))
        elif self.codes.count("\n") > MOST_CODES:
            yield "codes", Message(N_("The file has more than %(most)s codes. Split it."), {"most": MOST_CODES})


class RecallForm(Form):
    import_id = IntegerField(N_("Import to recall"), required=False, maximum=2**62, default=None)
    recalled = TextField(N_("Single codes"), required=False, maximum=MOST_PASTED)
    used = TextField(N_("Codes that were used"), required=False, maximum=MOST_PASTED)
    reason = TextField(N_("Reason"), maximum=200)
    sure = CheckField(N_("Recall them"), required=True)

    def check(self) -> Iterable[tuple[str, Message]]:
        if not (self.raw["import_id"] or self.recalled):
            yield "import_id", Message(N_("Choose an import, or name single codes."))


class WatchForm(Form):
    low_at = IntegerField(N_("Low with so many codes"), required=False, maximum=10**9, default=None)
    lead_days = IntegerField(N_("Days for a delivery"), minimum=1, maximum=365)


async def take_import(
    scope: PartnerScope, request: AnyRequest, session: AsyncSession, sku: str, form: ImportForm
) -> CodesImported:
    """Import what the form brought. Raises FileUnreadableError and what `import_codes` raises."""
    given, name = (await _read_upload(form.file)) if form.file else (split_codes(form.codes), "")
    services = visit_of(request).services
    done = await import_codes(
        await driver_connection(session),
        sku,
        given,
        secret_key=services.settings.secret_key,
        actor=actor_of(request).reference,
        now=services.clock.now(),
        file_name=name,
        scope=scope,
    )
    answer = {"ok": done.ok, "failed": done.failed, "existing": done.existing, "duplicate": done.duplicate}
    after = {**answer, "replaced": done.replaced, "total": done.total, "import": done.import_id}
    await record_act(request, session, "codes.import", f"item:{sku}", after=after)
    return done


async def take_recall(
    scope: PartnerScope, request: AnyRequest, session: AsyncSession, sku: str, form: RecallForm
) -> Recalled:
    """Recall what the form names. Raises what `recall_codes` raises; faults of fields carry the form's names."""
    services = visit_of(request).services
    recall = Recall(form.reason, form.import_id, split_codes(form.recalled), split_codes(form.used))
    done = await recall_codes(
        await driver_connection(session),
        sku,
        recall,
        secret_key=services.settings.secret_key,
        actor=actor_of(request).reference,
        now=services.clock.now(),
        scope=scope,
    )
    counts = {"withdrawn": done.withdrawn, "replaced": done.replaced, "waiting": done.waiting}
    after = {**counts, "import": form.import_id, "reason": form.reason, "recall": done.recall_id}
    await record_act(request, session, "codes.recall", f"item:{sku}", after=after)
    return done


async def take_watch(
    scope: PartnerScope, request: AnyRequest, session: AsyncSession, sku: str, form: WatchForm
) -> None:
    """Set when a pool is low."""
    connection = await driver_connection(session)
    pool = await _load(scope, request, connection, sku)
    await set_watch(connection, pool.id, low_at=form.low_at, lead_days=form.lead_days)
    await record_act(
        request,
        session,
        "codes.watch",
        f"item:{sku}",
        before={"low_at": pool.low_at, "lead_days": pool.lead_days},
        after={"low_at": form.low_at, "lead_days": form.lead_days},
    )


async def send_faults(
    scope: PartnerScope, request: AnyRequest, session: AsyncSession, sku: str, import_id: int
) -> Stream:
    """The rows of an import that were not added, as CSV."""
    connection = await driver_connection(session)
    pool = await _load(scope, request, connection, sku)
    line = await find_import(connection, pool.id, import_id)
    await record_act(request, session, "codes.faults", f"item:{sku}", after={"import": import_id, "rows": line.refused})
    services = visit_of(request).services

    async def pieces() -> AsyncIterator[bytes]:
        async with services.sessions() as reading:
            key = services.settings.secret_key
            async for piece in fault_rows(await driver_connection(reading), import_id, _in_both, secret_key=key):
                yield piece

    name = f"codes-{import_id}-not-added.csv"
    return Stream(pieces(), media_type=CSV, headers=headers_of(name))


async def read_pools(scope: PartnerScope, request: AnyRequest, session: AsyncSession) -> list[dict[str, Any]]:
    """The pools as rows of a list."""
    now = visit_of(request).services.clock.now()
    pools = await list_pools(scope, await driver_connection(session), now=now, zone=current_zone())
    return [_row(pool) for pool in pools]


async def read_pool(
    scope: PartnerScope,
    request: AnyRequest,
    session: AsyncSession,
    sku: str,
    *,
    name_of: Callable[[list[str]], Any],
    forms: dict[str, Form] | None = None,
    refusal: DomainError | None = None,
) -> dict[str, Any]:
    """What the page of one pool shows; `name_of` gives the names of everybody who is mentioned.

    The report of an import stands there when the address names it.
    """
    connection = await driver_connection(session)
    pool = await _load(scope, request, connection, sku)
    imports = await list_imports(connection, pool.id)
    recalls = await list_recalls(connection, pool.id)
    reveals = await list_reveals(connection, pool.id)
    people = [*(one.made_by for one in imports), *(one.made_by for one in recalls), *(one.actor for one in reveals)]
    forms = forms or {}
    watch = WatchForm.blank(low_at=pool.low_at if pool.low_at is not None else "", lead_days=pool.lead_days)
    return {
        "status": refusal.status if refusal else 422 if forms else 200,
        "pool": pool,
        "row": _row(pool),
        "imports": imports,
        "recalls": recalls,
        "reveals": reveals,
        "name_of": await name_of(people),
        "reason_of": lambda text: translate(REASONS.get(str(text), str(text))),
        "report": await _read_report(scope, request, connection, pool),
        "import_form": forms.get("import", ImportForm.blank()),
        "recall_form": forms.get("recall", RecallForm.blank()),
        "watch_form": forms.get("watch", watch),
        "largest": LARGEST_UPLOAD // (1024 * 1024),
        "most": MOST_CODES,
    }


def say_import(done: CodesImported) -> Message:
    """What an import did, for the notice."""
    if done.replaced:
        text = N_("%(ok)s codes added; %(replaced)s of them went to members who waited for a new one.")
        return Message(text, {"ok": done.ok, "replaced": done.replaced})
    return Message(N_("%(ok)s codes added."), {"ok": done.ok})


def say_recall(done: Recalled) -> Message:
    """What a recall did, for the notice."""
    text = N_(
        "Recalled: %(withdrawn)s codes nobody had, %(replaced)s replaced for their members, %(waiting)s wait for new ones."
    )
    return Message(text, {"withdrawn": done.withdrawn, "replaced": done.replaced, "waiting": done.waiting})


async def _load(scope: PartnerScope, request: AnyRequest, connection: AsyncConnection[Any], sku: str) -> Pool:
    now = visit_of(request).services.clock.now()
    return await load_pool(scope, connection, sku, now=now, zone=current_zone())


async def _read_upload(file: UploadFile) -> tuple[list[GivenCode], str]:
    content = await file.read()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "codes"
        path.write_bytes(content)
        given = await asyncio.to_thread(read_codes, path)
    return given, file.filename.replace("\0", "")[:200]


async def _read_report(
    scope: PartnerScope, request: AnyRequest, connection: AsyncConnection[Any], pool: Pool
) -> dict[str, Any] | None:
    wanted = request.query_params.get("import", "")
    if not (wanted.isascii() and wanted.isdigit() and len(wanted) < 19):
        return None
    line: ImportLine = await find_import(connection, pool.id, int(wanted))
    faults = await list_faults(connection, line.id) if line.refused else []
    return {
        "line": line,
        "faults": [{"row": one.row, "why": _why(one, scope)} for one in faults],
        "more": max(line.refused - FAULTS_SHOWN, 0),
    }


def _why(fault: FaultLine, scope: PartnerScope) -> str:
    """Why a row was not added; in whose pool a code is already is for its own partner, and for operators."""
    own = partner_filter(scope)
    if fault.status == "existing" and fault.other_sku and own in (None, fault.other_partner_id):
        return translate(Message(N_("In the pool of %(sku)s already"), {"sku": fault.other_sku}))
    return translate(FAULTS[fault.fault] if fault.fault else STATUSES[fault.status])


def _in_both(status: CodeStatus, fault: Fault | None) -> list[str]:
    text = Message(FAULTS[fault] if fault else STATUSES[status])
    return [translate(text, locale) for locale in LOCALES]


def _row(pool: Pool) -> dict[str, Any]:
    label, tone = LEVELS[pool.future.level]
    return {"pool": pool, "future": pool.future, "label": translate(label), "tone": tone}
