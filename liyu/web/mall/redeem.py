"""Redeeming: the sheet that says what it costs and which points go, the request to the desk, and what came of it."""

from collections.abc import Mapping
from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.catalog.availability import MemberFacts, check_availability
from liyu.catalog.views import ItemView, Stock
from liyu.core.errors import DomainError, IdempotencyConflictError
from liyu.core.i18n import N_
from liyu.core.ids import make_token
from liyu.members.account import MemberAccount
from liyu.redemption.errors import RefusedError
from liyu.redemption.save import hash_request
from liyu.redemption.state import RedeemRequest
from liyu.web.actor import actor_of
from liyu.web.forms import Form, IntegerField, TextField
from liyu.web.i18n import translate
from liyu.web.limits import count_hit
from liyu.web.mall.cards import cover_of, in_words, say_fully
from liyu.web.mall.item import find_item, list_facts
from liyu.web.mall.member import AnyRequest, draw_lots, load_shopper, member_id_of, now_of, takes_payments
from liyu.web.pages import Page, fragment, page, redirect
from liyu.web.visit import visit_of

MOST_UNITS = 20
"""Units of one item in one order; limits of items are usually lower."""


class RedeemForm(Form):
    sku = TextField()
    quantity = IntegerField(N_("Quantity"), minimum=1, maximum=MOST_UNITS, required=False, default=1)
    key = TextField(maximum=100)


class QuantityForm(Form):
    quantity = IntegerField(N_("Quantity"), minimum=1, maximum=MOST_UNITS, required=False, default=1)


@get("/items/{sku:str}/redeem")
async def show_sheet(request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str]) -> Page:
    """What redeeming would cost; a sheet for htmx, a page of its own otherwise."""
    form = QuantityForm.parse(request.query_params.dict())
    quantity = form.quantity if form.is_valid else 1
    item = find_item(visit_of(request).services.catalog.snapshot, sku)
    return await _show_sheet(request, session, item, quantity)


@post("/redemptions")
async def redeem(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Ask the desk. Granted leads to the order; refused shows the sheet again with every reason, and nothing has changed."""
    form = await RedeemForm.read(request)
    services = visit_of(request).services
    actor = actor_of(request)
    item = find_item(services.catalog.snapshot, str(form.raw["sku"]))
    if not form.is_valid:
        return await _show_sheet(request, session, item, 1, status=422, faults=list(form.errors.values()))
    await count_hit(services, "redeem", actor.reference)
    account, _ = await load_shopper(request, session, item)
    # The desk works in a transaction of its own; this one must not hold a snapshot meanwhile.
    await session.rollback()
    try:
        redeemed = await services.desk.redeem(
            RedeemRequest(
                scope=f"member:{member_id_of(actor)}",
                key=form.key,
                body_hash=hash_request(account.external_id, item.sku, form.quantity),
                member=account.external_id,
                sku=item.sku,
                quantity=form.quantity,
                channel="mall",
                actor=actor.reference,
            )
        )
    except (RefusedError, IdempotencyConflictError) as refusal:
        return await _show_sheet(request, session, item, form.quantity, status=409, faults=_reasons_of(refusal))
    is_held = redeemed.state == "held"
    return redirect(request, f"/redemptions/{redeemed.number}" + ("/pay" if is_held else ""))


async def _show_sheet(
    request: AnyRequest,
    session: AsyncSession,
    item: ItemView,
    quantity: int,
    *,
    status: int = 200,
    faults: list[str] | None = None,
) -> Page:
    snapshot = visit_of(request).services.catalog.snapshot
    stock = snapshot.stock_of(item)
    account, facts = await load_shopper(request, session, item)
    refusals = check_availability(
        item, stock, facts, now_of(request), quantity=quantity, payments_available=takes_payments(request)
    )
    price = item.price_for(facts.tier_rank)
    context: dict[str, Any] = {
        "item": item,
        "cover": cover_of(item),
        "quantity": quantity,
        "most": _most_units(item, stock, account, facts),
        "total": price * quantity,
        "total_cash_minor": item.cash_minor * quantity,
        "balance": account.balance,
        "remaining": account.balance - price * quantity,
        "lots": draw_lots(account, price * quantity),
        "terms": list_facts(request, item),
        "key": make_token(),
        "refused": bool(faults),
        "reasons": faults or say_fully(refusals),
    }
    if visit_of(request).is_fragment:
        return fragment(request, "mall/_redeem.html", status=status, **context)
    return page(request, "mall/redeem.html", status=status, tab="categories", **context)


def _most_units(item: ItemView, stock: Stock, account: MemberAccount, facts: MemberFacts) -> int:
    """How many units it makes sense to ask for; at least one, so that a refusal can say why even that is not possible."""
    price = item.price_for(facts.tier_rank)
    bounds = (
        MOST_UNITS,
        item.per_order_limit,
        item.per_day_limit,
        _rest(item.per_member_limit, facts.used, item),
        _rest(item.per_person_limit, facts.used_by_person, item),
        stock.left,
        account.balance // price if price else None,
    )
    return max(min(bound for bound in bounds if bound is not None), 1)


def _rest(limit: int | None, used: Mapping[int, int], item: ItemView) -> int | None:
    return None if limit is None else limit - used.get(item.limits_id, 0)


def _reasons_of(refusal: DomainError) -> list[str]:
    if not refusal.reasons:
        return [translate(refusal.text)]
    return [
        translate(type(reason.message)(reason.message.text, in_words(reason.details))) for reason in refusal.reasons
    ]


ROUTES = [show_sheet, redeem]
