"""Answers that a browser keeps as a file."""

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
