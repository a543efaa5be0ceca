"""The handlers of code pools, of one shape for operators and partners: what differs is data (`PoolPlace`)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.response import Stream
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.errors import DomainError, NotFoundError
from liyu.core.i18n import N_
from liyu.partners.scope import PartnerScope
from liyu.web import code_pools
from liyu.web.actor import require_permission
from liyu.web.acts import adopt_faults
from liyu.web.code_pools import LARGEST_UPLOAD, ImportForm, RecallForm, WatchForm, say_import, say_recall
from liyu.web.forms import Form
from liyu.web.pages import Page, leave_notice, redirect

AnyRequest = Request[Any, Any, Any]
READ, EDIT = require_permission("codes.read"), require_permission("codes.edit")


class ShowPool(Protocol):
    """Renders the page of one pool, with forms that have faults and a refusal where there are any."""

    def __call__(
        self,
        request: AnyRequest,
        session: AsyncSession,
        sku: str,
        *,
        forms: dict[str, Form] | None = None,
        refusal: DomainError | None = None,
    ) -> Awaitable[Page]: ...


@dataclass(frozen=True, slots=True)
class PoolPlace:
    """Where pools are looked after, and whose."""

    audience: str
    """What stands before the path: `/console`."""
    path: str
    scope_of: Callable[[AnyRequest], PartnerScope]
    show: ShowPool

    def address(self, sku: str) -> str:
        """The address of a pool's page."""
        return f"{self.audience}{self.path}/{quote(sku, safe='')}"


def make_pool_handlers(place: PoolPlace) -> list[HTTPRouteHandler]:
    """The page of a pool, importing codes, the rows that were not added, recalling, and when it is low."""
    path = f"{place.path}/{{sku:str}}"

    @get(path, guards=[READ])
    async def show_pool(request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str]) -> Page:
        return await place.show(request, session, sku)

    @post(f"{path}/import", guards=[EDIT], request_max_body_size=LARGEST_UPLOAD)
    async def add_codes(request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str]) -> Page:
        return await _add_codes(place, request, session, sku)

    @get(f"{path}/imports/{{import_id:int}}/faults.csv", guards=[EDIT])
    async def download_faults(
        request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str], import_id: FromPath[int]
    ) -> Stream:
        return await code_pools.send_faults(place.scope_of(request), request, session, sku, import_id)

    @post(f"{path}/recall", guards=[EDIT])
    async def recall(request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str]) -> Page:
        return await _recall(place, request, session, sku)

    @post(f"{path}/watch", guards=[EDIT])
    async def change_watch(request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str]) -> Page:
        return await _change_watch(place, request, session, sku)

    return [show_pool, add_codes, download_faults, recall, change_watch]


async def _add_codes(place: PoolPlace, request: AnyRequest, session: AsyncSession, sku: str) -> Page:
    """Import codes, then show what became of them."""
    form = await ImportForm.read(request)
    if not form.is_valid:
        return await place.show(request, session, sku, forms={"import": form})
    try:
        done = await code_pools.take_import(place.scope_of(request), request, session, sku, form)
    except NotFoundError:
        raise
    except DomainError as refusal:
        return await place.show(request, session, sku, refusal=refusal)
    leave_notice(request, say_import(done))
    return redirect(request, f"{place.address(sku)}?import={done.import_id}")


async def _recall(place: PoolPlace, request: AnyRequest, session: AsyncSession, sku: str) -> Page:
    """Recall a bad batch."""
    form = await RecallForm.read(request)
    if not form.is_valid:
        return await place.show(request, session, sku, forms={"recall": form})
    try:
        done = await code_pools.take_recall(place.scope_of(request), request, session, sku, form)
    except NotFoundError:
        raise
    except DomainError as refusal:
        left = adopt_faults(form, refusal)
        return await place.show(request, session, sku, forms={"recall": form}, refusal=left)
    leave_notice(request, say_recall(done))
    return redirect(request, place.address(sku))


async def _change_watch(place: PoolPlace, request: AnyRequest, session: AsyncSession, sku: str) -> Page:
    """Say when the pool is low."""
    form = await WatchForm.read(request)
    if not form.is_valid:
        return await place.show(request, session, sku, forms={"watch": form})
    await code_pools.take_watch(place.scope_of(request), request, session, sku, form)
    leave_notice(request, N_("The warning is set."))
    return redirect(request, place.address(sku))
