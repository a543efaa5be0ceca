"""The partner's own offers and people, to look at."""

from typing import Any
from urllib.parse import urlencode

from litestar import get
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.catalog.names import KIND_NAMES, STATE_NAMES
from liyu.catalog.queries import ItemFilter, ItemLine, count_by_state, list_items
from liyu.catalog.states import STATES
from liyu.core.access.staff import list_staff
from liyu.core.database import driver_connection
from liyu.core.i18n import N_
from liyu.partners.queries import stores_of
from liyu.web.actor import actor_of, require_permission
from liyu.web.forms import ChoiceField, Form, IntegerField
from liyu.web.i18n import gettext, text_of
from liyu.web.pages import Page, page
from liyu.web.partner.staff import AnyRequest, partner_id_of
from liyu.web.partner.words import OFFER_TONES

_ADDRESS = "/partner/offers"
_SCARCE = 10
"""With fewer units left than one in ten, the stock is worth a second look."""


class OffersForm(Form):
    state = ChoiceField(STATES, required=False, default=None)
    after = IntegerField(required=False, maximum=2**62, default=None)


@get("/offers", guards=[require_permission("offers.read")])
async def list_offers(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The partner's items in every state, the newest first."""
    form = OffersForm.parse(request.query_params.dict())
    state, after = (form.state, form.after) if form.is_valid else (None, None)
    connection = await driver_connection(session)
    wanted = ItemFilter(partner_id=partner_id_of(actor_of(request)), state=state)
    found = await list_items(connection, wanted, after=after)
    counts = await count_by_state(connection, wanted)
    return page(
        request,
        "partner/offers.html",
        filters=[
            {
                "label": gettext(N_("All states")),
                "href": _ADDRESS,
                "current": state is None,
                "count": sum(counts.values()),
            },
            *(
                {
                    "label": gettext(STATE_NAMES[one]),
                    "href": f"{_ADDRESS}?state={one}",
                    "current": one == state,
                    "count": count,
                }
                for one, count in counts.items()
                if count
            ),
        ],
        rows=[_offer_row(line) for line in found.lines],
        is_filtered=state is not None,
        first_href=_offers_address(state, None) if after else None,
        next_href=_offers_address(state, found.next) if found.next else None,
    )


@get("/team", guards=[require_permission("team.read")])
async def list_team(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Who works for the partner; the manager of one store sees the people of that store."""
    actor = actor_of(request)
    partner_id = partner_id_of(actor)
    stores = {store.id: store for store in await stores_of(partner_id, await driver_connection(session))}
    people = await list_staff(session, partner_id, store_id=actor.store_id)
    return page(
        request,
        "partner/team.html",
        rows=[
            {
                "person": person,
                "store": text_of(stores[person.store_id], "name") if person.store_id in stores else None,
                "is_me": person.id == actor.staff_id,
                "two_steps": person.totp_secret is not None,
            }
            for person in people
        ],
    )


def _offer_row(line: ItemLine) -> dict[str, Any]:
    left = None if line.total is None else max(line.total - line.taken, 0)
    return {
        "line": line,
        "name": text_of(line, "name"),
        "kind": gettext(KIND_NAMES[line.kind]),
        "label": gettext(STATE_NAMES[line.state]),
        "tone": OFFER_TONES.get(line.state, "grey"),
        "left": left,
        "is_scarce": left is not None and line.total is not None and left * _SCARCE < line.total,
    }


def _offers_address(state: str | None, after: int | None) -> str:
    query = urlencode({name: value for name, value in (("state", state), ("after", after)) if value})
    return f"{_ADDRESS}?{query}" if query else _ADDRESS


ROUTES = [list_offers, list_team]
