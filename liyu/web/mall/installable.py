"""The mall as an app on a phone: its manifest, its service worker and the page for times without a network."""

from typing import Any

import msgspec
from litestar import get

from liyu.web.assets import Assets
from liyu.web.i18n import LANGUAGE_TAGS, current_locale, text_of
from liyu.web.mall.member import AnyRequest
from liyu.web.pages import Page, page
from liyu.web.visit import visit_of

CANVAS, PINE = "#faf9f5", "#184f3d"
_KEPT_FILES = (
    "css/bundles/bare.css",
    "css/bundles/mall.css",
    "js/bundles/app.js",
    "vendor/htmx.min.js",
    "vendor/icons.svg",
)
_OFFLINE = "/offline"
_REVALIDATE = (b"cache-control", b"no-cache")


@get("/manifest.webmanifest")
async def show_manifest(request: AnyRequest) -> Page:
    """What a phone needs to know to put the mall beside its apps."""
    services, assets = visit_of(request).services, _assets_of(request)
    name = text_of(services.program.current(services.sessions), "name")
    manifest = {
        "id": "/",
        "name": name,
        "short_name": name,
        "lang": LANGUAGE_TAGS[current_locale()],
        "start_url": "/",
        "scope": "/",
        "display": "standalone",
        "background_color": CANVAS,
        "theme_color": PINE,
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
    script = assets.files["js/service-worker.js"]
    script.load()
    installation = {
        "version": assets.digest,
        "offline": _OFFLINE,
        "files": [str(assets.address(name)) for name in _KEPT_FILES],
    }
    body = b"self.INSTALLATION = " + msgspec.json.encode(installation) + b";\n" + script.body
    return Page(body, headers=[(b"content-type", b"text/javascript; charset=utf-8"), _REVALIDATE])


@get(_OFFLINE)
async def show_offline(request: AnyRequest) -> Page:
    """The page that the worker keeps for times without a network; it says nothing of anybody."""
    return page(request, "mall/offline.html")


def _assets_of(request: AnyRequest) -> Assets:
    assets: Assets = request.app.state.assets
    return assets


ROUTES: list[Any] = [show_manifest, show_worker, show_offline]
