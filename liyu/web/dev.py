"""Pages that exist on a development machine only."""

import ipaddress
from typing import Any

from litestar import Request, get
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.outbox import latest_messages
from liyu.web.pages import Page, page
from liyu.web.visit import visit_of


@get("/dev/outbox")
async def show_outbox(request: Request[Any, Any, Any], session: NamedDependency[AsyncSession]) -> Page:
    """Mail and SMS that were written, codes included: for whoever sits at this machine."""
    address = visit_of(request).address
    if not address or not ipaddress.ip_address(address).is_loopback:
        raise NotFoundException
    return page(request, "dev/outbox.html", messages=await latest_messages(session))


ROUTES = [show_outbox]
