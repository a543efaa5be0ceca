"""Lists: the catalog with search, filters and orders, and all drops."""

from typing import Any
from urllib.parse import urlencode

from litestar import get

from liyu.catalog.models import ITEM_KINDS
from liyu.catalog.search import PAGE_SIZE, Counts, Wish, count_items, list_items, look_for
from liyu.catalog.snapshot import RECOMMENDED, SORTS, Snapshot
from liyu.core.i18n import N_, Message
from liyu.members.account import MemberAccount
from liyu.web.forms import CheckField, ChoiceField, Form, IntegerField, TextField
from liyu.web.i18n import gettext, translate
from liyu.web.mall.cards import Shelf, show_at_once
from liyu.web.mall.filters import make_more_filters
from liyu.web.mall.home import choose_fitting, scene_label
from liyu.web.mall.live import live_skus
from liyu.web.mall.member import AnyRequest, facts_of, own_account
from liyu.web.mall.page_cache import is_cacheable
from liyu.web.mall.ready import ready_of
from liyu.web.mall.words import KINDS, SCENES
from liyu.web.pages import Page, fragment, page
from liyu.web.shortcut import SHORTCUT
from liyu.web.visit import visit_of

LONGEST_SEARCH = 60
MOST_SHOWN = 10 * PAGE_SIZE
"""How many cards a page opens with when somebody comes back to a list that they had unrolled."""

CARDS_IN_SIGHT = 4
MOST_UNROLLED = 4 * PAGE_SIZE
"""How many cards come by themselves as one scrolls; more come when asked for, so that the end of the page can be reached."""

RANGES: tuple[tuple[int | None, int | None], ...] = ((None, 200), (200, 500), (500, 1_000), (1_000, None))
ORDERS: dict[str, str] = {
    RECOMMENDED: N_("For you"),
    "points_up": N_("Lowest"),
    "points_down": N_("Highest"),
    "newest": N_("Newest"),
}


_UNFILTERED = dict.fromkeys(
    ["scene", "kind", "partner", "tier", "city", "points_from", "points_to", "affordable"], None
)


class WishForm(Form):
    """What the address of a list says; a value that nobody offers is left out instead of refused."""

    q = TextField(required=False, maximum=LONGEST_SEARCH)
    scene = ChoiceField(SCENES, required=False)
    kind = ChoiceField(ITEM_KINDS, required=False)
    partner = TextField(required=False)
    tier = TextField(required=False)
    city = TextField(required=False)
    points_from = IntegerField(required=False)
    points_to = IntegerField(required=False)
    affordable = CheckField()
    sort = ChoiceField(SORTS, required=False, default=RECOMMENDED)
    cursor = TextField(required=False)
    shown = IntegerField(required=False, minimum=PAGE_SIZE, maximum=MOST_SHOWN, default=PAGE_SIZE)


@get("/items", opt={SHORTCUT: True})
async def show_items(request: AnyRequest) -> Page:
    """The list; a guest's comes from memory. For htmx with a cursor the next cards alone."""
    snapshot = visit_of(request).services.catalog.snapshot
    if is_cacheable(visit_of(request)):
        return ready_of(request).pages.answer(request, snapshot, lambda: _render_list(request, snapshot, None))
    return _render_list(request, snapshot, own_account(request))


@get("/drops", opt={SHORTCUT: True})
async def show_drops(request: AnyRequest) -> Page:
    """All drops: open ones, then those to come."""
    snapshot = visit_of(request).services.catalog.snapshot
    if is_cacheable(visit_of(request)):
        return ready_of(request).pages.answer(request, snapshot, lambda: _render_drops(request, snapshot, None))
    return _render_drops(request, snapshot, own_account(request))


def _render_list(request: AnyRequest, snapshot: Snapshot, account: MemberAccount | None) -> Page:
    asked = _read_address(request)
    wish = _wish_of(asked, account)
    shelf = Shelf(request, snapshot, facts_of(account) if account else None)
    cursor, unrolling = asked["cursor"], visit_of(request).is_fragment and bool(asked["cursor"])
    found = list_items(snapshot, wish, shelf.now, cursor=cursor or None, size=PAGE_SIZE if cursor else asked["shown"])
    address = _Address(wish)
    shown = asked["shown"] + (len(found.items) if unrolling else 0)
    more = address(cursor=found.next, shown=min(shown, MOST_SHOWN) if shown > PAGE_SIZE else None)
    context: dict[str, Any] = {
        "cards": show_at_once(shelf.cards(found.items), 0 if unrolling else CARDS_IN_SIGHT),
        "next_href": more if found.next else None,
        "keep_href": address(shown=min(shown + PAGE_SIZE, MOST_SHOWN)),
        "unrolls": shown < MOST_UNROLLED,
    }
    if unrolling:
        return fragment(request, "mall/_more_cards.html", **context)
    context |= _name_choices(shelf, wish, address) | _help_on(shelf, wish, address, found_any=bool(found.items))
    return page(
        request,
        "mall/items.html",
        tab="categories",
        query=wish.text,
        title=_title_of(wish),
        is_filtered=wish != Wish(balance=wish.balance, rank=wish.rank, sort=wish.sort),
        continued=bool(cursor),
        start_href=address(),
        **context,
    )


