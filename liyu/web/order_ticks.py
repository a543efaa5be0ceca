"""Orders that were ticked in a list, as every audience reads them."""

from typing import Any

from litestar import Request

from liyu.redemption.orderdesk.bulk import MOST_AT_ONCE


async def read_ticked(request: Request[Any, Any, Any]) -> list[str]:
    """The numbers of the orders that were ticked, each once."""
    sent = await request.form()
    return list(dict.fromkeys(str(one).replace("\0", "") for one in sent.getall("number", [])))[:MOST_AT_ONCE]
