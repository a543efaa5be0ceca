"""From templates to answers: whole pages, fragments for htmx, redirects and notices."""

import gzip
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from itsdangerous import BadSignature, URLSafeSerializer
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

from liyu.core.access.models import PARTNER
from liyu.core.access.roles import NO_PERMISSIONS
from liyu.core.i18n import N_, Message
from liyu.core.money import DEFAULT_CURRENCY
from liyu.vouchers.facts import mask_name
from liyu.web import formats
from liyu.web.csrf import CurrentToken, issue_tokens_to
from liyu.web.dotted import dotted
from liyu.web.i18n import (
    CHINESE,
    ENGLISH,
    LANGUAGE_TAGS,
    current_locale,
    gettext,
    gettext_markup,
    gettext_plain,
    ngettext_markup,
    ngettext_plain,
    text_of,
    translate,
)
from liyu.web.navigation import navigation_for
from liyu.web.security import policy_with_sheet
from liyu.web.visit import AnyConnection, Visit, visit_of

ROLE_NAMES = {
    "admin": N_("Administrator"),
    "operator": N_("Operations"),
    "finance": N_("Finance"),
    "service": N_("Customer service"),
    "owner": N_("Owner"),
    "manager": N_("Store manager"),
    "cashier": N_("Cashier"),
}

TEMPLATES = Path(__file__).parent / "templates"
NOTICE_COOKIE = "liyu_notices"
THEME_COOKIE = "liyu_theme"
TEXT_COOKIE = "liyu_text"
MALL_SHEET = "css/bundles/mall.css"
Headers = Iterable[tuple[bytes, bytes]]

_HTML = (b"content-type", b"text/html; charset=utf-8")
_VARY = (b"vary", b"HX-Request, Cookie, Accept-Language, Accept-Encoding, Sec-Fetch-Site")
_SQUEEZED = (b"content-encoding", b"gzip")
_WORTH_SQUEEZING = 2_000
_SQUEEZE = 3
_KEEP_PRIVATE = (b"cache-control", b"private, no-cache")
_REVALIDATE = (b"cache-control", b"no-cache")
_SIGN_OUT = {"member": "/sign-out", "partner": "/partner/sign-out", "operator": "/console/sign-out"}
_HOME = {"member": "/", "partner": "/partner", "operator": "/console"}
_OTHER = {CHINESE: ENGLISH, ENGLISH: CHINESE}


class Page(ASGIResponse):
    """A finished answer. It goes out as it is, so that a page costs no more than its template."""

    __slots__ = ("raw_headers",)

    def __init__(self, body: bytes, *, status: int = 200, headers: Headers = ()) -> None:
        self.body = body
        self.status_code = status
        self.raw_headers = list(headers)
        self.background = None

    def add_header(self, name: str, value: str) -> None:
        """Add one header."""
        self.raw_headers.append((name.lower().encode("latin-1"), value.encode("latin-1")))

    def to_asgi_response(self, *_: Any, **__: Any) -> "Page":
        """Itself: what Litestar asks of answers to exceptions."""
        return self

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        body, headers = self.body, self.raw_headers
        if len(body) > _WORTH_SQUEEZING and headers and headers[0] == _HTML and _may_squeeze(scope):
            body, headers = _squeeze(body), [*headers, _SQUEEZED]
        length = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": self.status_code, "headers": [*headers, length]})
        await send({"type": "http.response.body", "body": body, "more_body": False})


@lru_cache(maxsize=64)
def _squeeze(body: bytes) -> bytes:
    """The body compressed, once for all guests who ask for the same page within a second: they get the same bytes."""
    return gzip.compress(body, _SQUEEZE, mtime=0)


def _may_squeeze(scope: Any) -> bool:
    """Whether the page may be sent compressed: not where it holds a secret, whose length with a guess beside it would tell it."""
    visit: Visit = scope["visit"]
    return visit.actor is None and not visit.tells_token and b"gzip" in visit.headers.get(b"accept-encoding", b"")


@dataclass(frozen=True, slots=True)
class Notice:
    """A short word after an act; `kind` is empty or `error`."""

    text: str
    kind: str = ""


