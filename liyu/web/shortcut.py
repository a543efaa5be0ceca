"""The short way of a call that comes in rushes: its own handler, hook and error answers, past Litestar's routing.

Router, middleware and the parsing of arguments cost a redemption as much as deciding and saving it (perf, bench `drop`).
A handler asks for the short way with the option `shortcut`; it has a fixed path, takes the request alone and gives a page.
"""

from typing import Any

from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute
from litestar.types import ASGIApp, Receive, Scope, Send

from liyu.web.errors import answer_exception

SHORTCUT = "shortcut"


def find_shortcuts(app: Litestar) -> dict[tuple[str, str], ASGIApp]:
    """The handlers with the option, by method and path."""
    return {
        (str(method), route.path): _make_shortcut(handler, route.path)
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        if handler.opt.get(SHORTCUT)
        for method in handler.http_methods
    }


def _make_shortcut(handler: HTTPRouteHandler, path: str) -> ASGIApp:
    before, make_request, answer = handler.resolve_before_request(), handler.resolve_request_class(), handler.fn

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        inner: Any = scope
        inner["route_handler"], inner["path_template"] = handler, path
        request = make_request(scope, receive, send)
        try:
            if before is not None:
                await before(request)
            page = await answer(request)
        except Exception as error:  # noqa: BLE001 - as Litestar does: every failure has an answer
            page = answer_exception(request, error)
        await page(scope, receive, send)

    return serve
