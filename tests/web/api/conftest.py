"""The application over a small program, and clients with keys of every kind."""

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
from litestar import Litestar

from liyu.core.clock import FixedClock
from liyu.core.database import Sessions
from liyu.core.settings import Settings
from tests.web.api.world import Api, World
from tests.web.conftest import BASE_URL, serving
from tests.web.site import install

OpenApi = Callable[..., Awaitable[Api]]


@pytest.fixture
async def world(sessions: Sessions) -> World:
    return await World(sessions, {}).build()


@pytest.fixture
async def app(settings: Settings, clock: FixedClock, world: World) -> AsyncIterator[Litestar]:
    async with serving(install(settings, clock)) as application:
        yield application


@pytest.fixture
async def open_api(app: Litestar, world: World) -> AsyncIterator[OpenApi]:
    """A client with a new key: `open_api("items:read", partner="ALPHA")`; without scopes it may do everything."""
    opened: list[Api] = []

    async def open_one(*scopes: str, partner: str | None = None) -> Api:
        key = await world.key(*scopes, partner=partner)
        opened.append(
            Api(
                transport=httpx.ASGITransport(app=app),  # type: ignore[arg-type]
                base_url=f"{BASE_URL}/api/v1",
                headers={"authorization": f"Bearer {key}"},
            )
        )
        return opened[-1]

    yield open_one
    for client in opened:
        await client.aclose()


@pytest.fixture
async def api(open_api: OpenApi) -> Api:
    """The host's own key."""
    return await open_api()
