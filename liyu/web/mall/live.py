"""Live stock: a stream of what is left, the same as JSON for browsers whose stream broke, and one item's bar as a fragment."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Any

import msgspec
from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import ServerSentEvent
from litestar.response.sse import ServerSentEventMessage
from msgspec import Struct

from liyu.catalog.snapshot import Snapshot
from liyu.catalog.views import ItemView, Stock
from liyu.web.mall.member import AnyRequest
from liyu.web.pages import Page, fragment
from liyu.web.services import Services
from liyu.web.visit import visit_of

MOST_WATCHED = 60
LONGEST_STREAM_SECONDS = 600
"""A browser opens a new stream by itself; a short life lets a process stop and spreads readers over processes."""
HEARTBEAT_SECONDS = 15

_NO_STORE = {"cache-control": "no-store"}


class Left(Struct, frozen=True):
    """How much is left of an item, as the page's script reads it."""

    sku: str
    left: int
    total: int


def live_skus(items: Iterable[ItemView], snapshot: Snapshot) -> bool:
    """Whether any of these items has a stock that moves."""
    return any(snapshot.stock_of(item).total is not None for item in items)


@get("/live/stock")
async def watch_stock(request: AnyRequest) -> Response[Any]:
    """The stock of the items named by `sku`, now and whenever it moves; JSON for those who ask for it."""
    services = visit_of(request).services
    wanted = frozenset(request.query_params.getall("sku", [])[:MOST_WATCHED])
    snapshot = services.catalog.snapshot
    current = [left for sku in sorted(wanted) if (left := _left_of(snapshot, sku)) is not None]
    if "text/event-stream" not in visit_of(request).header(b"accept"):
        return Response({"items": current}, media_type="application/json", headers=_NO_STORE)
    return ServerSentEvent(_stream(services, wanted, current), headers=_NO_STORE | {"x-accel-buffering": "no"})


@get("/live/stock/{sku:str}")
async def show_stock(request: AnyRequest, sku: FromPath[str]) -> Page:
    """The stock bar of one item, for pages that poll."""
    snapshot = visit_of(request).services.catalog.snapshot
    item = snapshot.by_sku.get(sku)
    if item is None:
        raise NotFoundException
    return fragment(request, "mall/_stock.html", item=item, stock=snapshot.stock_of(item))


async def _stream(services: Services, wanted: frozenset[str], current: list[Left]) -> AsyncIterator[Any]:
    for left in current:
        yield ServerSentEventMessage(data=msgspec.json.encode(left).decode())
    with services.catalog.subscribe() as watch:
        changes = aiter(watch)
        waiting = asyncio.ensure_future(anext(changes))
        deadline = asyncio.get_running_loop().time() + LONGEST_STREAM_SECONDS
        try:
            while asyncio.get_running_loop().time() < deadline:
                done, _ = await asyncio.wait({waiting}, timeout=HEARTBEAT_SECONDS)
                if not done:
                    yield ServerSentEventMessage(data=None, comment="still here")
                    continue
                for change in waiting.result():
                    moved = _left(change.sku, change.stock)
                    if change.sku in wanted and moved is not None:
                        yield ServerSentEventMessage(data=msgspec.json.encode(moved).decode())
                waiting = asyncio.ensure_future(anext(changes))
        except StopAsyncIteration:
            return
        finally:
            waiting.cancel()
            with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration):
                await waiting


def _left_of(snapshot: Snapshot, sku: str) -> Left | None:
    item = snapshot.by_sku.get(sku)
    return _left(sku, snapshot.stock_of(item)) if item else None


def _left(sku: str, stock: Stock) -> Left | None:
    return None if stock.total is None else Left(sku, max(stock.total - stock.taken, 0), stock.total)


ROUTES = [watch_stock, show_stock]
