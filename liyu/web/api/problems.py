"""Problem documents (RFC 9457) for programs, with our stable codes, every reason and every faulty field."""

from http import HTTPStatus
from typing import Any

import msgspec

from liyu.core.errors import DomainError
from liyu.core.i18n import Message
from liyu.web.formats import use_zone
from liyu.web.i18n import ENGLISH, negotiate_locale, translate
from liyu.web.pages import Headers, Page
from liyu.web.visit import AnyConnection, visit_of

_MEDIA_TYPE = (b"content-type", b"application/problem+json")
_JSON = (b"content-type", b"application/json")
# Answers that were kept come back with their names in another order: sorted, they are the same to the byte.
_encoder = msgspec.json.Encoder(order="deterministic")


def problem_locale(connection: AnyConnection) -> str:
    """English unless the program asks for Chinese."""
    return negotiate_locale(visit_of(connection).header(b"accept-language")) or ENGLISH


def problem_document(error: DomainError, locale: str) -> dict[str, Any]:
    """The members of a problem document for a refusal."""
    document: dict[str, Any] = {
        "type": f"urn:liyu:problem:{error.stable_code}",
        "title": _title(error.status),
        "status": error.status,
        "detail": translate(error.text, locale),
        "code": error.stable_code,
    }
    if error.reasons:
        document["reasons"] = [
            {
                **{name: _plain(value, locale) for name, value in reason.details.items()},
                "code": reason.code,
                "message": translate(reason.message, locale),
            }
            for reason in error.reasons
        ]
    return document


def problem(connection: AnyConnection, error: DomainError, headers: Headers = ()) -> Page:
    """The answer to a refused request."""
    use_zone(visit_of(connection).services.settings.timezone)
    document = problem_document(error, problem_locale(connection))
    return Page(_encoder.encode(document), status=error.status, headers=[_MEDIA_TYPE, *headers])


def plain_problem(status: int, code: str, detail: str, headers: Headers = ()) -> Page:
    """A problem that is no refusal of the domain: unknown path, wrong method, our own failure."""
    document = {
        "type": f"urn:liyu:problem:{code}",
        "title": _title(status),
        "status": status,
        "detail": detail,
        "code": code,
    }
    return Page(_encoder.encode(document), status=status, headers=[_MEDIA_TYPE, *headers])


def json_answer(content: Any, *, status: int = 200, headers: Headers = ()) -> Page:
    """A JSON answer; structs, dates and plain values are encoded as msgspec does."""
    return Page(_encoder.encode(content), status=status, headers=[_JSON, *headers])


def _title(status: int) -> str:
    return HTTPStatus(status).phrase


def _plain(value: Any, locale: str) -> Any:
    """A figure behind a reason; what JSON keeps otherwise is kept as it is, so that a replay says the same."""
    return translate(value, locale) if isinstance(value, Message) else value
