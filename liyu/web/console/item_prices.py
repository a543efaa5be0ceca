"""The prices of an item: planning one from an instant on, taking it back, and how the price has moved so far."""

from itertools import pairwise
from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.catalog.planned_prices import PriceDraft, list_planned_prices, plan_price, withdraw_price
from liyu.catalog.queries import load_item
from liyu.catalog.versions import Difference, differences, list_versions
from liyu.core.database import driver_connection
from liyu.core.i18n import N_
from liyu.members.account import list_tiers
from liyu.web.actor import actor_of, require_permission
from liyu.web.acts import carry_out, try_act
from liyu.web.audit import record_act
from liyu.web.console import item_words
from liyu.web.console.common import (
    LONGEST_REASON,
    AnyRequest,
    Connection,
    name_people,
    now_of,
    segment,
    show,
)
from liyu.web.console.item_fields import PRICE, local_text, tier_price_fields, tier_prices_of
from liyu.web.formats import current_zone
from liyu.web.forms import Form, InstantField, IntegerField, MoneyField, TextField
from liyu.web.i18n import text_of
from liyu.web.item_forms import LARGEST_PRICE, amount_text
from liyu.web.pages import Page, leave_notice, redirect

EDIT = require_permission("items.edit")
PRICED_BY = frozenset({"points", "cash_minor", "tier_points"})
"""Columns of an item that are its price."""


class PriceForm(Form):
    points = IntegerField(N_("Points"), maximum=LARGEST_PRICE)
    cash_minor = MoneyField(N_("and cash"), required=False, default=0)
    begins_at = InstantField(N_("Holds from"))
    reason = TextField(N_("Reason"), maximum=LONGEST_REASON)


class WithdrawForm(Form):
    price = IntegerField(minimum=1, maximum=2**62)


@get("/items/{sku:str}/prices", guards=[require_permission("items.read")])
async def show_prices(request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str]) -> Page:
    """The prices that are planned, and those so far."""
    connection = await driver_connection(session)
    item = (await load_item(connection, sku)).item
    form = (await _form_class(connection)).blank(
        points=item.points,
        cash_minor=amount_text(item.cash_minor),
        **{f"{PRICE}{price['code']}": price["points"] for price in item.tier_prices},
    )
    return await _show(request, connection, sku, form)


@post("/items/{sku:str}/prices", guards=[EDIT])
async def plan(request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str]) -> Page:
    """Plan a price. The worker publishes it in the minute of its instant."""
    connection = await driver_connection(session)
    form = await (await _form_class(connection)).read(request)
    actor, now = actor_of(request).reference, now_of(request)
    if form.is_valid:
        draft = PriceDraft(
            points=form.points,
            cash_minor=form.cash_minor or 0,
            tier_prices=tier_prices_of(form),
            begins_at=form.begins_at or now,
            reason=form.reason,
        )
        await carry_out(connection, form, plan_price(connection, sku, draft, actor=actor, now=now, zone=current_zone()))
    if not form.is_valid:
        return await _show(request, connection, sku, form, status=422)
    facts = {name: form.values[name] for name in ("points", "cash_minor", "reason")}
    begins = local_text(form.begins_at)
    await record_act(request, session, "item.price.plan", f"item:{sku}", after=facts | {"begins_at": begins})
    leave_notice(request, N_("The price is planned."))
    return redirect(request, f"/console/items/{segment(sku)}/prices")


@post("/items/{sku:str}/prices/withdraw", guards=[EDIT])
async def withdraw(request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str]) -> Page:
    """Take a planned price back before its hour."""
    form = await WithdrawForm.read(request)
    connection = await driver_connection(session)
    item = (await load_item(connection, sku)).item
    if form.is_valid:
        refusal = await try_act(connection, withdraw_price(connection, item.id, form.price, now=now_of(request)))
        if refusal:
            leave_notice(request, refusal.text, "error")
        else:
            await record_act(request, session, "item.price.withdraw", f"item:{sku}", after={"price": form.price})
            leave_notice(request, N_("The planned price is withdrawn."))
    return redirect(request, f"/console/items/{segment(sku)}/prices")


async def _form_class(connection: Connection) -> type[PriceForm]:
    return type("PriceForm", (PriceForm,), tier_price_fields(await list_tiers(connection)))


async def _show(request: AnyRequest, connection: Connection, sku: str, form: PriceForm, status: int = 200) -> Page:
    item = (await load_item(connection, sku)).item
    planned = await list_planned_prices(connection, item.id)
    versions = await list_versions(connection, item.id)
    names = await name_people(connection, [*(one.planned_by for one in planned), *(one.actor for one in versions)])
    lookup = await item_words.load_lookup(connection)
    tiers = await list_tiers(connection)
    history: list[dict[str, Any]] = [
        {
            "at": version.at,
            "by": names.of(version.actor),
            "reason": item_words.version_reason(version.reason),
            "rows": [item_words.say(change, lookup) for change in changes],
        }
        for version, before in pairwise(versions)
        if (changes := _price_changes(differences(before.facts, version.facts)))
    ]
    return show(
        request,
        "item_prices",
        status=status,
        item=item,
        form=form,
        planned=planned,
        history=history,
        names=names,
        tier_names={tier.code: text_of(tier, "name") for tier in tiers},
        prices=[
            (f"{PRICE}{tier.code}", text_of(tier, "name"), form.raw.get(f"{PRICE}{tier.code}", ""))
            for tier in tiers[1:]
        ],
        item_words=item_words,
        can_plan=item.state != "ended",
    )


def _price_changes(changes: list[Difference]) -> list[Difference]:
    return [change for change in changes if change.field in PRICED_BY]


ROUTES = [show_prices, plan, withdraw]
