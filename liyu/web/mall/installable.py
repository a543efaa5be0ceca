"""The mall as an app on a phone: its manifest, its service worker and the page for times without a network."""

from typing import Any

from litestar import get

from liyu.web.i18n import text_of
from liyu.web.installable import manifest_page, worker_page
from liyu.web.mall.member import AnyRequest
from liyu.web.pages import Page, page
from liyu.web.visit import visit_of

_KEPT_FILES = (
    "css/bundles/bare.css",
    "css/bundles/mall.css",
    "js/bundles/app.js",
    "vendor/htmx.min.js",
    "vendor/icons.svg",
)
_OFFLINE = "/offline"


@get("/manifest.webmanifest")
async def show_manifest(request: AnyRequest) -> Page:
    """What a phone needs to know to put the mall beside its apps."""
    services = visit_of(request).services
    name = text_of(services.program.current(services.sessions), "name")
    return manifest_page(request, name=name, short_name=name, scope="/", start="/")


@get("/service-worker.js")
async def show_worker(request: AnyRequest) -> Page:
    """The worker of the mall."""
    return worker_page(request, "js/service-worker.js", offline=_OFFLINE, files=_KEPT_FILES)


@get(_OFFLINE)
async def show_offline(request: AnyRequest) -> Page:
    """The page that the worker keeps for times without a network; it says nothing of anybody."""
    return page(request, "mall/offline.html")


ROUTES: list[Any] = [show_manifest, show_worker, show_offline]
