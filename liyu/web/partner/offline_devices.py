"""The partner's devices that go on without a network, and what they took: added, bound, revoked, and looked through."""

from datetime import timedelta
from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.i18n import N_
from liyu.partners.queries import stores_of
from liyu.vouchers.codes import mask_code
from liyu.vouchers.offline.devices import (
    DEFAULT_BOUNDS,
    LARGEST_CAP,
    MOST_HOURS,
    MOST_VOUCHERS,
    Bounds,
    add_device,
    offer_pairing,
    revoke_device,
)
from liyu.vouchers.offline.queries import PAGE, UseLine, list_devices, list_uses
from liyu.web.actor import actor_of, require_permission
from liyu.web.audit import record_act
from liyu.web.conflict_words import name_conflict, rule_or_reason
from liyu.web.forms import Form, IntegerField, MoneyField, TextField
from liyu.web.i18n import gettext, text_of
from liyu.web.pages import Page, leave_notice, page, redirect
from liyu.web.partner.offline_words import BEARERS
from liyu.web.partner.staff import AnyRequest, now_of, partner_id_of, undo_minutes_of
from liyu.web.partner.till import store_options
from liyu.web.visit import visit_of

HOME = "/partner/devices"
_MAY_EDIT = require_permission("stores.edit")


class DeviceForm(Form):
    store = TextField(N_("Store"), maximum=60)
    name = TextField(N_("Name"), maximum=40)
    quota = IntegerField(N_("Vouchers at most"), minimum=1, maximum=MOST_VOUCHERS)
    cap = MoneyField(N_("Worth at most, in CNY"))
    hours = IntegerField(N_("Hours at most"), minimum=1, maximum=MOST_HOURS)


class UsesForm(Form):
    before = IntegerField(required=False, maximum=2**62, default=None)


@get("/devices", guards=[_MAY_EDIT])
async def show_devices(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The devices, with what each may take, took and when it was last in contact; and a form for another one."""
    return await _devices_page(request, session, DeviceForm.blank())


@post("/devices", guards=[_MAY_EDIT])
async def add(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Add a device for a store; its code is shown once."""
    form, actor = await DeviceForm.read(request), actor_of(request)
    connection = await driver_connection(session)
    stores = {store.code: store for store in await _own_stores(request, session)}
    if form.is_valid and form.store not in stores:
        form.refuse(N_("Choose the store you are in."), "store")
    if form.is_valid and not 100 <= form.cap <= LARGEST_CAP:
        form.refuse(N_("Between 1 and 20,000."), "cap")
    if not form.is_valid:
        return await _devices_page(request, session, form, status=422)
    device_id, code = await add_device(
        connection,
        partner_id_of(actor),
        store_id=stores[form.store].id,
        name=form.name,
        bounds=Bounds(form.quota, form.cap, form.hours),
        actor=actor.reference,
        now=now_of(request),
    )
    after = {"store": form.store, "name": form.name, "quota": form.quota, "cap": form.cap, "hours": form.hours}
    await record_act(request, session, "devices.add", f"till_device:{device_id}", after=after)
    return _code_page(request, form.name, code)


@post("/devices/{device_id:int}/code", guards=[_MAY_EDIT])
async def show_another_code(
    request: AnyRequest, session: NamedDependency[AsyncSession], device_id: FromPath[int]
) -> Page:
    """Another code, to bind another browser to a device; the one that was bound before is so until then."""
    actor, connection = actor_of(request), await driver_connection(session)
    code = await offer_pairing(
        connection, partner_id_of(actor), device_id, store_id=actor.store_id, now=now_of(request)
    )
    await record_act(request, session, "devices.code", f"till_device:{device_id}")
    devices = await list_devices(connection, partner_id_of(actor), store_id=actor.store_id)
    return _code_page(request, next(one.name for one in devices if one.id == device_id), code)


@post("/devices/{device_id:int}/revoke", guards=[_MAY_EDIT])
async def revoke(request: AnyRequest, session: NamedDependency[AsyncSession], device_id: FromPath[int]) -> Page:
    """From now on the device takes nothing without a network; what it took before still comes in."""
    actor = actor_of(request)
    await revoke_device(
        await driver_connection(session),
        partner_id_of(actor),
        device_id,
        store_id=actor.store_id,
        actor=actor.reference,
        now=now_of(request),
    )
    await record_act(request, session, "devices.revoke", f"till_device:{device_id}")
    leave_notice(request, N_("The device was revoked. It takes nothing more without a network."))
    return redirect(request, HOME)


@get("/offline-uses", guards=[require_permission("orders.read")])
async def show_uses(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """What devices took without a network and what became of it, the newest first."""
    form, actor = UsesForm.parse(request.query_params.dict()), actor_of(request)
    before = form.before if form.is_valid else None
    found = await list_uses(
        await driver_connection(session), partner_id_of(actor), store_id=actor.store_id, before=before, limit=PAGE + 1
    )
    return page(
        request,
        "partner/offline_uses.html",
        rows=[_row(request, line) for line in found[:PAGE]],
        first_href="/partner/offline-uses" if before else None,
        next_href=f"/partner/offline-uses?before={found[PAGE - 1].id}" if len(found) > PAGE else None,
    )


def _row(request: AnyRequest, line: UseLine) -> dict[str, Any]:
    return {
        "line": line,
        "item": text_of(line, "item") if line.item_zh else "",
        "code": mask_code(visit_of(request).services.codes.code_of(line.serial)) if line.serial else "",
        "store": text_of(line, "store"),
        "conflict": name_conflict(line.conflict) if line.conflict else None,
        "bearer": gettext(BEARERS[line.bearer]) if line.bearer else None,
        "reason": rule_or_reason(line.reason),
        "can_undo": _may_undo(request, line),
    }


def _may_undo(request: AnyRequest, line: UseLine) -> bool:
    """Whether the person may take it back now; the domain decides once more when they do."""
    in_time = now_of(request) < line.received_at + timedelta(minutes=undo_minutes_of(request))
    is_standing = line.verification_id is not None and line.undone_at is None
    return is_standing and in_time and actor_of(request).may("vouchers.undo")


async def _own_stores(request: AnyRequest, session: AsyncSession) -> list[Any]:
    actor = actor_of(request)
    stores = await stores_of(partner_id_of(actor), await driver_connection(session))
    return [store for store in stores if store.active and actor.store_id in (None, store.id)]


async def _devices_page(request: AnyRequest, session: AsyncSession, form: DeviceForm, *, status: int = 200) -> Page:
    actor = actor_of(request)
    stores = await _own_stores(request, session)
    return page(
        request,
        "partner/devices.html",
        status=status,
        now=now_of(request),
        rows=await list_devices(await driver_connection(session), partner_id_of(actor), store_id=actor.store_id),
        options=store_options(stores),
        form=form,
        defaults=DEFAULT_BOUNDS,
        most=Bounds(MOST_VOUCHERS, LARGEST_CAP, MOST_HOURS),
    )


def _code_page(request: AnyRequest, name: str, code: str) -> Page:
    return page(request, "partner/device_code.html", name=name, code=code)


ROUTES = [show_devices, add, show_another_code, revoke, show_uses]