@lru_cache(maxsize=1)
def make_environment(static: Callable[[str], str]) -> Environment:
    """The templates, with what every one of them may use; `static` gives the address of a static file.

    Templates are not looked at again while the process runs: asking the disk for each of them would cost every page.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
    )
    environment.newstyle_gettext = True  # type: ignore[attr-defined]
    environment.globals |= {"_": gettext_markup, "gettext": gettext_markup, "ngettext": ngettext_markup}
    environment.globals["csrf_token"] = CurrentToken()
    environment.globals["static"] = static
    environment.filters |= {
        "points": formats.format_points,
        "display_width": formats.display_width,
        "money": lambda minor, currency=DEFAULT_CURRENCY: formats.format_money(minor, currency),
        "date": lambda day: formats.format_day(day, current_locale()),
        "last_day": lambda end: formats.format_last_day(end, current_locale()),
        "day": lambda day: formats.format_short_day(day, current_locale()),
        "weekday": lambda day: formats.format_weekday(day, current_locale()),
        "datetime": lambda instant: formats.format_instant(instant, current_locale()),
        "clock_time": formats.format_clock_time,
        "phone": formats.format_phone,
        "masked": mask_name,
        "relative": _relative,
        "dotted": dotted,
        "text_of": text_of,
        "translate": translate,
        "role_name": lambda role: gettext(ROLE_NAMES[role]),
    }
    return environment


@pass_context
def _relative(context: Context, instant: datetime) -> str:
    return formats.format_relative(instant, context["now"], current_locale())


def page(
    connection: AnyConnection, template: str, /, *, status: int = 200, headers: Headers = (), **context: Any
) -> Page:
    """Render a whole page: the template with the context that every page has, and the notices that wait."""
    visit, state = visit_of(connection), connection.app.state
    # Who arrives gets the stylesheet with the page: asking for it would take another turn through a phone's network.
    sheet = state.assets.inline(MALL_SHEET) if visit.is_arriving else None
    common = {"notices": _take_notices(visit), "sheet": sheet.tag if sheet else None}
    body = render(state.environment, visit, template, common | context)
    is_private = visit.actor is not None or bool(visit.set_cookies)
    cache = _KEEP_PRIVATE if is_private else _REVALIDATE
    policy = [policy_with_sheet(sheet.source)] if sheet else []
    return Page(body, status=status, headers=[_HTML, cache, _VARY, *policy, *headers])


def fragment(
    connection: AnyConnection, template: str, /, *, status: int = 200, headers: Headers = (), **context: Any
) -> Page:
    """Render a partial alone, for htmx. Notices wait for the next whole page."""
    visit = visit_of(connection)
    body = render(connection.app.state.environment, visit, template, {"notices": (), **context})
    return Page(body, status=status, headers=[_HTML, _KEEP_PRIVATE, _VARY, *headers])


@lru_cache(maxsize=1)
def make_text_environment(environment: Environment) -> Environment:
    """The same for mail and SMS, where nothing is escaped."""
    plain = environment.overlay(autoescape=False)
    plain.globals = {**environment.globals, "_": gettext_plain, "gettext": gettext_plain, "ngettext": ngettext_plain}
    return plain


def render(environment: Environment, visit: Visit, template: str, context: dict[str, Any]) -> bytes:
    """The bytes of a template in the language of the visit."""
    issue_tokens_to(visit)
    return environment.get_template(template).render(base_context(visit) | context).encode()


def render_text(connection: AnyConnection, template: str, context: dict[str, Any]) -> str:
    """The text of a mail or SMS in the language of the visit."""
    environment = make_text_environment(connection.app.state.environment)
    return environment.get_template(template).render(base_context(visit_of(connection)) | context).strip()


def base_context(visit: Visit) -> dict[str, Any]:
    """What every template may use."""
    locale = visit.locale or current_locale()
    cookies = visit.cookies
    services = visit.services
    actor = visit.actor
    audience = visit.audience
    now = services.clock.now()
    context: dict[str, Any] = {
        "locale": locale,
        "lang": LANGUAGE_TAGS[locale],
        "theme": theme if (theme := cookies.get(THEME_COOKIE)) in {"light", "dark"} else None,
        "text_size": "large" if cookies.get(TEXT_COOKIE) == "large" else None,
        "actor": actor,
        "audience": audience,
        "current_path": visit.path,
        "switch_language_url": f"/language/{_OTHER[locale]}?next={quote(visit.full_path, safe='/')}",
        "navigation": navigation_for(audience, actor.permissions if actor else NO_PERMISSIONS, visit.path, locale),
        "sign_out_url": _SIGN_OUT.get(audience, "/sign-out"),
        "security_url": f"{_HOME.get(audience, '/').rstrip('/')}/account/security",
        "home_url": _HOME.get(audience, "/"),
        "program": services.program.current(services.sessions),
        "server_time": now,
        "now": now,
        "request_id": visit.request_id,
        "is_development": services.settings.is_development,
    }
    if audience == PARTNER and actor is not None:
        context["partner"] = {"name_zh": actor.partner_name_zh, "name_en": actor.partner_name_en}
    return context


def redirect(connection: AnyConnection, path: str) -> Page:
    """Send the browser to another page of ours after a form: 303, or for htmx the header that does the same."""
    visit = visit_of(connection)
    if visit.is_fragment:
        return Page(b"", headers=[(b"hx-redirect", path.encode("latin-1")), _VARY])
    return Page(b"", status=303, headers=[(b"location", path.encode("latin-1")), _VARY])


def leave_notice(connection: AnyConnection, message: Message | str, kind: str = "") -> None:
    """Say something on the next whole page, in the language that is spoken now."""
    visit = visit_of(connection)
    waiting = [*_read_notices(visit), [translate(message), kind]][-3:]
    name = visit.cookie_name(NOTICE_COOKIE)
    value = visit.cookies[name] = _notice_seal(visit).dumps(waiting)
    visit.set_cookie(name, value, max_age=120)


def local_path(candidate: str | None, default: str) -> str:
    """A path on this site and nothing else, so that `?next=` cannot send anyone away."""
    if not candidate or not candidate.startswith("/") or candidate.startswith(("//", "/\\")):
        return default
    if any(ord(sign) < 32 or sign == "\\" for sign in candidate):
        return default
    return quote(candidate, safe="/?&=%:+,;@!$'()*~-._#")


def _take_notices(visit: Visit) -> list[Notice]:
    name = visit.cookie_name(NOTICE_COOKIE)
    if name not in visit.cookies:
        return []
    notices = [Notice(text, kind) for text, kind in _read_notices(visit)]
    visit.set_cookies = [header for header in visit.set_cookies if not header[1].startswith(f"{name}=".encode())]
    visit.set_cookie(name, "", max_age=0)
    return notices


def _read_notices(visit: Visit) -> list[list[str]]:
    sealed = visit.cookies.get(visit.cookie_name(NOTICE_COOKIE))
    if not sealed:
        return []
    try:
        return list(_notice_seal(visit).loads(sealed))
    except (BadSignature, ValueError):
        return []


def _notice_seal(visit: Visit) -> URLSafeSerializer:
    return URLSafeSerializer(visit.services.settings.secret_key, salt="notices")
