"""Code pools 券码池 of all items: how they stand, imports, recalls, who looked, and points back where nothing can be replaced."""

from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Stream
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.catalog.pools.queries import list_recalls, load_pool
from liyu.core.database import driver_connection
from liyu.core.errors import DomainError, NotFoundError
from liyu.core.i18n import N_
from liyu.core.jobs import defer
from liyu.partners.scope import EVERY_PARTNER
from liyu.web import code_pools
from liyu.web.actor import actor_of, require_permission
from liyu.web.audit import record_act
from liyu.web.code_pools import LARGEST_UPLOAD, ImportForm, RecallForm, WatchForm, say_import, say_recall
from liyu.web.console.common import AnyRequest, adopt_faults, name_people, now_of, segment, show
from liyu.web.formats import current_zone
from liyu.web.forms import Form
from liyu.web.pages import Page, leave_notice, redirect

READ, EDIT = require_permission("codes.read"), require_permission("codes.edit")


@get("/pools", guards=[READ])
async def show_pools(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """All pools, those that run out first at the top."""
    rows = await code_pools.read_pools(EVERY_PARTNER, request, session)
    low = sum(row["future"].level in ("empty", "low") and row["pool"].state == "live" for row in rows)
    return show(request, "pools", rows=rows, low=low)


@get("/pools/{sku:str}", guards=[READ])
async def show_pool(request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str]) -> Page:
    """One pool."""
    return await _show(request, session, sku)


@post("/pools/{sku:str}/import", guards=[EDIT], request_max_body_size=LARGEST_UPLOAD)
async def add_codes(request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str]) -> Page:
    """Import codes, then show what became of them."""
    form = await ImportForm.read(request)
    if not form.is_valid:
        return await _show(request, session, sku, forms={"import": form})
    try:
        done = await code_pools.take_import(EVERY_PARTNER, request, session, sku, form)
    except NotFoundError:
        raise
    except DomainError as refusal:
        return await _show(request, session, sku, refusal=refusal)
    leave_notice(request, say_import(done))
    return redirect(request, f"/console/pools/{segment(sku)}?import={done.import_id}")


@get("/pools/{sku:str}/imports/{import_id:int}/faults.csv", guards=[EDIT])
async def download_faults(
    request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str], import_id: FromPath[int]
) -> Stream:
    """The rows that were not added."""
    return await code_pools.send_faults(EVERY_PARTNER, request, session, sku, import_id)


@post("/pools/{sku:str}/recall", guards=[EDIT])
async def recall(request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str]) -> Page:
    """Recall a bad batch."""
    form = await RecallForm.read(request)
    if not form.is_valid:
        return await _show(request, session, sku, forms={"recall": form})
    try:
        done = await code_pools.take_recall(EVERY_PARTNER, request, session, sku, form)
    except NotFoundError:
        raise
    except DomainError as refusal:
        left = adopt_faults(form, refusal)
        return await _show(request, session, sku, forms={"recall": form}, refusal=left)
    leave_notice(request, say_recall(done))
    return redirect(request, f"/console/pools/{segment(sku)}")


@post("/pools/{sku:str}/recalls/{recall_id:int}/refund", guards=[EDIT])
async def refund(
    request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str], recall_id: FromPath[int]
) -> Page:
    """Give the points of orders back whose codes cannot be replaced; the worker does."""
    connection, actor = await driver_connection(session), actor_of(request).reference
    pool = await load_pool(EVERY_PARTNER, connection, sku, now=now_of(request), zone=current_zone())
    if recall_id not in {one.id for one in await list_recalls(connection, pool.id, size=1000)}:
        raise NotFoundError
    await defer(connection, "refund_recall", recall_id=recall_id, actor=actor)
    await record_act(request, session, "codes.refund", f"item:{sku}", after={"recall": recall_id})
    leave_notice(request, N_("The points go back now; this takes a moment."))
    return redirect(request, f"/console/pools/{segment(sku)}")


@post("/pools/{sku:str}/watch", guards=[EDIT])
async def change_watch(request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str]) -> Page:
    """Say when the pool is low."""
    form = await WatchForm.read(request)
    if not form.is_valid:
        return await _show(request, session, sku, forms={"watch": form})
    await code_pools.take_watch(EVERY_PARTNER, request, session, sku, form)
    leave_notice(request, N_("The warning is set."))
    return redirect(request, f"/console/pools/{segment(sku)}")


async def _show(
    request: AnyRequest,
    session: AsyncSession,
    sku: str,
    *,
    forms: dict[str, Form] | None = None,
    refusal: DomainError | None = None,
) -> Page:
    async def name_of(people: list[str]) -> Any:
        return (await name_people(await driver_connection(session), people)).of

    context = await code_pools.read_pool(
        EVERY_PARTNER, request, session, sku, name_of=name_of, forms=forms, refusal=refusal
    )
    may_edit = actor_of(request).may("codes.edit")
    here = f"/console/pools/{segment(sku)}"
    return show(request, "pool", refusal=refusal, here=here, may_edit=may_edit, may_refund=may_edit, **context)


ROUTES = [show_pools, show_pool, add_codes, download_faults, recall, refund, change_watch]
