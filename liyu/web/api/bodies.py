"""What programs send: JSON bodies and query strings as structs, with every faulty field named."""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from litestar import Request
from litestar.exceptions import ClientException
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.types import Receive

from liyu.core.errors import DomainError, InvalidInputError
from liyu.core.i18n import N_, Message
from liyu.web.security import REQUEST_MAX_BODY_SIZE
from liyu.web.visit import AnyConnection

Struct = TypeVar("Struct", bound=msgspec.Struct)

_NUL = "\x00"
_ESCAPED_NUL = b"\\u0000"
_WORDS: list[tuple[re.Pattern[str], str]] = [
    (re.compile(r"Expected `[^`]*` >= (?P<least>\S+)"), N_("Must be at least %(least)s.")),
    (re.compile(r"Expected `[^`]*` <= (?P<most>\S+)"), N_("Must be at most %(most)s.")),
    (re.compile(r"Expected `str` of length >= (?P<length>\d+)"), N_("Use at least %(length)s characters.")),
    (re.compile(r"Expected `str` of length <= (?P<maximum>\d+)"), N_("Use at most %(maximum)s characters.")),
    (re.compile(r"Expected `array` of length <= (?P<most>\d+)"), N_("Send at most %(most)s at once.")),
    (re.compile(r"Expected `array` of length >= (?P<least>\d+)"), N_("Send at least %(least)s.")),
    (re.compile(r"Expected `(?P<wanted>[^`]+)`, got `(?P<given>[^`]+)`"), N_("Must be %(wanted)s, not %(given)s.")),
    (re.compile(r"Invalid RFC3339 encoded datetime"), N_("Must be a date and time such as 2026-11-22T10:00:00+08:00.")),
    (re.compile(r"Invalid RFC3339 encoded date"), N_("Enter a date, such as 2026-11-22.")),
    (re.compile(r"Invalid enum value"), N_("Choose one of the values offered.")),
]
"""How msgspec says what is wrong, and how we say it."""


class ApiRequest(Request[Any, Any, Any]):
    """A request whose body is read straight from the server; Litestar's way makes an object of all headers for each."""

    _whole: bytes | None = None

    async def body(self) -> bytes:
        """All of the body. Raises RequestEntityTooLarge, or ClientException when the client goes away in the middle."""
        if self._whole is None:
            self._whole = await _receive_all(self.receive)
        return self._whole


async def _receive_all(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size, is_complete = 0, False
    while not is_complete:
        message: Any = await receive()
        if message["type"] != "http.request":
            raise ClientException("The client went away.")
        part: bytes = message.get("body", b"")
        parts.append(part)
        size += len(part)
        if size > REQUEST_MAX_BODY_SIZE:
            raise RequestEntityTooLarge
        is_complete = not message.get("more_body", False)
    return parts[0] if len(parts) == 1 else b"".join(parts)


class UnreadableBodyError(DomainError):
    """The body is no JSON at all."""

    status = 400
    code = "invalid_json"
    message = N_("The body is not valid JSON.")


async def read_body(request: Request[Any, Any, Any], decoder: msgspec.json.Decoder[Struct]) -> Struct:
    """The body as a struct; an empty one counts as `{}`.

    Raises UnreadableBodyError, or InvalidInputError that names every faulty field.
    """
    body = await request.body() or b"{}"
    try:
        content = decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return convert_fields(decode_json(body), decoder.type)
    if _ESCAPED_NUL in body:
        return convert_fields(decode_json(body), decoder.type)
    return content


def decode_json(body: bytes) -> Any:
    """The body as plain values. Raises UnreadableBodyError."""
    try:
        return msgspec.json.decode(body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UnreadableBodyError from None


def read_query(connection: AnyConnection, kind: type[Struct]) -> Struct:
    """The query string as a struct: texts become the fields' types. Raises InvalidInputError with every faulty field."""
    return convert_fields(dict(connection.query_params), kind, strict=False)


def convert_fields(content: Any, kind: type[Struct], *, strict: bool = True, storable: bool = True) -> Struct:
    """Plain values as a struct; with `storable`, only texts that the database can hold.

    Raises InvalidInputError that names every faulty field.
    """
    if not isinstance(content, Mapping):
        raise InvalidInputError.of_fields({"": Message(N_("Must be a JSON object."))})
    faults = find_faults(content, kind, strict=strict, storable=storable)
    if faults:
        raise InvalidInputError.of_fields(faults)
    return msgspec.convert(content, kind, strict=strict)


def find_faults(
    content: Mapping[str, Any], kind: type[msgspec.Struct], *, strict: bool = True, storable: bool = True
) -> dict[str, Message]:
    """What is wrong, by field. msgspec stops at the first fault, so the fields are looked at one by one."""
    faults: dict[str, Message] = {}
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for name, field in fields.items():
        if name not in content:
            if field.required:
                faults[name] = Message(N_("This field is needed."))
            continue
        try:
            msgspec.convert(content[name], field.type, strict=strict)
        except msgspec.ValidationError as error:
            faults[name] = _in_our_words(str(error))
        else:
            if storable and not _is_storable(content[name]):
                faults[name] = Message(N_("This contains a character that cannot be stored."))
    if kind.__struct_config__.forbid_unknown_fields:
        faults |= {str(name): Message(N_("There is no such field.")) for name in content if name not in fields}
    return faults


def is_storable(text: str) -> bool:
    """Whether PostgreSQL can hold the text."""
    return _NUL not in text


def _is_storable(value: Any) -> bool:
    if isinstance(value, str):
        return is_storable(value)
    if isinstance(value, Mapping):
        return all(_is_storable(part) for pair in value.items() for part in pair)
    return all(map(_is_storable, value)) if isinstance(value, list) else True


def _in_our_words(text: str) -> Message:
    for pattern, words in _WORDS:
        found = pattern.match(text)
        if found:
            return Message(words, found.groupdict())
    return Message(N_("This is not understood."))
