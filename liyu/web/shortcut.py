"""The short way of what comes in rushes: door, hook, handler and error answers as ever, past Litestar's routing.

Router and parsing of arguments cost a redemption as much as deciding and saving it, and a guest's page more than giving it from
memory (perf, bench `drop` and `mall list`). A handler asks for the short way with the option `shortcut`; it has a fixed path and
no guard, takes the request alone and gives a page.
"""

from typing import Any

from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute
from litestar.types import ASGIApp, Receive, Scope, Send

from liyu.web.door import attend_door
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
    if handler.resolve_guards():
        raise ValueError(f"{path} has a guard, which the short way would not ask")
    before, make_request, answer = handler.resolve_before_request(), handler.resolve_request_class(), handler.fn

    async def answer_request(scope: Scope, receive: Receive, send: Send) -> None:
        request = make_request(scope, receive, send)
        if before is not None:
            await before(request)
        page = await answer(request)
        await page(scope, receive, send)

    enter = attend_door(answer_request)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        inner: Any = scope
        inner["route_handler"], inner["path_template"] = handler, path
        try:
            await enter(scope, receive, send)
        except Exception as error:  # noqa: BLE001 - as Litestar does: every failure has an answer
            await answer_exception(make_request(scope, receive, send), error)(scope, receive, send)

    return serve
