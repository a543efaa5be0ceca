"""Requests that change something come from our own pages: a token bound to the session, and the browser's own word."""

import hmac
import secrets
from contextvars import ContextVar
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from litestar import Request
from litestar.enums import RequestEncodingType
from litestar.types import Receive, Scope

from liyu.core.errors import DomainError
from liyu.core.i18n import N_
from liyu.core.sealing import derive_key
from liyu.web.visit import Visit

FIELD = "csrf_token"
HEADER = b"x-csrf-token"
VISITOR_COOKIE = "liyu_visitor"
EXEMPT = "exclude_from_csrf"
"""Handler option for what carries no cookies: bearer keys and signed webhooks. Never given by path."""

_FORM_TYPES = {RequestEncodingType.URL_ENCODED, RequestEncodingType.MULTI_PART}


class CrossSiteError(DomainError):
    """The request was not sent from one of our own pages, or from one that is too old."""

    status = 403
    code = "cross_site_request"
    message = N_("This page is out of date. Please go back, reload it and try again.")


_visit: ContextVar[Visit] = ContextVar("visit")


class CurrentToken:
    """The token of the visit in hand, made when a template writes it: only then does a guest get the cookie it is bound to.

    False for guests, so that a layout can tell whether htmx should carry it on every request.
    """

    def __html__(self) -> str:
        return make_token(_visit.get())

    __str__ = __html__

    def __bool__(self) -> bool:
        return _visit.get().actor is not None


def issue_tokens_to(visit: Visit) -> None:
    """Let templates write the token of this visit from now on in this task."""
    _visit.set(visit)


def make_token(visit: Visit) -> str:
    """The token for this visit's session; for a guest, bound to a cookie that the answer will set."""
    visit.tells_token = True
    if visit.actor is not None:
        return _sign(visit, visit.actor.session_hash)
    name = visit.cookie_name(VISITOR_COOKIE)
    value = visit.cookies.get(name)
    if not value:
        value = visit.cookies[name] = secrets.token_urlsafe(16)
        visit.set_cookie(name, value, max_age=None)
    return _sign(visit, value.encode())


async def verify_origin(visit: Visit, scope: Scope, receive: Receive) -> None:
    """Let a request pass that changes something. Raises CrossSiteError otherwise."""
    if not _is_same_site(visit):
        raise CrossSiteError
    visitor = visit.cookies.get(visit.cookie_name(VISITOR_COOKIE), "")
    binding = visit.actor.session_hash if visit.actor else visitor.encode()
    given = visit.header(HEADER) or await _field(scope, receive)
    if not binding or not hmac.compare_digest(given.encode(), _sign(visit, binding).encode()):
        raise CrossSiteError


def _is_same_site(visit: Visit) -> bool:
    """What the browser says about the sender; a program that says nothing is left to the token."""
    fetch_site = visit.headers.get(b"sec-fetch-site")
    if fetch_site is not None:
        return fetch_site in {b"same-origin", b"none"}
    origin = visit.headers.get(b"origin")
    if origin is None:
        return True
    sender = urlsplit(origin.decode("latin-1")).netloc
    return sender in {visit.header(b"host"), urlsplit(visit.services.settings.base_url).netloc} and bool(sender)


async def _field(scope: Scope, receive: Receive) -> str:
    # Litestar keeps the parsed form in the scope, so the handler's own request finds it there.
    request: Request[Any, Any, Any] = Request(scope, receive)
    if request.content_type[0] not in _FORM_TYPES:
        return ""
    value = (await request.form()).get(FIELD, "")
    return value if isinstance(value, str) else ""


def _sign(visit: Visit, binding: bytes) -> str:
    return hmac.digest(derive_key(visit.services.settings.secret_key, "csrf"), binding, sha256).hex()
