"""The home page: what matters to this person now, and what there is."""

from collections.abc import Iterator
from heapq import nlargest
from itertools import islice
from typing import Any

from litestar import get

from liyu.catalog.availability import MemberFacts, check_availability
from liyu.catalog.snapshot import RECOMMENDED, Snapshot
from liyu.catalog.views import ItemView
from liyu.members.account import MemberAccount
from liyu.web.i18n import gettext
from liyu.web.mall.cards import Shelf
from liyu.web.mall.live import live_skus
from liyu.web.mall.member import AnyRequest, facts_of, lapsing_next, load_own_account, now_of, today_of
from liyu.web.mall.page_cache import is_cacheable
from liyu.web.mall.ready import ready_of
from liyu.web.mall.words import OTHER_SCENE, SCENES
from liyu.web.pages import Page, page
from liyu.web.visit import visit_of

MOST_DROPS = 6
MOST_FITTING = 8
LOOKED_THROUGH = 400
"""Items that are looked through for those a member can have; a page must not cost more with a larger catalog."""
SCENE_SECTIONS = 4
ITEMS_OF_A_SCENE = 4


@get("/")
async def show_home(request: AnyRequest) -> Page:
    """The home page of a guest comes from memory; a member's costs one query beside the session's."""
    snapshot = visit_of(request).services.catalog.snapshot
    if is_cacheable(visit_of(request)):
        return ready_of(request).pages.answer(request, snapshot, lambda: _render(request, snapshot, None))
    return _render(request, snapshot, await load_own_account(request))


def _render(request: AnyRequest, snapshot: Snapshot, account: MemberAccount | None) -> Page:
    now = now_of(request)
    member = facts_of(account) if account else None
    shelf = Shelf(request.app.state.environment, ready_of(request).cards, snapshot, now, member)
    drops = [*snapshot.live_drops(now), *snapshot.coming_drops(now)][:MOST_DROPS]
    fitting, fits = choose_fitting(snapshot, member, now)
    shown = {item.id for item in fitting}
    return page(
        request,
        "mall/home.html",
        tab="home",
        account=account,
        lapsing=lapsing_next(account, today_of(request)) if account else None,
        scenes=scene_links(snapshot),
        drops=shelf.drops(drops),
        live=live_skus(drops, snapshot),
        fitting=shelf.cards(fitting),
        fits=fits,
        sections=[
            {"label": label, "href": f"/items?scene={scene}", "cards": shelf.cards(items)}
            for scene, label, items in _choose_scenes(snapshot, shown)
        ],
    )


def choose_fitting(snapshot: Snapshot, member: MemberFacts | None, now: Any) -> tuple[list[ItemView], bool]:
    """What a member can have at once; for guests what was taken most; and whether the member can have it."""
    looked_at = snapshot.items[:LOOKED_THROUGH]
    if member is None:
        open_items = [item for item in looked_at if not check_availability(item, snapshot.stock_of(item), None, now)]
        return nlargest(MOST_FITTING, open_items, key=lambda item: snapshot.stock_of(item).taken), False
    fitting = (
        item
        for item in looked_at
        if item.points <= member.usable and not check_availability(item, snapshot.stock_of(item), member, now)
    )
    found = list(islice(fitting, MOST_FITTING))
    if found:
        return found, True
    cheapest = (item for item in snapshot.lists.ordered("points_up") if not snapshot.stock_of(item).is_gone)
    return list(islice(cheapest, MOST_FITTING)), False


def scene_links(snapshot: Snapshot) -> list[dict[str, str]]:
    """The scenes that have items, in the order of the house."""
    counts = snapshot.lists.count("scene")
    return [
        {"label": gettext(label), "icon": icon, "href": f"/items?scene={scene}"}
        for scene, (label, icon) in SCENES.items()
        if counts.get(scene)
    ]


def scene_label(scene: str) -> str:
    """The name of a scene in the language that is spoken."""
    return gettext(SCENES.get(scene, OTHER_SCENE)[0])


def _choose_scenes(snapshot: Snapshot, shown: set[int]) -> Iterator[tuple[str, str, list[ItemView]]]:
    counts = snapshot.lists.count("scene")
    for scene in sorted((scene for scene in SCENES if counts.get(scene)), key=lambda scene: -counts[scene])[:SCENE_SECTIONS]:
        shelf = snapshot.lists.filtered("scene", scene, RECOMMENDED)
        items = list(islice((item for item in shelf if item.id not in shown), ITEMS_OF_A_SCENE))
        if items:
            yield scene, scene_label(scene), items
