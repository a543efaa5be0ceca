"""After-sale requests for the partner's own goods."""

from typing import Any
from urllib.parse import quote

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.errors import DomainError, InvalidInputError
from liyu.core.i18n import N_
from liyu.redemption.aftersale.queries import Asker, count_waiting, list_requests
from liyu.web import after_sales, order_words
from liyu.web.actor import actor_of, require_permission
from liyu.web.after_sales import DecisionForm
from liyu.web.forms import Form, IntegerField
from liyu.web.i18n import gettext, translate
from liyu.web.pages import Page, leave_notice, page, redirect
from liyu.web.partner.staff import AnyRequest, names_of_staff, now_of, partner_id_of

GUARD = require_permission("aftersale.decide")
HOME = "/partner/after-sales"


class ListForm(Form):
    before = IntegerField(required=False, maximum=2**62)


@get("/after-sales", guards=[GUARD])
async def show_list(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """What waits for a decision, or everything."""
    connection, own = await driver_connection(session), _own(request)
    everything = request.query_params.get("show") == "all"
    form = ListForm.parse(request.query_params.dict())
    before = form.before if form.is_valid and everything else None
    found, cursor = await list_requests(connection, own, waiting=not everything, before=before)
    waiting = await count_waiting(connection, own)
    tabs: list[dict[str, Any]] = [
        {"label": gettext(N_("To decide")), "href": HOME, "current": not everything, "count": waiting},
        {"label": gettext(N_("All")), "href": f"{HOME}?show=all", "current": everything},
    ]  # fmt: skip
    return page(
        request, "partner/after_sales.html", requests=found, tabs=tabs, home=HOME, now=now_of(request), order_words=order_words,
        first_href=f"{HOME}?show=all" if before else None, next_href=f"{HOME}?show=all&before={cursor}" if cursor else None,
    )  # fmt: skip


@get("/after-sales/{number:str}", guards=[GUARD])
async def show_request(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """One request for the partner's goods."""
    return await _show(request, session, number, DecisionForm.blank())


@get("/after-sales/{number:str}/photos/{position:int}", guards=[GUARD])
async def show_photo(
    request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str], position: FromPath[int]
) -> Page:
    """A photo of a request for the partner's goods."""
    return await after_sales.send_photo(_own(request), request, session, number, position)


@post("/after-sales/{number:str}/decide", guards=[GUARD])
async def decide(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """Agree, decline, or send the replacement."""
    form = await DecisionForm.read(request)
    if not form.is_valid:
        return await _show(request, session, number, form)
    refusal = await after_sales.decide(_own(request), request, session, number, form)
    if refusal is not None:
        known = isinstance(refusal, InvalidInputError) and form.adopt(refusal)
        return await _show(request, session, number, form, None if known else refusal)
    leave_notice(request, N_("Decided. The member was told."))
    return redirect(request, f"{HOME}/{quote(number, safe='')}")


def _own(request: AnyRequest) -> Asker:
    return Asker(partner_id=partner_id_of(actor_of(request)))


async def _show(
    request: AnyRequest, session: AsyncSession, number: str, form: Form, refusal: DomainError | None = None
) -> Page:
    context: dict[str, Any] = await after_sales.read_one(_own(request), session, number)
    names = await names_of_staff(request, session)

    def name_of(reference: str) -> str:
        if reference.startswith("member:"):
            return gettext(N_("Member"))
        return names.get(reference, gettext(N_("Operator")))

    status = refusal.status if refusal else 200 if form.is_valid else 422
    return page(
        request, "partner/after_sale.html", status=status, form=form, home=HOME, here=f"{HOME}/{quote(number, safe='')}",
        order_home="/partner/shipping/orders", now=now_of(request), may_decide=True,
        entries=after_sales.tell_request(context.pop("request_steps"), name_of), currency=after_sales.currency_of(request),
        fault=translate(refusal.text) if refusal else None, **context,
    )  # fmt: skip


ROUTES = [show_list, show_request, show_photo, decide]
