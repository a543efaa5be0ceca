"""Problem documents (RFC 9457) for programs, with our stable codes, every reason and every faulty field."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec
from litestar import Request

from liyu.core.errors import DomainError, InvalidInputError
from liyu.core.i18n import N_, Message
from liyu.web.i18n import ENGLISH, negotiate_locale, translate
from liyu.web.pages import Headers, Page
from liyu.web.visit import AnyConnection, visit_of

Struct = TypeVar("Struct", bound=msgspec.Struct)

_MEDIA_TYPE = (b"content-type", b"application/problem+json")
_JSON = (b"content-type", b"application/json")
_encoder = msgspec.json.Encoder()


def problem_locale(connection: AnyConnection) -> str:
    """English unless the program asks for Chinese."""
    return negotiate_locale(visit_of(connection).header(b"accept-language")) or ENGLISH


def problem_document(error: DomainError, locale: str) -> dict[str, Any]:
    """The members of a problem document for a refusal."""
    document: dict[str, Any] = {
        "type": f"urn:liyu:problem:{error.code}",
        "title": _title(error.status),
        "status": error.status,
        "detail": translate(error.text, locale),
        "code": error.code,
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


async def read_body(request: Request[Any, Any, Any], kind: type[Struct]) -> Struct:
    """The body as a struct. Raises InvalidInputError that names every faulty field, or says that it is not JSON."""
    try:
        content = msgspec.json.decode(await request.body())
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InvalidInputError.of_fields({"": Message(N_("The body is not valid JSON."))}) from None
    return convert_fields(content, kind)


def convert_fields(content: Any, kind: type[Struct]) -> Struct:
    """Decoded JSON as a struct. msgspec stops at the first fault, so faulty input is looked at field by field."""
    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError as error:
        faults = _faults_of(content, kind) if isinstance(content, Mapping) else {}
        raise InvalidInputError.of_fields(faults or {"": Message(_literal(str(error)))}) from None


def _faults_of(content: Mapping[str, Any], kind: type[msgspec.Struct]) -> dict[str, Message]:
    faults: dict[str, Message] = {}
    fields = msgspec.structs.fields(kind)
    for field in fields:
        name = field.encode_name
        if name not in content:
            if field.required:
                faults[name] = Message(N_("This field is needed."))
            continue
        try:
            msgspec.convert(content[name], field.type)
        except msgspec.ValidationError as error:
            faults[name] = Message(_literal(str(error)))
    if kind.__struct_config__.forbid_unknown_fields:
        known = {field.encode_name for field in fields}
        for name in content:
            if name not in known:
                faults[str(name)] = Message(N_("There is no such field."))
    return faults


def _literal(text: str) -> str:
    """msgspec's words, which are English in both languages, kept from being read as a format."""
    return text.replace("%", "%%") if "%(" in text else text


def _title(status: int) -> str:
    return HTTPStatus(status).phrase


_PLAIN: dict[type, Callable[[Any], Any]] = {date: date.isoformat, datetime: datetime.isoformat}


def _plain(value: Any, locale: str) -> Any:
    if isinstance(value, Message):
        return translate(value, locale)
    convert = _PLAIN.get(type(value))
    return convert(value) if convert else value
