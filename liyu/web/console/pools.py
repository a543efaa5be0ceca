"""Code pools 券码池 of all items: how they stand, imports, recalls, who looked, and points back where nothing can be replaced."""

from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.catalog.pools.queries import find_recall, load_pool
from liyu.core.database import driver_connection
from liyu.core.errors import DomainError
from liyu.core.i18n import N_
from liyu.core.jobs import defer
from liyu.partners.scope import EVERY_PARTNER
from liyu.web import code_pools
from liyu.web.actor import actor_of
from liyu.web.audit import record_act
from liyu.web.code_pool_pages import EDIT, READ, PoolPlace, make_pool_handlers
from liyu.web.console.common import AnyRequest, name_people, now_of, show
from liyu.web.formats import current_zone
from liyu.web.forms import Form
from liyu.web.pages import Page, leave_notice, redirect


@get("/pools", guards=[READ])
async def show_pools(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """All pools, those that run out first at the top."""
    rows = await code_pools.read_pools(EVERY_PARTNER, request, session)
    low = sum(row["future"].level in ("empty", "low") and row["pool"].state == "live" for row in rows)
    return show(request, "pools", rows=rows, low=low)


@post("/pools/{sku:str}/recalls/{recall_id:int}/refund", guards=[EDIT])
async def refund(
    request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str], recall_id: FromPath[int]
) -> Page:
    """Give the points of orders back whose codes cannot be replaced; the worker does."""
    connection, actor = await driver_connection(session), actor_of(request).reference
    pool = await load_pool(EVERY_PARTNER, connection, sku, now=now_of(request), zone=current_zone())
    recall = await find_recall(connection, pool.id, recall_id)
    await defer(connection, "refund_recall", recall_id=recall.id, actor=actor)
    await record_act(request, session, "codes.refund", f"item:{sku}", after={"recall": recall_id})
    leave_notice(request, N_("The points go back now; this takes a moment."))
    return redirect(request, PLACE.address(sku))


async def show_pool(
    request: AnyRequest,
    session: AsyncSession,
    sku: str,
    *,
    forms: dict[str, Form] | None = None,
    refusal: DomainError | None = None,
) -> Page:
    """The page of one pool."""

    async def name_of(people: list[str]) -> Any:
        return (await name_people(await driver_connection(session), people)).of

    context = await code_pools.read_pool(
        EVERY_PARTNER, request, session, sku, name_of=name_of, forms=forms, refusal=refusal
    )
    may_edit = actor_of(request).may("codes.edit")
    return show(
        request, "pool", refusal=refusal, here=PLACE.address(sku), may_edit=may_edit, may_refund=may_edit, **context
    )


PLACE = PoolPlace("/console", "/pools", lambda _: EVERY_PARTNER, show_pool)
ROUTES = [show_pools, *make_pool_handlers(PLACE), refund]
