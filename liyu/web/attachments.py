"""Answers that a browser keeps as a file."""

from collections.abc import AsyncIterator

from liyu.core.errors import NotFoundError
from liyu.web.pages import Page

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
CSV = "text/csv"
PDF = "application/pdf"


def attach(body: bytes, media_type: str, name: str) -> Page:
    """A finished file as a download."""
    answer = Page(body)
    # A stream adds the encoding of text by itself, a page does not.
    content_type = f"{media_type}; charset=utf-8" if media_type == CSV else media_type
    for header, value in {"content-type": content_type, **headers_of(name)}.items():
        answer.add_header(header, value)
    return answer


def headers_of(name: str) -> dict[str, str]:
    """The headers that make an answer a download."""
    return {"content-disposition": f'attachment; filename="{name}"', "cache-control": "private, no-store"}


async def open_pieces(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces of a stored file, whose first one is there: once the answer has begun it is too late to say there is none.

    Raises NotFoundError.
    """
    try:
        first = await anext(pieces, b"")
    except FileNotFoundError as fault:
        raise NotFoundError from fault

    async def all_pieces() -> AsyncIterator[bytes]:
        yield first
        async for piece in pieces:
            yield piece

    return all_pieces()
