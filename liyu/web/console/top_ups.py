"""Top-ups: the systems that carry them out, and what is not decided."""

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.errors import DomainError
from liyu.core.i18n import N_
from liyu.redemption.topup.endpoints import (
    EndpointDraft,
    list_endpoints,
    load_endpoint,
    renew_secret,
    save_endpoint,
)
from liyu.redemption.topup.queries import list_open
from liyu.web import order_words
from liyu.web.actor import require_permission
from liyu.web.acts import adopt_faults
from liyu.web.audit import record_act
from liyu.web.console.common import AnyRequest, now_of, show
from liyu.web.forms import CheckField, Form, TextField
from liyu.web.lines import split_names
from liyu.web.pages import Page, leave_notice, redirect
from liyu.web.visit import visit_of

GUARD = require_permission("topups.edit")
HOME = "/console/top-ups"


class EndpointForm(Form):
    name = TextField(N_("Name"), maximum=100)
    url = TextField(N_("Address"), maximum=500)
    skus = TextField(N_("Items"), required=False, maximum=5_000)
    active = CheckField(N_("In use"))


@get("/top-ups", guards=[GUARD])
async def show_list(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The systems, and what is not decided."""
    connection = await driver_connection(session)
    return show(
        request, "top_ups", endpoints=await list_endpoints(connection), open=await list_open(connection),
        order_words=order_words,
    )  # fmt: skip


@get("/top-ups/new", guards=[GUARD])
async def show_new(request: AnyRequest) -> Page:
    """An empty form."""
    return show(request, "top_up_endpoint", form=EndpointForm.blank(active="yes"), endpoint=None, secret=None)


@post("/top-ups/new", guards=[GUARD])
async def create(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Add a system; its secret is shown this once."""
    return await _save(request, session, None)


@get("/top-ups/{endpoint_id:int}", guards=[GUARD])
async def show_endpoint(
    request: AnyRequest, session: NamedDependency[AsyncSession], endpoint_id: FromPath[int]
) -> Page:
    """One system."""
    return await _show(request, session, endpoint_id)


@post("/top-ups/{endpoint_id:int}", guards=[GUARD])
async def change(request: AnyRequest, session: NamedDependency[AsyncSession], endpoint_id: FromPath[int]) -> Page:
    """Change a system."""
    return await _save(request, session, endpoint_id)


@post("/top-ups/{endpoint_id:int}/secret", guards=[GUARD])
async def renew(request: AnyRequest, session: NamedDependency[AsyncSession], endpoint_id: FromPath[int]) -> Page:
    """Make another secret, shown this once."""
    secret = await renew_secret(
        await driver_connection(session), endpoint_id, secret_key=visit_of(request).services.settings.secret_key,
        now=now_of(request),
    )  # fmt: skip
    await record_act(request, session, "top_up.secret", f"top_up_endpoint:{endpoint_id}")
    return await _show(request, session, endpoint_id, secret=secret)


async def _save(request: AnyRequest, session: AsyncSession, endpoint_id: int | None) -> Page:
    form, settings = await EndpointForm.read(request), visit_of(request).services.settings
    if not form.is_valid:
        return await _show(request, session, endpoint_id, form=form)
    connection = await driver_connection(session)
    draft = EndpointDraft(form.name, form.url, split_names(form.skus), form.active)
    try:
        saved, secret = await save_endpoint(
            connection, draft, endpoint_id=endpoint_id, secret_key=settings.secret_key,
            allow_private=settings.is_development, now=now_of(request),
        )  # fmt: skip
    except DomainError as refusal:
        if adopt_faults(form, refusal) is None:
            return await _show(request, session, endpoint_id, form=form)
        raise
    after = {"name": draft.name, "url": draft.url, "items": draft.skus, "active": draft.active}
    await record_act(request, session, "top_up.save", f"top_up_endpoint:{saved}", after=after)
    if secret is not None:
        return await _show(request, session, saved, secret=secret)
    leave_notice(request, N_("Saved."))
    return redirect(request, HOME)


async def _show(
    request: AnyRequest,
    session: AsyncSession,
    endpoint_id: int | None,
    *,
    form: EndpointForm | None = None,
    secret: str | None = None,
) -> Page:
    endpoint = await load_endpoint(await driver_connection(session), endpoint_id) if endpoint_id is not None else None
    if form is None and endpoint is not None:
        form = EndpointForm.blank(
            name=endpoint.name, url=endpoint.url, skus="\n".join(endpoint.skus), active="yes" if endpoint.active else ""
        )
    assert form is not None
    status = 422 if form.faults else 200
    return show(request, "top_up_endpoint", status=status, form=form, endpoint=endpoint, secret=secret)


ROUTES = [show_list, show_new, create, show_endpoint, change, renew]
