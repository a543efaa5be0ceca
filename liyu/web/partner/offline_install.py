"""The portal as an app on a phone: its manifest, its service worker, and the till of a device without a network."""

from typing import Any

import msgspec
from litestar import get

from liyu.core.i18n import N_
from liyu.web.assets import Assets
from liyu.web.i18n import LANGUAGE_TAGS, current_locale, gettext, text_of
from liyu.web.pages import Page, page
from liyu.web.partner.offline_words import alone_words, use_words
from liyu.web.partner.staff import AnyRequest
from liyu.web.visit import visit_of

SCOPE = "/partner"
OFFLINE = "/partner/offline"
_WORKER = "js/till/worker.js"
_CANVAS, _PINE = "#faf9f5", "#184f3d"
_SHARED_FILES = (
    *("css/bundles/desk.css", "js/bundles/app.js", "vendor/htmx.min.js", "vendor/icons.svg"),
    *("vendor/barcode-detector.js", "vendor/zxing_reader.wasm", "vendor/noble-ed25519.js"),
)
_REVALIDATE = (b"cache-control", b"no-cache")


@get("/manifest.webmanifest")
async def show_manifest(request: AnyRequest) -> Page:
    """What a phone needs to know to put the till beside its apps."""
    services, assets = visit_of(request).services, _assets_of(request)
    program = services.program.current(services.sessions)
    manifest = {
        "id": SCOPE,
        "name": f"{text_of(program, 'name')} · {gettext(N_('Partner portal'))}",
        "short_name": gettext(N_("Till")),
        "lang": LANGUAGE_TAGS[current_locale()],
        "start_url": "/partner/verify",
        "scope": SCOPE,
        "display": "standalone",
        "background_color": _CANVAS,
        "theme_color": _PINE,
        "icons": [
            {"src": assets.address("img/favicon.svg"), "sizes": "any", "type": "image/svg+xml"},
            *(
                {"src": assets.address(f"img/app-{size}.png"), "sizes": f"{size}x{size}", "type": "image/png", "purpose": purpose}
                for size, purpose in ((192, "any"), (512, "any"), (512, "maskable"))
            ),
        ],
    }  # fmt: skip
    headers = [(b"content-type", b"application/manifest+json"), _REVALIDATE, (b"vary", b"Cookie, Accept-Language")]
    return Page(msgspec.json.encode(manifest, enc_hook=str), headers=headers)


@get("/service-worker.js")
async def show_worker(request: AnyRequest) -> Page:
    """The worker, with the addresses of the present files: another version of them is another worker."""
    assets = _assets_of(request)
    script = assets.files[_WORKER]
    script.load()
    till = sorted(name for name in assets.files if name.startswith("js/till/") and name != _WORKER)
    installation = {
        "version": f"portal-{assets.digest}",
        "offline": OFFLINE,
        "files": [str(assets.address(name)) for name in (*_SHARED_FILES, *till)],
    }
    body = b"self.INSTALLATION = " + msgspec.json.encode(installation) + b";\n" + script.body
    headers = [
        (b"content-type", b"text/javascript; charset=utf-8"),
        (b"service-worker-allowed", SCOPE.encode()),
        _REVALIDATE,
    ]
    return Page(body, headers=headers)


@get("/offline")
async def show_till_alone(request: AnyRequest) -> Page:
    """The till without a network, which the worker keeps: it says nothing of anybody, its script knows what the device does."""
    return page(request, "partner/offline.html", words=alone_words(), use_words=use_words(), csrf_token="")


def _assets_of(request: AnyRequest) -> Assets:
    assets: Assets = request.app.state.assets
    return assets


OPEN: list[Any] = [show_manifest, show_worker, show_till_alone]
