"""After-sale requests: the list, the most urgent first, and one to be decided."""

from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.errors import DomainError
from liyu.core.i18n import N_
from liyu.redemption.aftersale.queries import OPERATOR, count_waiting, list_requests
from liyu.web import after_sales, order_words
from liyu.web.actor import actor_of, require_permission
from liyu.web.acts import adopt_faults
from liyu.web.after_sales import DecisionForm
from liyu.web.console.common import (
    AnyRequest,
    cursor_links,
    name_people,
    now_of,
    read_choice,
    read_cursor,
    segment,
    show,
)
from liyu.web.forms import Form
from liyu.web.i18n import gettext
from liyu.web.pages import Page, leave_notice, redirect

READ, DECIDE = require_permission("redemptions.read"), require_permission("aftersale.decide")
HOME = "/console/after-sales"


@get("/after-sales", guards=[READ])
async def show_list(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """What waits for a decision, or everything."""
    connection = await driver_connection(session)
    everything = read_choice(request, "show", ("all",)) is not None
    found, cursor = await list_requests(
        connection, OPERATOR, waiting=not everything, before=read_cursor(request) if everything else None
    )
    waiting = await count_waiting(connection, OPERATOR)
    tabs = [
        {"label": gettext(N_("To decide")), "href": HOME, "current": not everything, "count": waiting},
        {"label": gettext(N_("All")), "href": f"{HOME}?show=all", "current": everything},
    ]  # fmt: skip
    return show(
        request, "after_sales", requests=found, tabs=tabs, home=HOME, now=now_of(request), order_words=order_words,
        **cursor_links(request, cursor),
    )  # fmt: skip


@get("/after-sales/{number:str}", guards=[READ])
async def show_request(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """One request."""
    return await _show(request, session, number, DecisionForm.blank())


@get("/after-sales/{number:str}/photos/{position:int}", guards=[READ])
async def show_photo(
    request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str], position: FromPath[int]
) -> Page:
    """A photo of a request."""
    return await after_sales.send_photo(OPERATOR, request, session, number, position)


@post("/after-sales/{number:str}/decide", guards=[DECIDE])
async def decide(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """Agree, decline, or send the replacement."""
    form = await DecisionForm.read(request)
    if not form.is_valid:
        return await _show(request, session, number, form)
    refusal = adopt_faults(form, await after_sales.decide(OPERATOR, request, session, number, form))
    if refusal or not form.is_valid:
        return await _show(request, session, number, form, refusal)
    leave_notice(request, N_("Decided. The member was told."))
    return redirect(request, f"{HOME}/{segment(number)}")


async def _show(
    request: AnyRequest, session: AsyncSession, number: str, form: Form, refusal: DomainError | None = None
) -> Page:
    context: dict[str, Any] = await after_sales.read_one(OPERATOR, session, number)
    steps = context.pop("request_steps")
    names = await name_people(await driver_connection(session), [step.actor for step in steps])
    return show(
        request, "after_sale", refusal=refusal, **({} if form.is_valid else {"status": 422}), form=form, home=HOME,
        here=f"{HOME}/{segment(number)}", order_home="/console/redemptions", now=now_of(request),
        entries=after_sales.tell_request(steps, names.of), may_decide=actor_of(request).may("aftersale.decide"),
        currency=after_sales.currency_of(request), **context,
    )  # fmt: skip


ROUTES = [show_list, show_request, show_photo, decide]
