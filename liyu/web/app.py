"""The application: routers, the two layers around them, and what the process opens and closes."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from jinja2 import Environment
from litestar import Litestar, Request
from litestar.datastructures import State
from litestar.di import Provide
from litestar.types import ASGIApp

from liyu.core.clock import Clock, SystemClock
from liyu.core.embedded import ensure_database
from liyu.core.settings import Settings
from liyu.web.actor import Actor, actor_of
from liyu.web.api.auth import KeyMemory
from liyu.web.assets import Assets, read_assets
from liyu.web.database import provide_session
from liyu.web.door import attend_door
from liyu.web.errors import EXCEPTION_HANDLERS
from liyu.web.i18n import load_catalogs
from liyu.web.logs import configure_logging
from liyu.web.metrics import Metrics
from liyu.web.pages import make_environment
from liyu.web.routes import collect_routes
from liyu.web.security import REQUEST_MAX_BODY_SIZE
from liyu.web.services import Services, make_services, open_services
from liyu.web.shell import Shell
from liyu.web.shortcut import find_shortcuts

GARBAGE_THRESHOLDS = (10_000, 20, 50)
"""The first is what one pause clears away: 100,000 objects took 120 ms, and everybody waited (bench `drop`, p99)."""


@dataclass(frozen=True, slots=True)
class Site:
    """What all installations have in common, which takes long to make: routes, templates and static files."""

    app: Litestar
    routing: ASGIApp
    shortcuts: dict[tuple[str, str], ASGIApp]
    environment: Environment
    assets: Assets

    def install(self, settings: Settings, clock: Clock) -> Litestar:
        """Serve this installation and forget the one before; the database is first touched when the lifespan begins."""
        services, metrics = make_services(settings, clock), Metrics()
        self.app.state = State(
            {
                "services": services,
                "assets": self.assets,
                "environment": self.environment,
                "metrics": metrics,
                "key_memory": KeyMemory(),
            }
        )
        self.app.asgi_handler = Shell(self.routing, services, metrics, self.shortcuts)
        return self.app


def create_app(settings: Settings, *, clock: Clock | None = None) -> Litestar:
    """The whole site as an ASGI application. The database is first touched when its lifespan begins."""
    return make_site(is_development=settings.is_development).install(settings, clock or SystemClock())


def make_site(*, is_development: bool) -> Site:
    """The site without an installation; the development pages only where nobody else can reach them."""
    load_catalogs()
    app = Litestar(
        route_handlers=collect_routes(is_development=is_development),
        dependencies={
            "session": Provide(provide_session),
            "services": Provide(_provide_services, sync_to_thread=False),
            "clock": Provide(_provide_clock, sync_to_thread=False),
            "actor": Provide(_provide_actor, sync_to_thread=False),
        },
        middleware=[attend_door],
        exception_handlers=EXCEPTION_HANDLERS,
        lifespan=[_lifespan],
        request_max_body_size=REQUEST_MAX_BODY_SIZE,
        openapi_config=None,
        logging_config=None,
    )
    assets = read_assets()
    return Site(app, app.asgi_handler, find_shortcuts(app), make_environment(assets.address), assets)


def application() -> Litestar:
    """The application for `uvicorn --factory`, from the environment."""
    configure_logging()
    settings = Settings.from_environment()
    if settings.database_url is None:
        settings = replace(settings, database_url=ensure_database(settings.data_dir))
    app = create_app(settings)
    app.on_startup.append(settle_memory)
    return app


def settle_memory() -> None:
    """Take what lives as long as the process out of the garbage collector's sight, once everything is open.

    Walking through modules and catalog again and again cost a fifth of a server process under load (perf, bench `drop`).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)


@asynccontextmanager
async def _lifespan(app: Litestar) -> AsyncIterator[None]:
    async with open_services(app.state.services):
        yield


def _provide_services(state: State) -> Services:
    services: Services = state.services
    return services


def _provide_clock(state: State) -> Clock:
    clock: Clock = state.services.clock
    return clock


def _provide_actor(request: Request[Any, Any, Any]) -> Actor:
    return actor_of(request)
