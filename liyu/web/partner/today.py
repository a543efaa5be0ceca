"""The first page of the portal: what was verified, what is owed so far, what waits for an answer."""

from datetime import timedelta
from typing import Any

from litestar import get
from litestar.di import NamedDependency
from psycopg import AsyncConnection
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.catalog.low_stock import list_low_stock
from liyu.core.database import driver_connection
from liyu.partners.settlement.queries import partner_figures, statements_of
from liyu.vouchers.queries import count_by_store, count_verifications, verifications_of_partner
from liyu.web.actor import Actor, actor_of, require_permission
from liyu.web.formats import current_zone
from liyu.web.pages import Page, page
from liyu.web.partner.staff import AnyRequest, names_of_staff, now_of, partner_id_of, today_of
from liyu.web.partner.statements import statement_row
from liyu.web.partner.till import open_till
from liyu.web.partner.verifications import verification_row

_LATEST = 8
_STORES = 6


@get("/", guards=[require_permission("today.read")])
async def show_today(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """What matters to this person now: the till first for those who stand at it, the account for those who keep it."""
    connection, actor = await driver_connection(session), actor_of(request)
    today, zone, partner_id = today_of(request), current_zone(), partner_id_of(actor)
    tomorrow = today + timedelta(days=1)
    latest = await verifications_of_partner(
        connection, partner_id, day=None, zone=zone, store_id=actor.store_id, limit=_LATEST
    )
    names = await names_of_staff(request, session)
    counted = [
        await count_verifications(connection, partner_id, start=start, end=tomorrow, zone=zone, store_id=actor.store_id)
        for start in (today, today.replace(day=1))
    ]
    stores = await count_by_store(connection, partner_id, day=today, zone=zone) if actor.store_id is None else []
    return page(
        request,
        "partner/today.html",
        today=today,
        till=await open_till(request, session),
        verified_today=counted[0],
        verified_this_month=counted[1],
        rows=[verification_row(request, line, names) for line in latest],
        stores=stores[:_STORES],
        low=await list_low_stock(partner_id, connection, now=now_of(request), zone=zone)
        if actor.may("codes.read")
        else [],
        busiest=max((store.count for store in stores), default=0),
        **await _read_account(request, connection, actor),
    )


async def _read_account(request: AnyRequest, connection: AsyncConnection[Any], actor: Actor) -> dict[str, Any]:
    """The partner's account and the statements that wait for a word; nothing for those whom it does not concern."""
    if not actor.may("statements.read"):
        return {"figures": None, "waiting": []}
    partner_id = partner_id_of(actor)
    statements = await statements_of(partner_id, connection)
    return {
        "figures": await partner_figures(partner_id, connection, now=now_of(request), zone=current_zone()),
        "waiting": [statement_row(one) for one in statements if one.state == "sent"],
    }


ROUTES = [show_today]
