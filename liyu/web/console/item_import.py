"""Items from a workbook or a CSV file: upload, every difference and every fault, yes or no."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.catalog.errors import FileFaultyError, RowFault
from liyu.catalog.import_items import REQUIRED
from liyu.catalog.item_columns import COLUMNS, HINTS, SHEET
from liyu.catalog.uploads import (
    apply_upload,
    discard_upload,
    dry_run,
    find_faulty_rows,
    list_uploads,
    load_upload,
    take_in,
)
from liyu.core.database import driver_connection
from liyu.core.errors import NotFoundError
from liyu.core.i18n import N_
from liyu.core.ids import make_token
from liyu.core.settings import LOCALES
from liyu.core.spreadsheets import FAULT_HEADINGS, Rows, rows_as_csv, write_workbook
from liyu.core.storage import open_storage
from liyu.members.imports.template import write_workbook as write_template
from liyu.web.actor import actor_of, require_permission
from liyu.web.acts import try_act
from liyu.web.attachments import CSV, XLSX, attach
from liyu.web.audit import record_act
from liyu.web.console import item_words
from liyu.web.console.common import AnyRequest, name_people, now_of, show
from liyu.web.formats import current_zone
from liyu.web.forms import FileField, Form
from liyu.web.i18n import gettext, translate
from liyu.web.pages import Page, leave_notice, redirect
from liyu.web.visit import visit_of

GUARD = require_permission("items.publish")
LARGEST_UPLOAD = 20 * 1024 * 1024
MOST_SHOWN = 200


class UploadForm(Form):
    file = FileField(N_("File of items"))


@get("/items/import", guards=[GUARD])
async def show_import(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The upload, the columns, and the files so far."""
    return await _show_list(request, session, UploadForm.blank())


@get("/items/import/template.xlsx", guards=[GUARD])
async def download_template(request: AnyRequest) -> Page:
    """The template with its explanation, in the language of the page."""
    return attach(write_template(COLUMNS, gettext, sheet=SHEET, hints=HINTS), XLSX, "items.xlsx")


