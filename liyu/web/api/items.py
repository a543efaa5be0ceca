"""The published catalog, searched as the mall searches it, from the snapshot in memory."""

from typing import Any

from litestar import Request, get
from litestar.params import FromPath

from liyu.catalog.errors import ItemNotFoundError
from liyu.catalog.search import Wish, list_items
from liyu.catalog.snapshot import Snapshot
from liyu.catalog.stock import read_stock
from liyu.catalog.views import ItemView, Stock
from liyu.core.database import driver_connection
from liyu.core.errors import InvalidInputError
from liyu.core.i18n import N_, Message
from liyu.web.api.auth import caller_of
from liyu.web.api.bodies import read_query
from liyu.web.api.calls import Call, route
from liyu.web.api.problems import json_answer
from liyu.web.api.schemas import ItemAnswer, ItemsAnswer, ItemsQuery, LanguageQuery, StoreAnswer
from liyu.web.i18n import ENGLISH, negotiate_locale
from liyu.web.pages import Page
from liyu.web.services import services_of
from liyu.web.visit import visit_of

ApiRequest = Request[Any, Any, Any]

NOBODY = ""
"""Stands for a partner without an item: no code is empty."""

_TAG = "Items"
_EXAMPLE = {
    "sku": "COF-LATTE",
    "kind": "partner_right",
    "name": "生椰拿铁兑换券",
    "points": 1980,
    "cash_minor": 0,
    "stock": 120,
    "partner": "luckin",
    "stores": [{"code": "luckin-sh-01", "name": "上海人民广场店"}],
    "name_zh": "生椰拿铁兑换券",
    "name_en": "Coconut latte",
    "summary": "门店任选，当日可用",
    "scene": "coffee",
    "tier": None,
    "per_member_limit": 2,
    "on_sale_from": None,
    "on_sale_to": None,
}


@get(
    "/items",
    **route(
        Call(
            tag=_TAG,
            scope="items:read",
            summary="Search the published catalog",
            description=(
                "Chinese words, pinyin, initials (`xbk`) and English, typing errors forgiven. Without `q`, all items as "
                "recommended. A partner's key sees its own items."
            ),
            query=ItemsQuery,
            answers={200: ItemsAnswer},
            problems={422: ["invalid_input"]},
            example={"items": [_EXAMPLE], "next": None},
        ),
        for_partners=True,
    ),
)
async def get_items(request: ApiRequest) -> Page:
    """One page of items."""
    query = read_query(request, ItemsQuery)
    locale = _locale_of(request, query)
    services = services_of(request.app)
    snapshot = services.catalog.snapshot
    partner = query.partner
    own_id = caller_of(request).partner_id
    if own_id is not None:
        own = _code_of_partner(snapshot, own_id)
        partner = own if partner in (None, own) else NOBODY
    wish = Wish(text=query.q, kind=query.kind, scene=query.scene, partner=partner)
    found = list_items(snapshot, wish, services.clock.now(), cursor=query.cursor, size=query.limit)
    items = [_item_answer(item, snapshot.stock_of(item), locale) for item in found.items]
    return json_answer(ItemsAnswer(items, found.next))


@get(
    "/items/{sku:str}",
    **route(
        Call(
            tag=_TAG,
            scope="items:read",
            summary="Read an item",
            description="A published item with its stock and the stores that take its vouchers.",
            path={"sku": "The item's number."},
            query=LanguageQuery,
            answers={200: ItemAnswer},
            problems={404: ["unknown_item"], 422: ["invalid_input"]},
            example=_EXAMPLE,
        ),
        for_partners=True,
    ),
)
async def get_item(request: ApiRequest, sku: FromPath[str]) -> Page:
    """One item."""
    locale = _locale_of(request, read_query(request, LanguageQuery))
    services = services_of(request.app)
    snapshot = services.catalog.snapshot
    item, own_id = snapshot.by_sku.get(sku), caller_of(request).partner_id
    if item is None or (own_id is not None and (item.partner is None or item.partner.id != own_id)):
        raise ItemNotFoundError
    # Whoever has just redeemed one wants to see one less: the snapshot may be a quarter of a second behind.
    async with services.sessions() as session:
        stock = await read_stock(await driver_connection(session), item.id)
    return json_answer(_item_answer(item, stock, locale))


CALLS = [get_items, get_item]


def _locale_of(request: ApiRequest, query: LanguageQuery) -> str:
    """`lang`, else Accept-Language, else the installation's language. Raises InvalidInputError for a `lang` not spoken here."""
    if query.lang:
        locale = negotiate_locale(query.lang)
        if locale is None:
            raise InvalidInputError.of_fields(
                {"lang": Message(N_("Must be one of %(known)s."), {"known": "zh-CN, en"})}
            )
        return locale
    visit = visit_of(request)
    return negotiate_locale(visit.header(b"accept-language")) or visit.services.settings.locale


def _code_of_partner(snapshot: Snapshot, partner_id: int) -> str:
    items = snapshot.by_id.values()
    return next((item.partner.code for item in items if item.partner and item.partner.id == partner_id), NOBODY)


def _item_answer(item: ItemView, stock: Stock, locale: str) -> ItemAnswer:
    def text_of(chinese: str, english: str) -> str:
        return (locale == ENGLISH and english) or chinese

    return ItemAnswer(
        sku=item.sku,
        kind=item.kind,
        name=text_of(item.name_zh, item.name_en),
        points=item.points,
        cash_minor=item.cash_minor,
        stock=stock.left,
        partner=item.partner.code if item.partner else None,
        stores=[StoreAnswer(store.code, text_of(store.name_zh, store.name_en)) for store in item.stores],
        name_zh=item.name_zh,
        name_en=item.name_en,
        summary=text_of(item.summary_zh, item.summary_en),
        scene=item.scene,
        tier=item.tier.code if item.tier else None,
        per_member_limit=item.per_member_limit,
        on_sale_from=item.on_sale_from,
        on_sale_to=item.on_sale_to,
    )
