"""What a phone needs to put a part of the site beside its apps: a manifest, and a service worker with what it keeps."""

from collections.abc import Iterable
from typing import Any

import msgspec

from liyu.web.assets import Assets
from liyu.web.i18n import LANGUAGE_TAGS, current_locale
from liyu.web.pages import Page
from liyu.web.visit import AnyConnection

_CANVAS, _PINE = "#faf9f5", "#184f3d"
_REVALIDATE = (b"cache-control", b"no-cache")


def manifest_page(request: AnyConnection, *, name: str, short_name: str, scope: str, start: str) -> Page:
    """The manifest of an app under `scope` that begins at `start`, in the language that is spoken now."""
    assets = _assets_of(request)
    manifest: dict[str, Any] = {
        "id": scope,
        "name": name,
        "short_name": short_name,
        "lang": LANGUAGE_TAGS[current_locale()],
        "start_url": start,
        "scope": scope,
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


def cache_name(request: AnyConnection, name: str) -> str:
    """Where the worker of an app keeps the present files: another version of them lies elsewhere."""
    return f"{name}{_assets_of(request).digest}"


def worker_page(
    request: AnyConnection, script: str, *, offline: str, files: Iterable[str], name: str = "", scope: str | None = None
) -> Page:
    """A service worker with the addresses of the present files: another version of them is another worker.

    `name` tells the caches of one app from those of another; `scope` lets it serve more than its own folder.
    """
    assets = _assets_of(request)
    source = assets.files[script]
    source.load()
    installation = {
        "version": cache_name(request, name),
        "offline": offline,
        "files": [str(assets.address(file)) for file in files],
    }
    body = b"self.INSTALLATION = " + msgspec.json.encode(installation) + b";\n" + source.body
    allowed = [(b"service-worker-allowed", scope.encode())] if scope else []
    return Page(body, headers=[(b"content-type", b"text/javascript; charset=utf-8"), *allowed, _REVALIDATE])


def _assets_of(request: AnyConnection) -> Assets:
    assets: Assets = request.app.state.assets
    return assets