def _name_choices(shelf: Shelf, wish: Wish, address: "_Address") -> dict[str, Any]:
    """What else the list can be narrowed to, with how many items each choice leaves, and its orders."""
    counts = count_items(shelf.snapshot, wish, shelf.now, RANGES)
    return {
        "counts": counts,
        "scene_chips": _scene_chips(wish, address, counts),
        "filter_chips": _filter_chips(wish, address, counts),
        "more_filters": make_more_filters(shelf.snapshot, wish, address, counts),
        "filters_open": bool(wish.partner or wish.tier or wish.city),
        "orders": [
            {"label": gettext(label), "href": address(sort=name), "current": wish.sort == name}
            for name, label in ORDERS.items()
        ],
    }


def _help_on(shelf: Shelf, wish: Wish, address: "_Address", *, found_any: bool) -> dict[str, Any]:
    """What helps on whoever mistyped or found nothing: the nearest words, a search without filters, what they can have."""
    match = look_for(shelf.snapshot, wish.text)
    fitting, _ = choose_fitting(shelf) if not found_any else ([], False)
    return {
        "is_near": match.is_near and found_any,
        "correction": match.correction,
        "search_everything": address(**_UNFILTERED) if wish.text and not found_any else None,
        "instead": shelf.cards(fitting),
    }


def _render_drops(request: AnyRequest, snapshot: Snapshot, account: MemberAccount | None) -> Page:
    shelf = Shelf(request, snapshot, facts_of(account) if account else None)
    open_drops, coming = snapshot.live_drops(shelf.now), snapshot.coming_drops(shelf.now)
    return page(
        request,
        "mall/drops.html",
        tab="home",
        drops=shelf.drops(open_drops),
        coming=shelf.drops(coming),
        live=live_skus([*open_drops, *coming], snapshot),
    )


def _read_address(request: AnyRequest) -> dict[str, Any]:
    """What the address says. Addresses are passed on and edited by hand: what makes no sense is ignored."""
    form = WishForm.parse(request.query_params.dict())
    return {name: form.values.get(name, field.default) for name, field in WishForm.fields.items()} | {
        "q": form.values.get("q") or "",
        "affordable": bool(form.values.get("affordable")),
    }


def _wish_of(asked: dict[str, Any], account: MemberAccount | None) -> Wish:
    return Wish(
        text=asked["q"],
        scene=asked["scene"],
        kind=asked["kind"],
        partner=asked["partner"] or None,
        tier=asked["tier"] or None,
        city=asked["city"] or None,
        points_from=asked["points_from"],
        points_to=asked["points_to"],
        balance=account.balance if account else None,
        rank=account.tier_rank if account else None,
        affordable=asked["affordable"] and account is not None,
        sort=asked["sort"],
    )


class _Address:
    """Addresses of the list: the present wish with some things changed."""

    def __init__(self, wish: Wish) -> None:
        self.values: dict[str, Any] = {
            "q": wish.text,
            "scene": wish.scene,
            "kind": wish.kind,
            "partner": wish.partner,
            "tier": wish.tier,
            "city": wish.city,
            "points_from": wish.points_from,
            "points_to": wish.points_to,
            "affordable": "yes" if wish.affordable else None,
            "sort": wish.sort if wish.sort != RECOMMENDED else None,
        }

    def __call__(self, **changes: Any) -> str:
        values = {name: value for name, value in (self.values | changes).items() if value not in (None, "")}
        if values.get("sort") == RECOMMENDED:
            del values["sort"]
        return f"/items?{urlencode(values)}" if values else "/items"


def _title_of(wish: Wish) -> str:
    if wish.text:
        return translate(Message(N_("“%(words)s”"), {"words": wish.text}))
    if wish.scene:
        return scene_label(wish.scene)
    return gettext(KINDS[wish.kind]) if wish.kind else gettext(N_("All rights and goods"))


def _scene_chips(wish: Wish, address: _Address, counts: Counts) -> list[dict[str, Any]]:
    every = {"label": gettext(N_("Everything")), "href": address(scene=None), "current": wish.scene is None}
    return [every] + [
        {"label": scene_label(scene), "href": address(scene=scene), "current": wish.scene == scene, "count": count}
        for scene in SCENES
        if (count := counts.facets["scene"].get(scene, 0)) or wish.scene == scene
    ]


def _filter_chips(wish: Wish, address: _Address, counts: Counts) -> list[dict[str, Any]]:
    """Chips that are switched on and off: within reach, ranges of points, kinds."""
    chips: list[dict[str, Any]] = []
    if counts.affordable is not None:
        chips.append(
            {
                "label": gettext(N_("Within reach")),
                "href": address(affordable=None if wish.affordable else "yes"),
                "current": wish.affordable,
                "count": counts.affordable,
            }
        )
    for (least, most), count in zip(RANGES, counts.ranges, strict=True):
        current = (wish.points_from, wish.points_to) == (least, most)
        href = address(points_from=None, points_to=None) if current else address(points_from=least, points_to=most)
        if count or current:
            chips.append({"label": _range_label(least, most), "href": href, "current": current, "count": count})
    for kind, label in KINDS.items():
        current = wish.kind == kind
        count = counts.facets["kind"].get(kind, 0)
        if count or current:
            chips.append(
                {
                    "label": gettext(label),
                    "href": address(kind=None if current else kind),
                    "current": current,
                    "count": count,
                }
            )
    return chips


def _range_label(least: int | None, most: int | None) -> str:
    if least is None:
        return translate(Message(N_("Up to %(most)s points"), {"most": most}))
    if most is None:
        return translate(Message(N_("From %(least)s points"), {"least": least}))
    return translate(Message(N_("%(least)s–%(most)s points"), {"least": least, "most": most}))


ROUTES = [show_items, show_drops]
