"""A partner's store in the console: where it is, and when it is open."""

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.i18n import N_
from liyu.partners.scope import EVERY_PARTNER
from liyu.partners.stores import find_store
from liyu.web.actor import require_permission
from liyu.web.console.common import AnyRequest, segment, show
from liyu.web.pages import Page, leave_notice, redirect
from liyu.web.store_form import StoreForm, save_store

EDIT = require_permission("partners.edit")


@get("/stores/{code:str}", guards=[EDIT])
async def edit_store(request: AnyRequest, session: NamedDependency[AsyncSession], code: FromPath[str]) -> Page:
    """The form of one store."""
    return await _show(request, session, code)


@post("/stores/{code:str}", guards=[EDIT])
async def change_store(request: AnyRequest, session: NamedDependency[AsyncSession], code: FromPath[str]) -> Page:
    """Say where a store is and when it is open."""
    form = await StoreForm.read(request)
    if not form.is_valid:
        return await _show(request, session, code, form)
    store = await find_store(EVERY_PARTNER, code, await driver_connection(session))
    await save_store(request, session, EVERY_PARTNER, code, form)
    leave_notice(request, N_("Saved. Members see it at once."))
    return redirect(request, f"/console/partners/{segment(store.partner_code)}#stores")


async def _show(request: AnyRequest, session: AsyncSession, code: str, form: StoreForm | None = None) -> Page:
    store = await find_store(EVERY_PARTNER, code, await driver_connection(session))
    return show(request, "store", status=422 if form else 200, store=store, form=form or StoreForm.of(store))


ROUTES = [edit_store, change_store]
