"""The published catalog, searched as the mall searches it, from the snapshot in memory."""

from typing import Any

from litestar import Request, get
from litestar.params import FromPath

from liyu.catalog.errors import ItemNotFoundError
from liyu.catalog.search import Wish, count_items, list_items, look_for
from liyu.catalog.snapshot import Snapshot
from liyu.catalog.stock import read_stock
from liyu.core.access.errors import ScopeMissingError
from liyu.core.clock import local_date
from liyu.core.database import driver_connection
from liyu.core.errors import InvalidInputError
from liyu.core.i18n import N_, Message
from liyu.members.account import MemberAccount, load_account
from liyu.members.queries import find_member_id
from liyu.web.api.auth import PartnerKeyError, caller_of
from liyu.web.api.bodies import read_query
from liyu.web.api.calls import Call, route
from liyu.web.api.item_answers import answer_of_item
from liyu.web.api.item_schemas import ItemAnswer, ItemQuery, ItemsAnswer, ItemsQuery, LanguageQuery
from liyu.web.api.problems import json_answer
from liyu.web.i18n import negotiate_locale
from liyu.web.pages import Page
from liyu.web.services import services_of
from liyu.web.visit import visit_of

ApiRequest = Request[Any, Any, Any]

NOBODY = ""
"""Stands for a partner without an item: no code is empty."""

_MEMBERS = "members:read"
_TAG = "Items"
_EXAMPLE = {
    "sku": "COF-LATTE",
    "kind": "partner_right",
    "name": "生椰拿铁兑换券",
    "points": 1980,
    "cash_minor": 0,
    "stock": 120,
    "partner": "luckin",
    "stores": [{"code": "luckin-sh-01", "name": "上海人民广场店", "city": "上海"}],
    "name_zh": "生椰拿铁兑换券",
    "name_en": "Coconut latte",
    "summary": "门店任选，当日可用",
    "scene": "coffee",
    "tier": None,
    "per_member_limit": 2,
    "on_sale_from": None,
    "on_sale_to": None,
    "description": "菜单上的标准杯饮品全部可换。",
    "rules": ["到店向店员出示券码，当面核销"],
    "value_minor": 2900,
    "worth_per_point": "1.5",
    "is_drop": False,
    "tier_prices": [{"tier": "gold", "points": 1680}],
    "member_points": None,
    "tags": [],
    "cities": [],
    "visible_from": None,
    "visible_to": None,
    "per_order_limit": None,
    "per_day_limit": None,
    "per_person_limit": None,
    "coupon": None,
    "voucher_days": 90,
    "uses": 1,
    "ships_days": None,
    "ships_not_to": [],
    "cancel_hours": None,
    "return_days": None,
    "variant_of": None,
    "variants": [],
    "pictures": [],
}


@get(
    "/items",
    **route(
        Call(
            tag=_TAG,
            scope="items:read",
            summary="Search the published catalog",
            description=(
                "Chinese words, pinyin, initials (`xbk`) and English, typing errors forgiven: `correction` and `is_near` tell "
                "when these are not quite what was asked for. Without `q`, all items as recommended. Variants stand with "
                "the item that leads them. A partner's key sees its own items and asks for no member."
            ),
            query=ItemsQuery,
            answers={200: ItemsAnswer},
            problems={404: ["unknown_member"], 422: ["invalid_input"]},
            example={"items": [_EXAMPLE], "next": None, "total": 1, "correction": None, "is_near": False},
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
    account = await _find_account(request, query)
    if query.affordable and account is None:
        raise InvalidInputError.of_fields({"affordable": Message(N_("Say which member is meant."))})
    now = services.clock.now()
    wish = Wish(
        text=query.q,
        kind=query.kind,
        scene=query.scene,
        partner=partner,
        tier=query.tier,
        city=query.city,
        points_from=query.points_from,
        points_to=query.points_to,
        balance=account.balance if account else None,
        rank=account.tier_rank if account else None,
        affordable=query.affordable,
        sort=query.sort,
    )
    found = list_items(snapshot, wish, now, cursor=query.cursor, size=query.limit)
    match = look_for(snapshot, query.q)
    return json_answer(
        ItemsAnswer(
            [answer_of_item(snapshot, item, snapshot.stock_of(item), locale, account) for item in found.items],
            found.next,
            count_items(snapshot, wish, now).total,
            match.correction,
            match.is_near and bool(found.items),
        )
    )


@get(
    "/items/{sku:str}",
    **route(
        Call(
            tag=_TAG,
            scope="items:read",
            summary="Read an item",
            description="A published item with its stock and the stores that take its vouchers.",
            path={"sku": "The item's number."},
            query=ItemQuery,
            answers={200: ItemAnswer},
            problems={404: ["unknown_item", "unknown_member"], 422: ["invalid_input"]},
            example=_EXAMPLE,
        ),
        for_partners=True,
    ),
)
async def get_item(request: ApiRequest, sku: FromPath[str]) -> Page:
    """One item."""
    query = read_query(request, ItemQuery)
    locale = _locale_of(request, query)
    services = services_of(request.app)
    snapshot = services.catalog.snapshot
    item, own_id = snapshot.by_sku.get(sku), caller_of(request).partner_id
    if item is None or (own_id is not None and (item.partner is None or item.partner.id != own_id)):
        raise ItemNotFoundError
    account = await _find_account(request, query)
    # Whoever has just redeemed one wants to see one less: the snapshot may be a quarter of a second behind.
    async with services.sessions() as session:
        stock = await read_stock(await driver_connection(session), item.id)
    return json_answer(answer_of_item(snapshot, item, stock, locale, account))


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


async def _find_account(request: ApiRequest, query: ItemQuery) -> MemberAccount | None:
    """The member for whom prices are said; None when nobody is named.

    What somebody can pay says what they have, so it takes a key that may read members. Raises PartnerKeyError, ScopeMissingError
    or UnknownMemberError.
    """
    if query.member is None:
        return None
    caller, services = caller_of(request), services_of(request.app)
    if caller.partner_id is not None:
        raise PartnerKeyError
    if not caller.may(_MEMBERS):
        raise ScopeMissingError(scope=_MEMBERS)
    today = local_date(services.clock.now(), services.settings.timezone)
    async with services.sessions() as session:
        connection = await driver_connection(session)
        return await load_account(connection, await find_member_id(connection, query.member), today)


def _code_of_partner(snapshot: Snapshot, partner_id: int) -> str:
    items = snapshot.by_id.values()
    return next((item.partner.code for item in items if item.partner and item.partner.id == partner_id), NOBODY)
