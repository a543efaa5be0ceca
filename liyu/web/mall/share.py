"""Sharing an item 分享: a drawn card with a code that leads to its page, to be saved, sent on or scanned."""

from typing import Any

from litestar import get
from litestar.params import FromPath
from markupsafe import Markup

from liyu.catalog.views import ItemView
from liyu.vouchers.qr import draw_qr
from liyu.web.covers import choose_icon, draw_cover
from liyu.web.i18n import text_of
from liyu.web.mall.item import find_item
from liyu.web.mall.member import AnyRequest
from liyu.web.pages import Page, page, render
from liyu.web.visit import visit_of

CHARACTERS_OF_A_LINE = 15
"""How many Chinese characters fit into a line of the card; a Latin letter takes up to two thirds of one's width."""
_LATIN_WIDTH = 0.66
_COVER_SIZE = ('width="400" height="260"', 'width="720" height="468"')
_SVG = [(b"content-type", b"image/svg+xml"), (b"cache-control", b"no-cache"), (b"vary", b"Cookie, Accept-Language")]


@get("/items/{sku:str}/share")
async def show_share(request: AnyRequest, sku: FromPath[str]) -> Page:
    """The card with the ways to pass it on."""
    item = find_item(visit_of(request).services.catalog.snapshot, sku)
    return page(request, "mall/share.html", tab="categories", item=item, address=_address_of(request, item))


@get("/items/{sku:str}/card.svg")
async def draw_card(request: AnyRequest, sku: FromPath[str]) -> Page:
    """The card alone, in the reader's language."""
    visit = visit_of(request)
    item = find_item(visit.services.catalog.snapshot, sku)
    cover = draw_cover(item.scene, item.id, choose_icon(item.scene, item.kind)).replace(*_COVER_SIZE)
    context = {
        "item": item,
        "lines": break_lines(text_of(item, "name")),
        "cover": Markup(cover),  # noqa: S704 - our own drawing
        "qr": Markup(draw_qr(_address_of(request, item))),  # noqa: S704 - our own drawing
    }
    return Page(render(request.app.state.environment, visit, "mall/share_card.svg", context), headers=_SVG)


def break_lines(text: str, most: float = CHARACTERS_OF_A_LINE) -> list[str]:
    """At most two lines of a name, broken between words or Chinese characters; what does not fit ends with an ellipsis."""
    lines, width = [""], 0.0
    for part in _split(text):
        wide = sum(_LATIN_WIDTH if ord(sign) < 0x2E80 else 1.0 for sign in part)
        if lines[-1] and width + wide > most:
            if len(lines) == 2:
                lines[-1] = f"{lines[-1].rstrip()}…"
                break
            lines.append("")
            width = 0.0
        lines[-1] += part if lines[-1] else part.lstrip()
        width += wide
    return lines


def _split(text: str) -> list[str]:
    """A word with the space before it, or a single Chinese character, at a time."""
    parts: list[str] = []
    for sign in text:
        if not parts or ord(sign) >= 0x2E80 or sign == " " or ord(parts[-1][-1]) >= 0x2E80:
            parts.append(sign)
        else:
            parts[-1] += sign
    return parts


def _address_of(request: AnyRequest, item: ItemView) -> str:
    return f"{visit_of(request).services.settings.base_url.rstrip('/')}/items/{item.sku}"


ROUTES: list[Any] = [show_share, draw_card]
