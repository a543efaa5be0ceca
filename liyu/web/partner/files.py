"""A statement's entries as files: XLSX and CSV for people, signed JSON for programs."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Stream
from psycopg import AsyncConnection
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.partners.settlement.export import export_csv, export_json, export_xlsx
from liyu.partners.settlement.queries import find_statement_id
from liyu.web.actor import actor_of, require_permission
from liyu.web.formats import current_zone
from liyu.web.i18n import current_locale, gettext
from liyu.web.partner.staff import AnyRequest, partner_id_of
from liyu.web.visit import visit_of

_PIECE = 64 * 1024
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

Pieces = AsyncIterator[bytes]
Write = Callable[[int, AsyncConnection[Any], int], Pieces]


@get("/statements/{number:str}/entries.csv", guards=[require_permission("statements.read")])
async def download_csv(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Stream:
    """The entries as CSV."""

    def write(partner_id: int, connection: AsyncConnection[Any], statement_id: int) -> Pieces:
        return export_csv(partner_id, connection, statement_id, zone=zone, language=language, translate=gettext)

    zone, language = current_zone(), current_locale()
    return await _attach(request, session, number, f"{number}.csv", "text/csv; charset=utf-8", write)


@get("/statements/{number:str}/entries.xlsx", guards=[require_permission("statements.read")])
async def download_xlsx(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Stream:
    """The entries as a workbook."""

    async def write(partner_id: int, connection: AsyncConnection[Any], statement_id: int) -> Pieces:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "entries.xlsx"
            await export_xlsx(
                partner_id, connection, statement_id, path, zone=zone, language=language, translate=gettext
            )
            with path.open("rb") as file:
                while piece := await asyncio.to_thread(file.read, _PIECE):
                    yield piece

    zone, language = current_zone(), current_locale()
    return await _attach(request, session, number, f"{number}.xlsx", _XLSX, write)


@get("/statements/{number:str}/statement.json", guards=[require_permission("statements.read")])
async def download_json(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Stream:
    """Statement, lines and entries as canonical JSON, signed."""

    async def write(partner_id: int, connection: AsyncConnection[Any], statement_id: int) -> Pieces:
        yield await export_json(partner_id, connection, statement_id, secret_key=secret_key)

    secret_key = visit_of(request).services.settings.secret_key
    return await _attach(request, session, number, f"{number}.json", "application/json", write)


async def _attach(
    request: AnyRequest, session: AsyncSession, number: str, name: str, media_type: str, write: Write
) -> Stream:
    """Send a file piece by piece. Raises UnknownStatementError, also for another partner's, before the first one."""
    partner_id = partner_id_of(actor_of(request))
    statement_id = await find_statement_id(partner_id, await driver_connection(session), number)
    sessions = visit_of(request).services.sessions

    async def pieces() -> Pieces:
        # The request's own unit of work ends before the first byte is sent.
        async with sessions() as own:
            async for piece in write(partner_id, await driver_connection(own), statement_id):
                yield piece

    return Stream(
        pieces(),
        media_type=media_type,
        headers={"content-disposition": f'attachment; filename="{name}"', "cache-control": "private, no-store"},
    )


ROUTES = [download_csv, download_xlsx, download_json]