@post("/items/import", guards=[GUARD], request_max_body_size=LARGEST_UPLOAD)
async def upload(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Take a file in. No item changes."""
    form = await UploadForm.read(request)
    if not form.is_valid or form.file is None:
        return await _show_list(request, session, form, status=422)
    name = f"imports/{make_token()}"
    storage = open_storage(visit_of(request).services.settings)
    digest = await storage.put(name, await form.file.read(), "application/octet-stream")
    file_name = form.file.filename.replace("\0", "")[:200]
    connection = await driver_connection(session)
    upload_id = await take_in(connection, file_name, name, actor=actor_of(request).reference, now=now_of(request))
    await record_act(
        request, session, "items.upload", f"upload:{upload_id}", after={"file": file_name, "sha256": digest}
    )
    return redirect(request, f"/console/items/import/{upload_id}")


@get("/items/import/{upload_id:int}", guards=[GUARD])
async def show_upload(request: AnyRequest, session: NamedDependency[AsyncSession], upload_id: FromPath[int]) -> Page:
    """What the file would do now, row by row; or what it did."""
    connection = await driver_connection(session)
    found = await load_upload(connection, upload_id)
    storage = open_storage(visit_of(request).services.settings)
    trial = None
    if found.state == "ready":
        trial = await dry_run(connection, storage, found, now=now_of(request), zone=current_zone())
    return show(
        request,
        "item_upload",
        found=found,
        trial=trial,
        most=MOST_SHOWN,
        names=await name_people(connection, [found.made_by]),
        item_words=item_words,
        lookup=await item_words.load_lookup(connection),
    )


@get("/items/import/{upload_id:int}/faults.csv", guards=[GUARD])
async def download_faults_csv(
    request: AnyRequest, session: NamedDependency[AsyncSession], upload_id: FromPath[int]
) -> Page:
    """The faulty rows as CSV, to be mended and sent again."""
    header, pages = await _find_faults(request, session, upload_id)
    return attach(b"".join([piece async for piece in rows_as_csv(header, pages)]), CSV, f"items-{upload_id}-faults.csv")


@get("/items/import/{upload_id:int}/faults.xlsx", guards=[GUARD])
async def download_faults_xlsx(
    request: AnyRequest, session: NamedDependency[AsyncSession], upload_id: FromPath[int]
) -> Page:
    """The same as a workbook."""
    header, pages = await _find_faults(request, session, upload_id)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "faults.xlsx"
        await write_workbook(path, header, pages)
        return attach(path.read_bytes(), XLSX, f"items-{upload_id}-faults.xlsx")


async def _find_faults(
    request: AnyRequest, session: AsyncSession, upload_id: int
) -> tuple[list[str], AsyncIterator[Rows]]:
    """The header and the faulty rows of a file that waits for a decision. Raises NotFoundError."""
    connection = await driver_connection(session)
    found = await load_upload(connection, upload_id)
    if found.state != "ready":
        raise NotFoundError
    storage = open_storage(visit_of(request).services.settings)
    faulty = await find_faulty_rows(connection, storage, found, now=now_of(request), zone=current_zone())
    await record_act(request, session, "items.faults", f"upload:{upload_id}", after={"rows": len(faulty.rows)})

    async def pages() -> AsyncIterator[Rows]:
        yield [
            [str(row.row), *(_say_faults(row.faults, locale) for locale in LOCALES), *row.cells] for row in faulty.rows
        ]

    return [*FAULT_HEADINGS, *faulty.header], pages()


def _say_faults(faults: list[RowFault], locale: str) -> str:
    return "; ".join(
        f"{fault.column}: {translate(fault.message, locale)}" if fault.column else translate(fault.message, locale)
        for fault in faults
    )


@post("/items/import/{upload_id:int}/apply", guards=[GUARD])
async def apply(request: AnyRequest, session: NamedDependency[AsyncSession], upload_id: FromPath[int]) -> Page:
    """Say yes: all rows are published, or none."""
    connection = await driver_connection(session)
    storage = open_storage(visit_of(request).services.settings)
    actor, now = actor_of(request).reference, now_of(request)
    try:
        refusal = await try_act(
            connection, apply_upload(connection, storage, upload_id, actor=actor, now=now, zone=current_zone())
        )
    except FileFaultyError as faulty:
        refusal = faulty
    if refusal:
        leave_notice(request, refusal.text, "error")
    else:
        found = await load_upload(connection, upload_id)
        await record_act(request, session, "items.import", f"upload:{upload_id}", after=found.result)
        leave_notice(request, N_("The items are published."))
    return redirect(request, f"/console/items/import/{upload_id}")


@post("/items/import/{upload_id:int}/discard", guards=[GUARD])
async def discard(request: AnyRequest, session: NamedDependency[AsyncSession], upload_id: FromPath[int]) -> Page:
    """Say no; nothing was changed."""
    connection = await driver_connection(session)
    refusal = await try_act(connection, discard_upload(connection, upload_id))
    leave_notice(request, refusal.text if refusal else N_("The file is discarded. No item was changed."))
    if not refusal:
        await record_act(request, session, "items.discard", f"upload:{upload_id}")
    return redirect(request, "/console/items/import")


async def _show_list(request: AnyRequest, session: AsyncSession, form: UploadForm, status: int = 200) -> Page:
    connection = await driver_connection(session)
    uploads = await list_uploads(connection)
    return show(
        request,
        "items_import",
        status=status,
        form=form,
        uploads=uploads,
        names=await name_people(connection, [one.made_by for one in uploads]),
        item_words=item_words,
        columns=COLUMNS,
        needed=REQUIRED,
        largest=LARGEST_UPLOAD // (1024 * 1024),
    )


ROUTES = [
    show_import,
    download_template,
    upload,
    show_upload,
    download_faults_csv,
    download_faults_xlsx,
    apply,
    discard,
]
