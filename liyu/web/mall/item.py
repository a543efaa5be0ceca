"""One item: everything one wants to know before redeeming it, and whether this reader can."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from litestar import get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from liyu.catalog.availability import MemberFacts, Refusals, check_availability
from liyu.catalog.favourites import Glance, look_at_item
from liyu.catalog.snapshot import Snapshot
from liyu.catalog.views import ItemView, StoreView
from liyu.members.account import MemberAccount
from liyu.web.actor import actor_of
from liyu.web.i18n import current_locale, gettext, text_of
from liyu.web.item_terms import describe_cancelling, describe_worth, list_terms
from liyu.web.mall.cards import Shelf, cover_of, say_fully
from liyu.web.mall.home import scene_label
from liyu.web.mall.member import AnyRequest, load_shopper, member_id_of, now_of, takes_payments
from liyu.web.mall.page_cache import is_cacheable
from liyu.web.mall.ready import ready_of
from liyu.web.mall.words import KINDS
from liyu.web.pages import Page, page
from liyu.web.visit import visit_of

MOST_SIMILAR = 4
MOST_COMPARED = 3
"""Items that one tap compares: as many as a phone shows side by side."""
MOST_STORES = 5
"""Stores that stand open; the others unfold."""


@get("/items/{sku:str}")
async def show_item(request: AnyRequest, sku: FromPath[str]) -> Page:
    """The page of an item; a guest's comes from memory."""
    services = visit_of(request).services
    snapshot = services.catalog.snapshot
    item = find_item(snapshot, sku)
    if is_cacheable(visit_of(request)):
        return ready_of(request).pages.answer(request, snapshot, lambda: _render(request, snapshot, item, None, None))
    if visit_of(request).actor is None:
        return _render(request, snapshot, item, None, None)
    async with services.sessions() as session:
        account, facts = await load_shopper(request, session, item)
    member_id, now = member_id_of(actor_of(request)), now_of(request)
    glance = await services.reader.read(lambda connection: look_at_item(connection, member_id, item.id, now=now))
    return _render(request, snapshot, item, account, facts, glance)


def find_item(snapshot: Snapshot, sku: str) -> ItemView:
    """The live item with this number. Raises NotFoundException."""
    item = snapshot.by_sku.get(sku)
    if item is None:
        raise NotFoundException
    return item


def _render(
    request: AnyRequest,
    snapshot: Snapshot,
    item: ItemView,
    account: MemberAccount | None,
    facts: MemberFacts | None,
    glance: Glance | None = None,
) -> Page:
    now = now_of(request)
    stock = snapshot.stock_of(item)
    refusals = check_availability(item, stock, facts, now, payments_available=takes_payments(request))
    shelf = Shelf(request, snapshot, facts)
    similar = snapshot.similar(item, MOST_SIMILAR)
    price = item.price_for(facts.tier_rank if facts else None)
    rules = item.rules_en if current_locale() == "en" and item.rules_en else item.rules_zh
    return page(
        request,
        "mall/item.html",
        tab="categories",
        item=item,
        stock=stock,
        account=account,
        cover=cover_of(item),
        kind_label=gettext(KINDS[item.kind]),
        scene_label=scene_label(item.scene),
        scene_href=f"/items?scene={item.scene}",
        is_coming=item.is_coming(now),
        is_ended=item.is_ended(now),
        refusals=say_fully(refusals),
        blocking=[name for name, _ in refusals],
        price=price,
        worth=describe_worth(item, facts.tier_rank if facts else None, currency_of(request)),
        variants=list_variants(snapshot, item),
        remaining=account.balance - price if account and not refusals else None,
        missing=_missing_points(refusals),
        facts=list_facts(request, item),
        rules=rules,
        cities=group_stores(item.stores),
        store_count=len(item.stores),
        most_stores=MOST_STORES,
        similar=shelf.cards(similar),
        compare_href=_compare_href(item, similar),
        seen=shelf.cards(find_items(snapshot, glance.seen)[:MOST_SIMILAR] if glance else ()),
        is_favourite=glance.is_favourite if glance else None,
        redeem_href=f"/items/{item.sku}/redeem",
        drop=visit_of(request).services.drops.board.by_sku.get(item.sku),
    )


def find_items(snapshot: Snapshot, item_ids: Iterable[int]) -> list[ItemView]:
    """Those of these items that the mall shows, in their order."""
    found = (snapshot.by_id.get(item_id) for item_id in item_ids)
    return [item for item in found if item is not None and item.sku in snapshot.by_sku]


def _compare_href(item: ItemView, similar: list[ItemView]) -> str | None:
    if not similar:
        return None
    return f"/compare?{urlencode([('sku', one.sku) for one in [item, *similar[: MOST_COMPARED - 1]]])}"


def list_facts(request: AnyRequest, item: ItemView) -> list[tuple[str, str]]:
    """The item's terms under the program's stated rules."""
    services = visit_of(request).services
    program = services.program.current(services.sessions)
    return list_terms(item, program.lapsed_grace_days, program.currency, program.return_days)


def currency_of(request: AnyRequest) -> str:
    """The program's currency."""
    services = visit_of(request).services
    return services.program.current(services.sessions).currency


def cancel_rule(request: AnyRequest, kind: str, cancel_hours: int | None) -> str:
    """What becomes of the points when a redemption of this kind is cancelled."""
    services = visit_of(request).services
    return describe_cancelling(kind, services.program.current(services.sessions).lapsed_grace_days, cancel_hours)


def list_variants(snapshot: Snapshot, item: ItemView) -> list[dict[str, Any]]:
    """The choices of colour, size and the like, the one in hand marked; none for an item without variants."""
    return [
        {
            "label": text_of(one, "variant") if one.variant_zh else text_of(one, "name"),
            "href": f"/items/{one.sku}",
            "current": one.id == item.id,
            "gone": snapshot.stock_of(one).is_gone,
        }
        for one in snapshot.variants_of(item)
    ]


def group_stores(stores: tuple[StoreView, ...] | list[Any], *, own_city: str | None = None) -> list[dict[str, Any]]:
    """Stores by city: the member's own first, then the city with the most stores."""
    cities: dict[str, list[Any]] = {}
    for store in stores:
        cities.setdefault(text_of(store, "city"), []).append(store)
    own = (own_city or "").removesuffix("市")
    is_own = {name: bool(own) and own in (found[0].city_zh, found[0].city_en) for name, found in cities.items()}
    order = sorted(cities.items(), key=lambda city: (not is_own[city[0]], -len(city[1])))
    return [{"name": name, "stores": found} for name, found in order]


def _missing_points(refusals: Refusals) -> int | None:
    """How many points are short, when nothing else is in the way."""
    if len(refusals) == 1 and refusals[0][0] == "not_enough_points":
        missing = refusals[0][1]["missing"]
        return missing if isinstance(missing, int) else None
    return None


ROUTES = [show_item]
