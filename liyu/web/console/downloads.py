"""A statement's entries as files: CSV and XLSX for people, signed JSON for programs."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Stream
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.partners.scope import EVERY_PARTNER
from liyu.partners.settlement.export import export_csv, export_json, export_xlsx
from liyu.partners.settlement.queries import find_statement_id
from liyu.web.actor import require_permission
from liyu.web.console.common import AnyRequest
from liyu.web.formats import current_zone
from liyu.web.i18n import current_locale, gettext
from liyu.web.pages import Page
from liyu.web.visit import visit_of

GUARD = require_permission("statements.read")
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@get("/settlements/{number:str}/entries.csv", guards=[GUARD])
async def download_csv(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Stream:
    """The entries as CSV, sent as they are read: memory does not grow with their number."""
    statement_id = await find_statement_id(EVERY_PARTNER, await driver_connection(session), number)
    services = visit_of(request).services
    zone, language = current_zone(), current_locale()

    async def pieces() -> AsyncIterator[bytes]:
        async with services.sessions() as reading:
            connection = await driver_connection(reading)
            async for piece in export_csv(
                EVERY_PARTNER, connection, statement_id, zone=zone, language=language, translate=gettext
            ):
                yield piece

    return Stream(pieces(), media_type="text/csv; charset=utf-8", headers=headers_of(f"{number}.csv"))


@get("/settlements/{number:str}/entries.xlsx", guards=[GUARD])
async def download_xlsx(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """The entries as a workbook."""
    connection = await driver_connection(session)
    statement_id = await find_statement_id(EVERY_PARTNER, connection, number)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "entries.xlsx"
        await export_xlsx(
            EVERY_PARTNER,
            connection,
            statement_id,
            path,
            zone=current_zone(),
            language=current_locale(),
            translate=gettext,
        )
        return attach(path.read_bytes(), XLSX, f"{number}.xlsx")


@get("/settlements/{number:str}/statement.json", guards=[GUARD])
async def download_json(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """The statement with lines and entries, signed."""
    connection = await driver_connection(session)
    statement_id = await find_statement_id(EVERY_PARTNER, connection, number)
    secret_key = visit_of(request).services.settings.secret_key
    body = await export_json(EVERY_PARTNER, connection, statement_id, secret_key=secret_key)
    return attach(body, "application/json", f"{number}.json")


def attach(body: bytes, media_type: str, name: str) -> Page:
    """A finished file as a download."""
    answer = Page(body)
    for header, value in {"content-type": media_type, **headers_of(name)}.items():
        answer.add_header(header, value)
    return answer


def headers_of(name: str) -> dict[str, str]:
    """The headers that make an answer a download."""
    return {"content-disposition": f'attachment; filename="{name}"', "cache-control": "private, no-store"}


ROUTES = [download_csv, download_xlsx, download_json]
