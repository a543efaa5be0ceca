"""Suggestions while somebody types: a brand, a scene, items; and the words as they were probably meant."""

from typing import Any
from urllib.parse import urlencode

from litestar import get

from liyu.catalog.lexicon import key_of, lexicon
from liyu.catalog.search import Wish, list_items, look_for
from liyu.catalog.snapshot import Snapshot
from liyu.web.forms import Form, TextField
from liyu.web.i18n import text_of
from liyu.web.mall.browse import LONGEST_SEARCH
from liyu.web.mall.home import scene_label
from liyu.web.mall.member import AnyRequest, now_of
from liyu.web.mall.page_cache import is_cacheable
from liyu.web.mall.ready import ready_of
from liyu.web.pages import Page, fragment, page
from liyu.web.shortcut import SHORTCUT
from liyu.web.visit import visit_of

MOST_ITEMS = 6
MOST_BRANDS = 2


class SuggestForm(Form):
    """What was typed so far."""

    q = TextField(required=False, maximum=LONGEST_SEARCH)


@get("/suggest", opt={SHORTCUT: True})
async def suggest(request: AnyRequest) -> Page:
    """A list of suggestions: for htmx alone, else a page of its own."""
    snapshot = visit_of(request).services.catalog.snapshot
    if is_cacheable(visit_of(request)):
        return ready_of(request).pages.answer(request, snapshot, lambda: _render(request, snapshot))
    return _render(request, snapshot)


def _render(request: AnyRequest, snapshot: Snapshot) -> Page:
    form = SuggestForm.parse(request.query_params.dict())
    text = str(form.values.get("q") or "").strip()
    suggestions = make_suggestions(request, snapshot, text) if text else []
    if visit_of(request).is_fragment:
        return fragment(request, "mall/_suggestions.html", suggestions=suggestions)
    return page(request, "mall/suggestions.html", tab="categories", query=text, suggestions=suggestions)


def make_suggestions(request: AnyRequest, snapshot: Snapshot, text: str) -> list[dict[str, Any]]:
    """Corrected words, scenes and brands that the words name, then the best items."""
    match = look_for(snapshot, text)
    found: list[dict[str, Any]] = []
    if match.correction:
        found.append({"icon": "search", "label": match.correction, "href": _address(q=match.correction)})
    items = list_items(snapshot, Wish(text=text), now_of(request), size=4 * MOST_ITEMS).items
    scenes = lexicon().scenes.get(key_of(text), []) if not match.is_near else []
    counts = snapshot.lists.count("scene")
    found += [
        {"icon": "layout-grid", "label": scene_label(scene), "count": counts[scene], "href": _address(scene=scene)}
        for scene in scenes
        if scene in counts
    ]
    partners = {item.partner.code: item.partner for item in items if item.partner}
    counts = snapshot.lists.count("partner")
    if not match.is_near:
        found += [
            {
                "icon": "store",
                "label": text_of(partner, "name"),
                "count": counts[code],
                "href": _address(partner=code),
            }
            for code, partner in list(partners.items())[:MOST_BRANDS]
        ]
    found += [
        {"icon": "ticket", "label": text_of(item, "name"), "points": item.points, "href": f"/items/{item.sku}"}
        for item in items[:MOST_ITEMS]
    ]
    return found


def _address(**values: str) -> str:
    return f"/items?{urlencode(values)}"


ROUTES = [suggest]
