"""The partner's stores: what each verified today, where it is, and when it is open."""

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.i18n import N_
from liyu.partners.queries import stores_of
from liyu.partners.stores import find_store
from liyu.vouchers.queries import count_by_store
from liyu.web.actor import Actor, actor_of, require_permission
from liyu.web.formats import current_zone
from liyu.web.pages import Page, leave_notice, page, redirect
from liyu.web.partner.staff import AnyRequest, partner_id_of, today_of
from liyu.web.store_form import StoreForm, save_store

HOME = "/partner/stores"
EDIT = "stores.edit"


@get("/stores", guards=[require_permission("stores.read")])
async def list_stores(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The partner's stores with address and hours, and what each verified today."""
    connection, actor = await driver_connection(session), actor_of(request)
    counted = await count_by_store(connection, partner_id_of(actor), day=today_of(request), zone=current_zone())
    verified = {store.store_id: store.count for store in counted}
    stores = await stores_of(partner_id_of(actor), connection)
    return page(
        request,
        "partner/stores.html",
        rows=[
            {"store": store, "verified": verified.get(store.id, 0), "may_edit": _may_edit(actor, store.id)}
            for store in stores
        ],
        open_stores=sum(store.active for store in stores),
    )


@get("/stores/{code:str}", guards=[require_permission(EDIT)])
async def edit_store(request: AnyRequest, session: NamedDependency[AsyncSession], code: FromPath[str]) -> Page:
    """The form of one store; of somebody who is bound to a store, of that one only."""
    return await _show(request, session, code)


@post("/stores/{code:str}", guards=[require_permission(EDIT)])
async def change_store(request: AnyRequest, session: NamedDependency[AsyncSession], code: FromPath[str]) -> Page:
    """Say where a store is and when it is open."""
    form, actor = await StoreForm.read(request), actor_of(request)
    if not form.is_valid:
        return await _show(request, session, code, form)
    await save_store(request, session, partner_id_of(actor), code, form, own_store_id=actor.store_id)
    leave_notice(request, N_("Saved. Members see it at once."))
    return redirect(request, HOME)


async def _show(request: AnyRequest, session: AsyncSession, code: str, form: StoreForm | None = None) -> Page:
    actor = actor_of(request)
    connection = await driver_connection(session)
    store = await find_store(partner_id_of(actor), code, connection, own_store_id=actor.store_id)
    return page(
        request,
        "partner/store.html",
        status=422 if form else 200,
        store=store,
        form=form or StoreForm.of(store),
    )


def _may_edit(actor: Actor, store_id: int) -> bool:
    return actor.may(EDIT) and actor.store_id in (None, store_id)


ROUTES = [list_stores, edit_store, change_store]
