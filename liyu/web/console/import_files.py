"""Files of the import studio: the template, and the faulty rows with what is wrong with them."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Stream
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.members.imports.columns import Column, question_columns
from liyu.members.imports.fault_file import fault_csv, fault_xlsx
from liyu.members.imports.queries import load_import
from liyu.members.imports.template import template_csv, template_xlsx
from liyu.members.personal.fields import list_fields
from liyu.web.actor import require_permission
from liyu.web.attachments import CSV, XLSX, attach, headers_of
from liyu.web.audit import record_act
from liyu.web.console.common import AnyRequest
from liyu.web.i18n import gettext, text_of, translate
from liyu.web.pages import Page
from liyu.web.visit import visit_of

GUARD = require_permission("members.import")


@get("/imports/template.xlsx", guards=[GUARD])
async def download_template_xlsx(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The template with its explanation, in the language of the page."""
    return attach(template_xlsx(await _own_columns(session), gettext), XLSX, "members.xlsx")


@get("/imports/template.csv", guards=[GUARD])
async def download_template_csv(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The template as CSV."""
    return attach(template_csv(await _own_columns(session), gettext), CSV, "members.csv")


@get("/imports/{import_id:int}/faults.csv", guards=[GUARD])
async def download_faults_csv(
    request: AnyRequest, session: NamedDependency[AsyncSession], import_id: FromPath[int]
) -> Stream:
    """The faulty rows as CSV, sent as they are read."""
    found = await load_import(await driver_connection(session), import_id)
    services = visit_of(request).services
    await record_act(request, session, "members.faults", f"import:{import_id}")

    async def pieces() -> AsyncIterator[bytes]:
        async with services.sessions() as reading:
            async for piece in fault_csv(await driver_connection(reading), found, translate):
                yield piece

    return Stream(pieces(), media_type=CSV, headers=headers_of(f"import-{import_id}-faults.csv"))


@get("/imports/{import_id:int}/faults.xlsx", guards=[GUARD])
async def download_faults_xlsx(
    request: AnyRequest, session: NamedDependency[AsyncSession], import_id: FromPath[int]
) -> Page:
    """The faulty rows as a workbook."""
    connection = await driver_connection(session)
    found = await load_import(connection, import_id)
    await record_act(request, session, "members.faults", f"import:{import_id}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "faults.xlsx"
        await fault_xlsx(connection, found, path, translate)
        return attach(path.read_bytes(), XLSX, f"import-{import_id}-faults.xlsx")


async def _own_columns(session: AsyncSession) -> list[Column]:
    """The columns of the operator's own questions, called as the page speaks."""
    questions = await list_fields(await driver_connection(session))
    return question_columns(questions, lambda one: text_of(one, "name"))


ROUTES = [download_template_xlsx, download_template_csv, download_faults_csv, download_faults_xlsx]
