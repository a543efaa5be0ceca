"""Filling in forms of the console as a browser does."""

import re
from html import unescape

import httpx

from tests.web.personas import token_in


async def submit(client: httpx.AsyncClient, page: str, action: str, **fields: str | list[str]) -> httpx.Response:
    """Open a page, then send one of its forms."""
    opened = await client.get(page)
    return await client.post(action, data={"csrf_token": token_in(opened), **fields})


def texts_of(answer: httpx.Response) -> str:
    """The words of a page without its markup."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", answer.text)))
