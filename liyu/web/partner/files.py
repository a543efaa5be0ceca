"""The partner's own statements as files: PDF, XLSX and CSV for people, signed JSON for programs."""

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Stream
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.web import statement_files
from liyu.web.actor import actor_of, require_permission
from liyu.web.pages import Page
from liyu.web.partner.staff import AnyRequest, partner_id_of

GUARD = require_permission("statements.read")


@get("/statements/{number:str}/statement.pdf", guards=[GUARD])
async def download_pdf(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """The statement on paper."""
    return await statement_files.send_pdf(partner_id_of(actor_of(request)), request, session, number)


@get("/statements/{number:str}/entries.csv", guards=[GUARD])
async def download_csv(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Stream:
    """The entries as CSV."""
    return await statement_files.send_csv(partner_id_of(actor_of(request)), request, session, number)


@get("/statements/{number:str}/entries.xlsx", guards=[GUARD])
async def download_xlsx(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Stream:
    """The entries as a workbook."""
    return await statement_files.send_xlsx(partner_id_of(actor_of(request)), request, session, number)


@get("/statements/{number:str}/statement.json", guards=[GUARD])
async def download_json(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Stream:
    """Statement, lines and entries as canonical JSON, signed."""
    return await statement_files.send_json(partner_id_of(actor_of(request)), request, session, number)


ROUTES = [download_pdf, download_csv, download_xlsx, download_json]
