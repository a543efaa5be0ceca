"""The whole application on the test's own event loop, and browsers that talk to it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx
import pytest
from argon2 import PasswordHasher
from litestar import Litestar

from liyu.core.access import passwords
from liyu.core.clock import FixedClock
from liyu.core.settings import Settings
from tests.web.site import install

NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
BASE_URL = "http://127.0.0.1:8000"

Client = httpx.AsyncClient
OpenClient = Callable[[], Client]


@asynccontextmanager
async def serving(app: Litestar) -> AsyncIterator[Litestar]:
    """The application between its start and its end, both in one task, as Litestar's task group wants it."""
    started, stop = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.lifespan():
            started.set()
            await stop.wait()

    life = asyncio.create_task(live())
    starting = asyncio.create_task(started.wait())
    await asyncio.wait({life, starting}, return_when=asyncio.FIRST_COMPLETED)
    starting.cancel()
    try:
        if not life.done():
            yield app
    finally:
        stop.set()
        await life


@pytest.fixture(autouse=True)
def _cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashing is slow on purpose, which tests need not wait for."""
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    passwords._nobodys_hash.cache_clear()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
async def app(settings: Settings, clock: FixedClock) -> AsyncIterator[Litestar]:
    async with serving(install(settings, clock)) as application:
        yield application


@pytest.fixture
async def open_client(app: Litestar) -> AsyncIterator[OpenClient]:
    """A new browser with its own cookies, which speaks English and does not follow redirects by itself."""
    opened: list[Client] = []

    def open_one() -> Client:
        opened.append(
            Client(
                transport=httpx.ASGITransport(app=app),  # type: ignore[arg-type]
                base_url=BASE_URL,
                headers={"accept-language": "en", "sec-fetch-site": "same-origin"},
            )
        )
        return opened[-1]

    yield open_one
    for client in opened:
        await client.aclose()


@pytest.fixture
def client(open_client: OpenClient) -> Client:
    return open_client()
