"""A statement as files, alike for the partner and the operators: PDF, XLSX and CSV for people, signed JSON for programs.

Whose statements may be read is the first argument. Each file that is taken is an audit event.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from litestar import Request
from litestar.response import Stream
from psycopg import AsyncConnection
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.partners.scope import PartnerScope
from liyu.partners.settlement.document import load_document
from liyu.partners.settlement.export import export_csv, export_json, export_xlsx
from liyu.partners.settlement.queries import find_statement_id
from liyu.web.attachments import CSV, PDF, XLSX, attach, headers_of
from liyu.web.audit import record_act
from liyu.web.formats import current_zone
from liyu.web.i18n import current_locale, gettext, text_of
from liyu.web.pages import Page
from liyu.web.paper import statement_to_html
from liyu.web.visit import visit_of

AnyRequest = Request[Any, Any, Any]
Pieces = AsyncIterator[bytes]
Write = Callable[[AsyncConnection[Any], int], Pieces]

_PIECE = 64 * 1024


async def send_pdf(partner: PartnerScope, request: AnyRequest, session: AsyncSession, number: str) -> Page:
    """The statement on paper, in the reader's language. Raises UnknownStatementError, also for a foreign one."""
    connection = await driver_connection(session)
    document = await load_document(partner, connection, await find_statement_id(partner, connection, number))
    # Setting the pages takes its time; no transaction waits for it.
    await session.rollback()
    services = visit_of(request).services
    html = statement_to_html(
        request.app.state.environment,
        document,
        current_locale(),
        program_name=text_of(services.program.current(services.sessions), "name"),
    )
    made = await services.pdf.render(html)
    await _record(request, session, number, "pdf")
    return attach(made, PDF, f"{number}.pdf")


async def send_csv(partner: PartnerScope, request: AnyRequest, session: AsyncSession, number: str) -> Stream:
    """The entries as CSV, sent as they are read: memory does not grow with their number."""
    zone, language = current_zone(), current_locale()

    def write(connection: AsyncConnection[Any], statement_id: int) -> Pieces:
        return export_csv(partner, connection, statement_id, zone=zone, language=language, translate=gettext)

    return await _stream(partner, request, session, number, "csv", CSV, write)


async def send_xlsx(partner: PartnerScope, request: AnyRequest, session: AsyncSession, number: str) -> Stream:
    """The entries as a workbook."""
    zone, language = current_zone(), current_locale()

    async def write(connection: AsyncConnection[Any], statement_id: int) -> Pieces:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "entries.xlsx"
            await export_xlsx(partner, connection, statement_id, path, zone=zone, language=language, translate=gettext)
            with path.open("rb") as file:
                while piece := await asyncio.to_thread(file.read, _PIECE):
                    yield piece

    return await _stream(partner, request, session, number, "xlsx", XLSX, write)


async def send_json(partner: PartnerScope, request: AnyRequest, session: AsyncSession, number: str) -> Stream:
    """Statement, lines and entries as canonical JSON, signed."""
    secret_key = visit_of(request).services.settings.secret_key

    async def write(connection: AsyncConnection[Any], statement_id: int) -> Pieces:
        yield await export_json(partner, connection, statement_id, secret_key=secret_key)

    return await _stream(partner, request, session, number, "json", "application/json", write)


async def _stream(
    partner: PartnerScope, request: AnyRequest, session: AsyncSession, number: str, form: str, media: str, write: Write
) -> Stream:
    """Send a file piece by piece. Raises UnknownStatementError, also for a foreign one, before the first piece."""
    statement_id = await find_statement_id(partner, await driver_connection(session), number)
    await _record(request, session, number, form)
    sessions = visit_of(request).services.sessions

    async def pieces() -> Pieces:
        # The request's own unit of work ends before the first byte is sent.
        async with sessions() as own:
            async for piece in write(await driver_connection(own), statement_id):
                yield piece

    return Stream(pieces(), media_type=media, headers=headers_of(f"{number}.{form}"))


async def _record(request: AnyRequest, session: AsyncSession, number: str, form: str) -> None:
    await record_act(request, session, "statement.download", f"statement:{number}", after={"form": form})
