"""Items side by side: price, what a point is worth in them, and their terms, line by line."""

from typing import Any

from litestar import get

from liyu.catalog.availability import check_availability
from liyu.catalog.prices import worth_of_hundred
from liyu.catalog.views import ItemView
from liyu.core.i18n import N_
from liyu.members.account import MemberAccount
from liyu.web.formats import format_money
from liyu.web.i18n import gettext, text_of
from liyu.web.mall.cards import cover_of, say_shortly
from liyu.web.mall.item import list_facts
from liyu.web.mall.member import AnyRequest, facts_of, now_of, own_account, takes_payments
from liyu.web.pages import Page, page
from liyu.web.visit import visit_of

MOST_COMPARED = 4
_NOTHING = "—"


@get("/compare")
async def compare(request: AnyRequest) -> Page:
    """The items that the address names by `sku`; unknown ones are left out."""
    services = visit_of(request).services
    wanted = dict.fromkeys(request.query_params.getall("sku", []))
    found = [item for sku in wanted if (item := services.catalog.snapshot.by_sku.get(sku)) is not None][:MOST_COMPARED]
    account = own_account(request)
    return page(
        request,
        "mall/compare.html",
        tab="categories",
        items=[
            {"name": text_of(item, "name"), "href": f"/items/{item.sku}", "cover": cover_of(item)} for item in found
        ],
        rows=_list_rows(request, found, account),
        is_member=account is not None,
    )


def _list_rows(request: AnyRequest, items: list[ItemView], account: MemberAccount | None) -> list[dict[str, Any]]:
    """A row for each thing that can be said of one of the items; `best` marks the cells that nobody beats."""
    rank = account.tier_rank if account else None
    worths = [worth_of_hundred(item.kind, item.price_for(rank), item.cash_minor, item.value_minor) for item in items]
    highest = max((worth for worth in worths if worth is not None), default=None)
    services = visit_of(request).services
    currency = services.program.current(services.sessions).currency
    values = [format_money(item.value_minor, currency) if item.value_minor else _NOTHING for item in items]
    rows: list[dict[str, Any]] = [
        {"label": gettext(N_("Worth")), "cells": values},
        {
            "label": gettext(N_("Worth of 100 points")),
            "cells": [format_money(worth, currency) if worth is not None else _NOTHING for worth in worths],
            "best": [worth is not None and worth == highest and len(items) > 1 for worth in worths],
        },
    ]
    if account is not None:
        rows.append(
            {"label": gettext(N_("Can you have it?")), "cells": [_standing(request, item, account) for item in items]}
        )
    terms = [dict(list_facts(request, item)) for item in items]
    labels = dict.fromkeys(label for one in terms for label in one)
    rows += [{"label": label, "cells": [one.get(label, _NOTHING) for one in terms]} for label in labels]
    rows.append({"label": gettext(N_("Good at")), "cells": [_place(item) for item in items]})
    prices = [{"points": item.price_for(rank), "cash_minor": item.cash_minor} for item in items]
    return [{"label": gettext(N_("Price")), "prices": prices, "cells": []}, *rows]


def _standing(request: AnyRequest, item: ItemView, account: MemberAccount) -> str:
    now = now_of(request)
    stock = visit_of(request).services.catalog.snapshot.stock_of(item)
    refusals = check_availability(item, stock, facts_of(account), now, payments_available=takes_payments(request))
    return say_shortly(refusals, now) if refusals else gettext(N_("You can have it"))


def _place(item: ItemView) -> str:
    cities = dict.fromkeys(text_of(store, "city") for store in item.stores)
    parts = ([text_of(item.partner, "name")] if item.partner else []) + list(cities)
    return " · ".join(parts) or _NOTHING


ROUTES: list[Any] = [compare]
