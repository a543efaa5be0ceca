import asyncio
import gc
from typing import Any

import pytest
from litestar import Litestar, get

from liyu.web.errors import EXCEPTION_HANDLERS
from liyu.web.pages import Page
from liyu.web.shortcut import SHORTCUT, find_shortcuts
from liyu.web.visit import Visit
from tests.web.conftest import Client


@pytest.mark.parametrize("path", ["/", "/items", "/drops"])
async def test_a_page_in_a_rush_leaves_nothing_for_the_garbage_collector(app: Litestar, path: str) -> None:
    # What waits for the collector stops everybody when it comes: a tenth of a second for 100,000 objects.
    await asyncio.create_task(_get(app, path))
    gc.collect()
    gc.disable()
    try:
        assert await asyncio.create_task(_get(app, path)) == 200
        left = [thing for thing in gc.get_objects() if isinstance(thing, Visit)]
    finally:
        gc.enable()
    assert not left


async def test_a_page_on_the_short_way_speaks_the_visitors_language_and_has_the_safety_headers(client: Client) -> None:
    english, chinese = [
        await client.get("/items", headers={"accept-language": language}) for language in ("en", "zh-CN")
    ]
    assert "All rights and goods" in english.text
    assert 'lang="zh-CN"' in chinese.text
    assert "content-security-policy" in english.headers


async def test_the_short_way_answers_head_and_leaves_other_methods_to_the_router(client: Client) -> None:
    head = await client.head("/items")
    assert (head.status_code, head.content) == (200, b"")
    assert (await client.post("/items")).status_code == 405


def test_a_handler_with_a_guard_cannot_take_the_short_way() -> None:
    @get("/secret", guards=[lambda connection, handler: None], opt={SHORTCUT: True})
    async def secret() -> Page:
        return Page(b"")

    with pytest.raises(ValueError, match="/secret has a guard"):
        find_shortcuts(Litestar([secret], openapi_config=None, exception_handlers=EXCEPTION_HANDLERS))


async def _get(app: Litestar, path: str) -> int:
    """One page without a client in between, which would keep the request; in a task of its own, as a server does it."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    scope: Any = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [], "client": None}
    await app(scope, receive, send)
    status: int = sent[0]["status"]
    return status
