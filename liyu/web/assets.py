"""Static files under a digest of the whole tree: an address keeps its content, so browsers may keep it for a year."""

import gzip
import mimetypes
import re
from base64 import b64encode
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from litestar import Request, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from markupsafe import Markup

from liyu.web.covers import draw_cover, parse_cover_name
from liyu.web.pages import Page
from liyu.web.visit import visit_of

FOLDER = Path(__file__).parent.parent / "static"
_EVERY_PAGE = (
    *("tokens", "reset", "base", "layout"),
    *(f"components/{name}" for name in ("button", "form", "surface", "dialog")),
)
_SHEETS = {
    "mall": (*_EVERY_PAGE, "components/reward", "components/viewfinder", "mall", "mall-pages"),
    "desk": (
        *_EVERY_PAGE,
        *(f"components/{name}" for name in ("reward", "record", "table", "till", "viewfinder")),
        "desk",
    ),
    "bare": (*_EVERY_PAGE, "components/record", "components/bare"),
}
_IMPORT = re.compile(rb'^import (?:\{.*\} from )?"\./(.*)\.js";$', re.MULTILINE)
_MODULES = (*(name.decode() for name in _IMPORT.findall((FOLDER / "js/app.js").read_bytes())), "app")
BUNDLES: dict[str, tuple[str, ...]] = {
    f"css/bundles/{name}.css": tuple(f"css/{sheet}.css" for sheet in (*sheets, "utilities", "print"))
    for name, sheets in _SHEETS.items()
} | {"js/bundles/app.js": ("js/ready.js", *(f"js/{name}.js" for name in _MODULES))}
"""What a browser gets as one file: on a phone's network each further file costs more than its bytes.

Modules are told apart by blocks; only the first one exports.
"""
_DIGEST_LENGTH = 12
_COMPRESSIBLE = ("text/", "image/svg+xml", "application/json", "application/manifest+json")
_IMMUTABLE = b"public, max-age=31536000, immutable"
_REVALIDATE = b"no-cache"
_HARMLESS = (".txt", ".md")

mimetypes.add_type("text/javascript", ".js")
mimetypes.add_type("text/javascript", ".mjs")
mimetypes.add_type("application/manifest+json", ".webmanifest")
mimetypes.add_type("font/woff2", ".woff2")


_DRAWING = re.compile(rb'url\("(?:\.\./)+(img/[\w-]+\.svg)"\)')


@dataclass(slots=True)
class Asset:
    """One file, or several as one; the bytes are read when they are first asked for."""

    paths: tuple[Path, ...]
    media_type: str
    modified: float = 0.0
    body: bytes = b""
    zipped: bytes = b""

    def load(self) -> None:
        """Read the files again if one of them changed since."""
        modified = max(path.stat().st_mtime for path in self.paths)
        if modified != self.modified:
            bodies = [path.read_bytes() for path in self.paths]
            join = join_modules if self.media_type == "text/javascript" else join_sheets
            self.body = bodies[0] if len(bodies) == 1 else join(bodies)
            compressible = self.media_type.startswith(_COMPRESSIBLE)
            self.zipped = gzip.compress(self.body, 6, mtime=0) if compressible else b""
            self.modified = modified


@dataclass(frozen=True, slots=True)
class InlineSheet:
    """A stylesheet as a part of a page, and what allows a browser to take just this one from there."""

    tag: Markup
    source: str
    """For the policy: the digest of the text between the tags."""


