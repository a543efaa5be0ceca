"""What the shell knows about the request in hand: made once, read everywhere, kept in the ASGI scope."""

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from litestar.connection import ASGIConnection

from liyu.core.access.models import MEMBER, OPERATOR, PARTNER

if TYPE_CHECKING:
    from liyu.core.access.keys import ApiCaller
    from liyu.members.account import MemberAccount
    from liyu.web.actor import Actor
    from liyu.web.services import Services

AnyConnection = ASGIConnection[Any, Any, Any, Any]

API = "api"
PUBLIC = "public"
_PREFIXES = {
    "partner": PARTNER,
    "console": OPERATOR,
    "api": API,
    "static": PUBLIC,
    "covers": PUBLIC,
    "service-worker.js": PUBLIC,
    "healthz": PUBLIC,
    "readyz": PUBLIC,
    "metrics": PUBLIC,
}
UNSAFE_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class Visit:
    """One request: who asks, from where, in what language, and the cookies that its answer will set."""

    __slots__ = (
        "_cookies",
        "account",
        "actor",
        "address",
        "audience",
        "caller",
        "headers",
        "locale",
        "method",
        "path",
        "query",
        "request_id",
        "services",
        "set_cookies",
        "tells_token",
    )

    def __init__(self, scope: Any, services: "Services", request_id: str) -> None:
        self.services = services
        self.request_id = request_id
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        # Not the scope itself: it holds the visit, and a ring of objects for each request would wait for the garbage collector.
        self.query: bytes = scope["query_string"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        client = scope.get("client")
        self.address: str = client[0] if client else ""
        self.audience = audience_of(self.path)
        self.actor: Actor | None = None
        self.account: MemberAccount | None = None
        """The account of the member who is signed in, as it was when the request came."""
        self.caller: ApiCaller | None = None
        self.locale: str | None = None
        self._cookies: dict[str, str] | None = None
        self.set_cookies: list[tuple[bytes, bytes]] = []
        self.tells_token = False
        """Whether the answer holds a token that nobody else may guess."""

    def header(self, name: bytes) -> str:
        """A request header by its lower-case name; empty when it is absent."""
        return self.headers.get(name, b"").decode("latin-1")

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies that came with the request."""
        if self._cookies is None:
            self._cookies = _parse_cookies(self.header(b"cookie")) if b"cookie" in self.headers else {}
        return self._cookies

    @property
    def is_unsafe(self) -> bool:
        """Whether the method may change something."""
        return self.method in UNSAFE_METHODS

    @property
    def is_fragment(self) -> bool:
        """Whether htmx asks for a part of a page: not when it loads whole pages (boosted, or out of its history)."""
        headers = self.headers
        return b"hx-request" in headers and not (b"hx-boosted" in headers or b"hx-history-restore-request" in headers)

    @property
    def is_arriving(self) -> bool:
        """Whether somebody without a membership at hand opens a page of the mall and does not come from another one of ours."""
        comes_from_us = self.headers.get(b"sec-fetch-site") == b"same-origin"
        return self.audience == MEMBER and self.actor is None and not comes_from_us and not self.is_fragment

    @property
    def full_path(self) -> str:
        """Path and query string, as the browser asked for them."""
        return f"{self.path}?{self.query.decode('latin-1')}" if self.query else self.path

    def set_cookie(self, name: str, value: str, *, max_age: int | None, readable: bool = False) -> None:
        """Set a cookie for the whole site; `max_age` 0 deletes it, None keeps it while the browser runs."""
        parts = [f"{name}={value}", "Path=/", "SameSite=Lax"]
        if max_age is not None:
            parts.append(f"Max-Age={max_age}")
        if not readable:
            parts.append("HttpOnly")
        if not self.services.settings.is_development:
            parts.append("Secure")
        self.set_cookies.append((b"set-cookie", "; ".join(parts).encode("latin-1")))

    def cookie_name(self, name: str) -> str:
        """The name of a cookie that nobody else may set: `__Host-` wherever TLS makes that possible."""
        return name if self.services.settings.is_development else f"__Host-{name}"


def visit_of(connection: AnyConnection) -> Visit:
    """The visit that belongs to a Litestar request."""
    visit: Visit = connection.scope["visit"]  # type: ignore[typeddict-item]
    return visit


def audience_of(path: str) -> str:
    """Whom a path is for, told by its first segment; the mall has no prefix."""
    return _PREFIXES.get(path[1:].partition("/")[0], MEMBER)


def _parse_cookies(header: str) -> dict[str, str]:
    cookies: dict[str, str] = {}
    for part in header.split(";"):
        name, separator, value = part.strip().partition("=")
        if separator:
            cookies.setdefault(name, unquote(value.strip('"')))
    return cookies
