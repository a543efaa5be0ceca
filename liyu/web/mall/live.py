"""Live stock: a stream of what is left, the same as JSON for browsers whose stream broke, and one item's bar as a fragment."""

import asyncio
import contextlib
from collections.abc import Iterable
from functools import lru_cache

import msgspec
from litestar import get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.types import Receive, Scope, Send
from msgspec import Struct

from liyu.catalog.keeper import StockWatch
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

_JSON_HEADERS = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))
_STREAM_HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)
_STILL_HERE = b": still here\r\n\r\n"


class Left(Struct, frozen=True):
    """How much is left of an item, as the page's script reads it."""

    sku: str
    left: int
    total: int


def live_skus(items: Iterable[ItemView], snapshot: Snapshot) -> bool:
    """Whether any of these items has a stock that moves."""
    return any(snapshot.stock_of(item).total is not None for item in items)


class StockStream(Page):
    """A stream of what is left. One process serves thousands: an event is encoded once for all of them, and sent as it is."""

    __slots__ = ("current", "services", "wanted")

    def __init__(self, services: Services, wanted: frozenset[str], current: list[Left]) -> None:
        super().__init__(b"", headers=_STREAM_HEADERS)
        self.services, self.wanted, self.current = services, wanted, current

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the reader goes, the process stops, or the stream has lived long enough."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        with self.services.catalog.subscribe() as watch:
            leaving = asyncio.ensure_future(_end_with_reader(receive, watch))
            try:
                await _send_part(send, b"".join(map(_encode, self.current)) or _STILL_HERE)
                await self._follow(watch, send)
            finally:
                leaving.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _follow(self, watch: StockWatch, send: Send) -> None:
        changes, loop = aiter(watch), asyncio.get_running_loop()
        deadline = loop.time() + LONGEST_STREAM_SECONDS
        waiting = asyncio.ensure_future(anext(changes))
        try:
            while loop.time() < deadline:
                done, _ = await asyncio.wait({waiting}, timeout=HEARTBEAT_SECONDS)
                if not done:
                    await _send_part(send, _STILL_HERE)
                    continue
                moved = [_left(change.sku, change.stock) for change in waiting.result() if change.sku in self.wanted]
                if part := b"".join(_encode(left) for left in moved if left is not None):
                    await _send_part(send, part)
                waiting = asyncio.ensure_future(anext(changes))
        except StopAsyncIteration:
            return
        finally:
            waiting.cancel()
            with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration):
                await waiting


@get("/live/stock")
async def watch_stock(request: AnyRequest) -> Page:
    """The stock of the items named by `sku`, now and whenever it moves; JSON for those who ask for it."""
    services = visit_of(request).services
    wanted = frozenset(request.query_params.getall("sku", [])[:MOST_WATCHED])
    snapshot = services.catalog.snapshot
    current = [left for sku in sorted(wanted) if (left := _left_of(snapshot, sku)) is not None]
    if "text/event-stream" not in visit_of(request).header(b"accept"):
        return Page(msgspec.json.encode({"items": current}), headers=_JSON_HEADERS)
    return StockStream(services, wanted, current)


@get("/live/stock/{sku:str}")
async def show_stock(request: AnyRequest, sku: FromPath[str]) -> Page:
    """The stock bar of one item, for pages that poll."""
    snapshot = visit_of(request).services.catalog.snapshot
    item = snapshot.by_sku.get(sku)
    if item is None:
        raise NotFoundException
    return fragment(request, "mall/_stock.html", item=item, stock=snapshot.stock_of(item))


async def _end_with_reader(receive: Receive, watch: StockWatch) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    watch.end()


async def _send_part(send: Send, part: bytes) -> None:
    await send({"type": "http.response.body", "body": part, "more_body": True})


@lru_cache(maxsize=1024)
def _encode(left: Left) -> bytes:
    return b"data: " + msgspec.json.encode(left) + b"\r\n\r\n"


def _left_of(snapshot: Snapshot, sku: str) -> Left | None:
    item = snapshot.by_sku.get(sku)
    return _left(sku, snapshot.stock_of(item)) if item else None


def _left(sku: str, stock: Stock) -> Left | None:
    return None if stock.total is None else Left(sku, max(stock.total - stock.taken, 0), stock.total)


ROUTES = [watch_stock, show_stock]
