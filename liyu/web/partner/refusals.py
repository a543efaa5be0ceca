"""What was refused at a partner's tills: for those who keep an eye on them."""

from litestar import get
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.vouchers.refusals import DAYS, count_refusals
from liyu.web.actor import actor_of, require_permission
from liyu.web.formats import current_zone
from liyu.web.pages import Page, page
from liyu.web.partner.staff import AnyRequest, partner_id_of, today_of
from liyu.web.refusal_words import describe_refusals


@get("/refusals", guards=[require_permission("team.read")])
async def show_refusals(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Refused attempts by reason, store and day."""
    connection, today = await driver_connection(session), today_of(request)
    found = await count_refusals(connection, partner_id_of(actor_of(request)), today=today, zone=current_zone())
    return page(request, "partner/refusals.html", refusals=describe_refusals(found, today), days=DAYS)


ROUTES = [show_refusals]
