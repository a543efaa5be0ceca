"""The partner's own code pools: how they stand, importing codes, and recalling bad ones."""

from typing import Any
from urllib.parse import quote

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Stream
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.errors import DomainError, InvalidInputError, NotFoundError
from liyu.core.i18n import N_
from liyu.web import code_pools
from liyu.web.actor import actor_of, require_permission
from liyu.web.code_pools import LARGEST_UPLOAD, ImportForm, RecallForm, WatchForm, say_import, say_recall
from liyu.web.forms import Form
from liyu.web.i18n import gettext, translate
from liyu.web.pages import Page, leave_notice, page, redirect
from liyu.web.partner.staff import AnyRequest, names_of_staff, partner_id_of

READ, EDIT = require_permission("codes.read"), require_permission("codes.edit")


@get("/codes", guards=[READ])
async def list_code_pools(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The partner's pools, those that run out first at the top."""
    rows = await code_pools.read_pools(partner_id_of(actor_of(request)), request, session)
    return page(request, "partner/codes.html", rows=rows)


@get("/codes/{sku:str}", guards=[READ])
async def show_code_pool(request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str]) -> Page:
    """One pool of the partner's."""
    return await _show(request, session, sku)


@post("/codes/{sku:str}/import", guards=[EDIT], request_max_body_size=LARGEST_UPLOAD)
async def add_codes(request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str]) -> Page:
    """Import codes, then show what became of them."""
    form = await ImportForm.read(request)
    if not form.is_valid:
        return await _show(request, session, sku, forms={"import": form})
    try:
        done = await code_pools.take_import(partner_id_of(actor_of(request)), request, session, sku, form)
    except NotFoundError:
        raise
    except DomainError as refusal:
        return await _show(request, session, sku, refusal=refusal)
    leave_notice(request, say_import(done))
    return redirect(request, f"{_address(sku)}?import={done.import_id}")


@get("/codes/{sku:str}/imports/{import_id:int}/faults.csv", guards=[EDIT])
async def download_faults(
    request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str], import_id: FromPath[int]
) -> Stream:
    """The rows that were not added."""
    return await code_pools.send_faults(partner_id_of(actor_of(request)), request, session, sku, import_id)


@post("/codes/{sku:str}/recall", guards=[EDIT])
async def recall(request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str]) -> Page:
    """Recall a bad batch."""
    form = await RecallForm.read(request)
    if not form.is_valid:
        return await _show(request, session, sku, forms={"recall": form})
    try:
        done = await code_pools.take_recall(partner_id_of(actor_of(request)), request, session, sku, form)
    except NotFoundError:
        raise
    except DomainError as refusal:
        is_in_fields = isinstance(refusal, InvalidInputError) and form.adopt(refusal)
        return await _show(request, session, sku, forms={"recall": form}, refusal=None if is_in_fields else refusal)
    leave_notice(request, say_recall(done))
    return redirect(request, _address(sku))


@post("/codes/{sku:str}/watch", guards=[EDIT])
async def change_watch(request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str]) -> Page:
    """Say when the pool is low."""
    form = await WatchForm.read(request)
    if not form.is_valid:
        return await _show(request, session, sku, forms={"watch": form})
    await code_pools.take_watch(partner_id_of(actor_of(request)), request, session, sku, form)
    leave_notice(request, N_("The warning is set."))
    return redirect(request, _address(sku))


async def _show(
    request: AnyRequest,
    session: AsyncSession,
    sku: str,
    *,
    forms: dict[str, Form] | None = None,
    refusal: DomainError | None = None,
) -> Page:
    own = await names_of_staff(request, session)

    async def name_of(_people: list[str]) -> Any:
        def name(reference: str) -> str:
            """Members and operators stay unnamed to a partner."""
            if reference in own:
                return own[reference]
            return gettext(N_("Member")) if reference.startswith("member:") else gettext(N_("Operator"))

        return name

    context = await code_pools.read_pool(
        partner_id_of(actor_of(request)), request, session, sku, name_of=name_of, forms=forms, refusal=refusal
    )
    return page(
        request,
        "partner/code_pool.html",
        here=_address(sku),
        refusal={"text": translate(refusal.text), "reasons": [translate(one.message) for one in refusal.reasons]}
        if refusal
        else None,
        may_edit=actor_of(request).may("codes.edit"),
        may_refund=False,
        **context,
    )


def _address(sku: str) -> str:
    return f"/partner/codes/{quote(sku, safe='')}"


ROUTES = [list_code_pools, show_code_pool, add_codes, download_faults, recall, change_watch]
