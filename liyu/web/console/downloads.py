"""Any partner's statement as files: PDF, XLSX and CSV for people, signed JSON for programs."""

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Stream
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.partners.scope import EVERY_PARTNER
from liyu.web import statement_files
from liyu.web.actor import require_permission
from liyu.web.console.common import AnyRequest
from liyu.web.pages import Page

GUARD = require_permission("statements.read")


@get("/settlements/{number:str}/statement.pdf", guards=[GUARD])
async def download_pdf(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """The statement on paper."""
    return await statement_files.send_pdf(EVERY_PARTNER, request, session, number)


@get("/settlements/{number:str}/entries.csv", guards=[GUARD])
async def download_csv(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Stream:
    """The entries as CSV."""
    return await statement_files.send_csv(EVERY_PARTNER, request, session, number)


@get("/settlements/{number:str}/entries.xlsx", guards=[GUARD])
async def download_xlsx(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Stream:
    """The entries as a workbook."""
    return await statement_files.send_xlsx(EVERY_PARTNER, request, session, number)


@get("/settlements/{number:str}/statement.json", guards=[GUARD])
async def download_json(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Stream:
    """The statement with lines and entries, signed."""
    return await statement_files.send_json(EVERY_PARTNER, request, session, number)


ROUTES = [download_pdf, download_csv, download_xlsx, download_json]
