"""Uploaded pictures from storage. A name is a digest, so its content never changes and browsers keep it for a year."""

import re
from typing import Any

from litestar import Request, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from liyu.catalog.pictures import MEDIA_TYPE, SIZES, file_name
from liyu.core.storage import open_storage
from liyu.web.pages import Page
from liyu.web.visit import visit_of

_NAME = re.compile(rf"([0-9a-f]{{64}})-([{''.join(SIZES)}])\.webp")
_HEADERS = [
    (b"content-type", MEDIA_TYPE.encode()),
    (b"cache-control", b"public, max-age=31536000, immutable"),
    (b"x-content-type-options", b"nosniff"),
]


def address_of(digest: str, size: str = "m") -> str:
    """The address of a picture in a size."""
    return f"/pictures/{digest}-{size}.webp"


@get("/pictures/{name:str}", include_in_schema=False, opt={"public": True})
async def serve_picture(request: Request[Any, Any, Any], name: FromPath[str]) -> Page:
    """One size of a picture."""
    parts = _NAME.fullmatch(name)
    if parts is None:
        raise NotFoundException
    try:
        content = await open_storage(visit_of(request).services.settings).get(file_name(*parts.groups()))
    except FileNotFoundError:
        raise NotFoundException from None
    return Page(content, headers=_HEADERS)
