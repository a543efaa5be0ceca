"""The ceiling of guest pages: a bare Litestar with Jinja that gives the same bytes from memory.

Started as `python -m bench.bare PORT FILE`: the page is cut into the parts around its cards, and one template puts them
together again for every request, as the plainest application would.
"""

import re
import sys
from pathlib import Path

import uvicorn
from jinja2 import DictLoader, Environment
from litestar import Litestar, MediaType, Response, get

CARD = re.compile(r"(?=<article\b|<li\b|<a class=\"card)")
TEMPLATE = "{{ head }}{% for card in cards %}{{ card }}{% endfor %}"


def make_app(page: str) -> Litestar:
    """An application with one page, rendered from its parts for every request."""
    head, *cards = CARD.split(page)
    template = Environment(loader=DictLoader({"page": TEMPLATE}), autoescape=False).get_template("page")

    @get("/", media_type=MediaType.HTML)
    async def show() -> Response[str]:
        return Response(template.render(head=head, cards=cards), media_type=MediaType.HTML)

    @get("/readyz")
    async def ready() -> str:
        return "ready"

    return Litestar([show, ready], openapi_config=None)


if __name__ == "__main__":
    app = make_app(Path(sys.argv[2]).read_text(encoding="utf-8"))
    uvicorn.run(app, port=int(sys.argv[1]), access_log=False, log_level="warning", server_header=False)