@dataclass(slots=True)
class Assets:
    """All static files of the installation, indexed once: a path that is not in the index does not exist."""

    digest: str
    files: dict[str, Asset] = field(repr=False)
    _addresses: dict[str, Markup] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, folder: Path = FOLDER) -> "Assets":
        """Index a folder and compute its digest."""
        total = sha256()
        files: dict[str, Asset] = {}
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix not in _HARMLESS:
                name = path.relative_to(folder).as_posix()
                total.update(f"{name}:{sha256(path.read_bytes()).hexdigest()}\n".encode())
                files[name] = Asset((path,), _media_type_of(name))
        for name, parts in BUNDLES.items():
            if all(part in files for part in parts):
                files[name] = Asset(tuple(folder / part for part in parts), _media_type_of(name))
        return cls(total.hexdigest()[:_DIGEST_LENGTH], files)

    def address(self, path: str) -> Markup:
        """The address of a static file, for templates; marked as safe, since a page has dozens of them."""
        found = self._addresses.get(path)
        if found is None:
            found = self._addresses[path] = Markup(f"/static/{self.digest}/") + path.lstrip("/")  # noqa: S704 - a digest
        return found

    def inline(self, path: str) -> InlineSheet:
        """A stylesheet to put into a page. It refers to no other file, since its own address is lost there."""
        asset = self.files[path]
        asset.load()
        return _put_into_page(asset.body)


@lru_cache(maxsize=1)
def _put_into_page(sheet: bytes) -> InlineSheet:
    source = f"'sha256-{b64encode(sha256(sheet).digest()).decode()}'"
    return InlineSheet(Markup(f"<style>{sheet.decode()}</style>"), source)  # noqa: S704 - the stylesheet is ours


def join_sheets(sheets: list[bytes]) -> bytes:
    """Stylesheets as one, with the small drawings that they refer to: what is painted first must not wait for them."""
    return _DRAWING.sub(lambda found: _as_data(FOLDER / found[1].decode()), b"\n".join(sheets))


def _as_data(drawing: Path) -> bytes:
    return b'url("data:image/svg+xml;base64,%b")' % b64encode(drawing.read_bytes())


def join_modules(modules: list[bytes]) -> bytes:
    """Modules as one: what the first exports all others may use, and nothing else is shared."""
    first, *others = (_IMPORT.sub(b"", module) for module in modules)
    return b"\n".join([first.replace(b"export ", b""), *(b"{\n" + module + b"}" for module in others)])


def _media_type_of(name: str) -> str:
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


@lru_cache(maxsize=1)
def read_assets() -> Assets:
    """The installation's static files, read once per process."""
    return Assets.read()


@get("/static/{digest:str}/{path:path}", include_in_schema=False, opt={"public": True}, sync_to_thread=False)
def serve_asset(request: Request[Any, Any, Any], digest: FromPath[str], path: FromPath[Path]) -> Page:
    """One static file, compressed where that pays."""
    assets: Assets = request.app.state.assets
    asset = assets.files.get(path.as_posix().lstrip("/"))
    if asset is None:
        raise NotFoundException
    asset.load()
    visit = visit_of(request)
    is_current = digest == assets.digest and not visit.services.settings.is_development
    etag = f'"{asset.modified:.6f}"'.encode()
    headers = [
        (b"content-type", f"{asset.media_type}; charset=utf-8".encode() if asset.zipped else asset.media_type.encode()),
        (b"cache-control", _IMMUTABLE if is_current else _REVALIDATE),
        (b"etag", etag),
        (b"vary", b"accept-encoding"),
    ]
    if visit.headers.get(b"if-none-match") == etag:
        return Page(b"", status=304, headers=headers)
    if asset.zipped and b"gzip" in visit.headers.get(b"accept-encoding", b""):
        return Page(asset.zipped, headers=[*headers, (b"content-encoding", b"gzip")])
    return Page(asset.body, headers=headers)


@get("/covers/{name:str}", include_in_schema=False, opt={"public": True}, sync_to_thread=False)
def serve_cover(name: FromPath[str]) -> Page:
    """The drawn cover of an item without a picture; its name says all that it shows."""
    drawing = parse_cover_name(name)
    if drawing is None:
        raise NotFoundException
    headers = [(b"content-type", b"image/svg+xml"), (b"cache-control", _IMMUTABLE)]
    return Page(draw_cover(*drawing).encode(), headers=headers)
