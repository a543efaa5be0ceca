"""The portal as an app on a phone: its manifest, its service worker, and the till of a device without a network."""

from typing import Any

from litestar import get

from liyu.core.i18n import N_
from liyu.web.i18n import gettext, text_of
from liyu.web.installable import manifest_page, worker_page
from liyu.web.pages import Page, page
from liyu.web.partner.offline_words import alone_words, use_words
from liyu.web.partner.staff import AnyRequest
from liyu.web.visit import visit_of

SCOPE = "/partner"
OFFLINE = "/partner/offline"
CACHES = "portal-"
"""How the names of this app’s caches begin; its scripts know it, too."""
_WORKER = "js/till/worker.js"
_SHARED_FILES = (
    *("css/bundles/desk.css", "js/bundles/app.js", "vendor/htmx.min.js", "vendor/icons.svg"),
    *("vendor/barcode-detector.js", "vendor/zxing_reader.wasm", "vendor/noble-ed25519.js"),
)


@get("/manifest.webmanifest")
async def show_manifest(request: AnyRequest) -> Page:
    """What a phone needs to know to put the till beside its apps."""
    services = visit_of(request).services
    program = text_of(services.program.current(services.sessions), "name")
    return manifest_page(
        request,
        name=f"{program} · {gettext(N_('Partner portal'))}",
        short_name=gettext(N_("Till")),
        scope=SCOPE,
        start="/partner/verify",
    )


@get("/service-worker.js")
async def show_worker(request: AnyRequest) -> Page:
    """The worker of the portal."""
    files: dict[str, Any] = request.app.state.assets.files
    till = sorted(name for name in files if name.startswith("js/till/") and name != _WORKER)
    return worker_page(request, _WORKER, offline=OFFLINE, files=(*_SHARED_FILES, *till), name=CACHES, scope=SCOPE)


@get("/offline")
async def show_till_alone(request: AnyRequest) -> Page:
    """The till without a network, which the worker keeps: it says nothing of anybody, its script knows what the device does."""
    return page(request, "partner/offline.html", words=alone_words(), use_words=use_words(), csrf_token="")


OPEN: list[Any] = [show_manifest, show_worker, show_till_alone]
