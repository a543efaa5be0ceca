"""From exceptions to answers: a page for people, a fragment for htmx, a problem document for programs."""

from typing import Any
from urllib.parse import quote

import structlog
from litestar import Request
from litestar.exceptions import HTTPException
from psycopg.errors import DeadlockDetected, LockNotAvailable
from sqlalchemy.exc import DBAPIError

from liyu.core.access.errors import SignInRequiredError
from liyu.core.errors import BusyError, DomainError
from liyu.core.i18n import N_
from liyu.core.limits import LimitExceededError
from liyu.web.api.problems import plain_problem, problem
from liyu.web.door import speak_to
from liyu.web.i18n import gettext, translate
from liyu.web.pages import Headers, Page, local_path, page
from liyu.web.pages import fragment as render_fragment
from liyu.web.visit import API, PUBLIC, Visit, visit_of

log = structlog.get_logger("liyu.web")

LOGIN_PAGES = {"member": "/login", "partner": "/partner/login", "operator": "/console/login"}

TITLES = {
    400: N_("We could not read this request"),
    401: N_("Please sign in"),
    403: N_("This is not open to you"),
    404: N_("This page does not exist"),
    405: N_("This does not work like that"),
    409: N_("This is not possible right now"),
    413: N_("This file is too large"),
    422: N_("Some of the entries need another look"),
    429: N_("Too many attempts"),
    500: N_("Something went wrong on our side"),
    503: N_("There is a rush right now"),
}
TEXTS = {
    400: N_("The address or the form was incomplete. Please go back and try again."),
    404: N_("It may have moved or ended. The address may also have a typing error."),
    405: N_("Please use the buttons of the page instead of the address bar."),
    413: N_("Please choose a smaller one; 10 MB is the limit."),
    500: N_("We have noted it and nothing of yours was changed. Please try again in a moment."),
}


def answer_domain_error(request: Request[Any, Any, Any], error: DomainError) -> Page:
    """A refusal, in the form that the asker understands."""
    visit = _greet(request)
    headers = _retry_after(error)
    if visit.audience in {API, PUBLIC}:
        challenge = [(b"www-authenticate", b"Bearer")] if error.status == 401 else []
        return problem(request, error, [*headers, *challenge])
    if isinstance(error, SignInRequiredError):
        return _ask_to_sign_in(visit)
    return _answer_people(
        request, error.status, translate(error.text), [translate(reason.message) for reason in error.reasons], headers
    )


def answer_http_error(request: Request[Any, Any, Any], error: HTTPException) -> Page:
    """What Litestar refuses: unknown paths, wrong methods, bodies that are too large or unreadable."""
    status = error.status_code
    visit = _greet(request)
    allowed = next((value for name, value in (error.headers or {}).items() if name.lower() == "allow"), None)
    headers = [(b"allow", allowed.encode())] if allowed else []
    if status >= 500:
        _log_failure(visit, error)
    if visit.audience in {API, PUBLIC}:
        code = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}.get(status, "bad_request")
        return plain_problem(status, code if status < 500 else "internal_error", error.detail, headers)
    return _answer_people(request, status, gettext(TEXTS.get(status, TEXTS[400])), [], headers)


def answer_failure(request: Request[Any, Any, Any], error: Exception) -> Page:
    """Our own failure: logged with the request's id, which the page shows; nothing else is given away."""
    visit = _greet(request)
    visit.set_cookies.clear()
    if isinstance(error.orig if isinstance(error, DBAPIError) else error, LockNotAvailable | DeadlockDetected):
        return answer_domain_error(request, BusyError())
    _log_failure(visit, error)
    if visit.audience in {API, PUBLIC}:
        return plain_problem(500, "internal_error", f"Request {visit.request_id} failed.")
    return _answer_people(request, 500, gettext(TEXTS[500]), [])


EXCEPTION_HANDLERS: dict[int | type[Exception], Any] = {
    DomainError: answer_domain_error,
    HTTPException: answer_http_error,
    Exception: answer_failure,
}


def answer_exception(request: Request[Any, Any, Any], error: Exception) -> Page:
    """The answer to whatever went wrong, by the nearest kind that has one."""
    kind = next(kind for kind in type(error).__mro__ if kind in EXCEPTION_HANDLERS)
    answer: Page = EXCEPTION_HANDLERS[kind](request, error)
    return answer


def _greet(request: Request[Any, Any, Any]) -> Visit:
    """The visit, with a language: unknown paths and wrong methods never reached the door."""
    visit = visit_of(request)
    if visit.locale is None and visit.audience not in {API, PUBLIC}:
        speak_to(visit)
    return visit


def _answer_people(
    request: Request[Any, Any, Any], status: int, text: str, reasons: list[str], headers: Headers = ()
) -> Page:
    visit = visit_of(request)
    context = {"code": status, "title": gettext(TITLES.get(status, TITLES[400])), "text": text, "reasons": reasons}
    if visit.is_fragment:
        # What was typed stays where it is: the words go into the region for notices.
        aim = [(b"hx-retarget", b"#toasts"), (b"hx-reswap", b"beforeend")]
        return render_fragment(request, "errors/_notice.html", status=status, headers=[*aim, *headers], **context)
    return page(request, "errors/error.html", status=status, headers=headers, **context)


def _ask_to_sign_in(visit: Visit) -> Page:
    login = LOGIN_PAGES[visit.audience]
    if visit.is_fragment:
        return Page(b"", status=401, headers=[(b"hx-redirect", login.encode())])
    wanted = local_path(visit.full_path if not visit.is_unsafe else None, "")
    target = f"{login}?next={_quoted(wanted)}" if wanted and wanted != "/" else login
    return Page(b"", status=303, headers=[(b"location", target.encode("latin-1")), (b"cache-control", b"no-store")])


def _quoted(path: str) -> str:
    return quote(path, safe="/")


def _retry_after(error: DomainError) -> list[tuple[bytes, bytes]]:
    if isinstance(error, LimitExceededError):
        return [(b"retry-after", str(error.retry_after).encode())]
    return [(b"retry-after", b"1")] if isinstance(error, BusyError) else []


def _log_failure(visit: Visit, error: Exception) -> None:
    kind = type(error).__name__
    log.error("failure", request_id=visit.request_id, method=visit.method, path=visit.path, kind=kind, exc_info=error)
