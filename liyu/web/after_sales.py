"""After-sale requests for whoever decides, operators and partners alike: reading the forms, doing the acts, showing one.

Whose requests may be touched is the first argument (docs/rules.md 16).
"""

from typing import Any

from litestar import Request as HttpRequest
from litestar.exceptions import NotFoundException
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.catalog.pictures import MEDIA_TYPE
from liyu.core.database import driver_connection
from liyu.core.errors import DomainError, NotAllowedError, NotFoundError
from liyu.core.i18n import N_
from liyu.core.storage import open_storage
from liyu.redemption.aftersale.queries import (
    Asker,
    Request,
    RequestStep,
    list_photos,
    list_request_steps,
    load_request,
)
from liyu.redemption.aftersale.service import approve, decline, exchange
from liyu.redemption.aftersale.states import may_become
from liyu.redemption.shipping.carriers import CARRIERS
from liyu.redemption.shipping.parcels import Waybill
from liyu.web import order_words
from liyu.web.actor import actor_of
from liyu.web.audit import record_act
from liyu.web.formats import current_zone
from liyu.web.forms import ChoiceField, Form, TextField
from liyu.web.i18n import text_of
from liyu.web.pages import Page
from liyu.web.visit import visit_of

AnyRequest = HttpRequest[Any, Any, Any]
LONGEST_WORDS = 500


class DecisionForm(Form):
    wanted = ChoiceField(("approve", "decline", "exchange"))
    words = TextField(N_("Words to the member"), required=False, maximum=LONGEST_WORDS)
    carrier = ChoiceField(CARRIERS, N_("Carrier"), required=False)
    tracking_number = TextField(N_("Tracking number"), required=False, maximum=60)


async def decide(
    asker: Asker, request: AnyRequest, session: AsyncSession, number: str, form: DecisionForm
) -> DomainError | None:
    """Do what the form says, in a savepoint; a refusal undoes it and is given back, for the page to say."""
    connection = await driver_connection(session)
    before = await load_request(connection, asker, number)
    actor, now = actor_of(request).reference, visit_of(request).services.clock.now()
    common: dict[str, Any] = {"words": form.words, "actor": actor, "now": now, "zone": current_zone()}
    try:
        async with connection.transaction():
            if form.wanted == "approve":
                await approve(connection, asker, number, **common)
            elif form.wanted == "decline":
                await decline(connection, asker, number, **common)
            else:
                await exchange(connection, asker, number, Waybill(form.carrier or "", form.tracking_number), **common)
    except (NotFoundError, NotAllowedError):
        raise
    except DomainError as refusal:
        return refusal
    after = await load_request(connection, asker, number)
    await record_act(
        request, session, f"after_sale.{form.wanted}", f"after_sale:{number}", before={"state": before.state},
        after={"state": after.state, "points": after.points, "cash_minor": after.cash_minor, "words": form.words},
    )  # fmt: skip
    return None


async def read_one(asker: Asker, session: AsyncSession, number: str) -> dict[str, Any]:
    """What the page of a request needs."""
    connection = await driver_connection(session)
    one = await load_request(connection, asker, number)
    return {
        "one": one,
        "photos": await list_photos(connection, one.id),
        "request_steps": await list_request_steps(connection, one.id),
        "carriers": carrier_choices(),
        "may_approve": one.state == "requested" or (one.state == "sent_back" and one.kind == "return"),
        "may_exchange": one.kind == "exchange" and may_become(one.state, "exchanged"),
        "may_decline": may_become(one.state, "declined"),
        "order_words": order_words,
    }


def tell_request(steps: list[RequestStep], names: Any = None) -> list[dict[str, Any]]:
    """How a request came to its state; `names` gives the people behind references, for those who may know them."""
    return [
        {
            "text": order_words.request_state(step.to_state),
            "when": step.at,
            "by": names(step.actor) if names else "",
            "note": order_words.reason(step.reason),
            "state": {"declined": "red", "withdrawn": "waiting", "lapsed": "waiting"}.get(step.to_state, ""),
        }
        for step in steps
    ]


def carrier_choices() -> list[tuple[str, str]]:
    """The carriers to choose from."""
    return [(code, text_of(one, "name")) for code, one in CARRIERS.items()]


async def send_photo(asker: Asker, request: AnyRequest, session: AsyncSession, number: str, position: int) -> Page:
    """A photo of a request, to whoever may see the request."""
    connection = await driver_connection(session)
    one: Request = await load_request(connection, asker, number)
    found = next((photo for photo in await list_photos(connection, one.id) if photo.position == position), None)
    if found is None:
        raise NotFoundException
    try:
        content = await open_storage(visit_of(request).services.settings).get(found.storage_name)
    except FileNotFoundError:
        raise NotFoundException from None
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"cache-control", b"private, max-age=3600"),
        (b"x-content-type-options", b"nosniff"),
        (b"content-disposition", b"inline"),
    ]
    return Page(content, headers=headers)


def currency_of(request: AnyRequest) -> str:
    """The program's currency."""
    services = visit_of(request).services
    return services.program.current(services.sessions).currency
