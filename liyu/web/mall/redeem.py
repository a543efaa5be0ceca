"""Redeeming: the sheet that says what it costs and which points go, the request to the desk, and what came of it."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.catalog.availability import MemberFacts, check_availability
from liyu.catalog.views import ItemView, Stock
from liyu.core.database import driver_connection
from liyu.core.errors import DomainError, IdempotencyConflictError, NotFoundError
from liyu.core.i18n import N_
from liyu.core.ids import make_token
from liyu.members.account import MemberAccount
from liyu.members.personal.addresses import MOST_ADDRESSES, find_address, list_addresses
from liyu.members.personal.locking import read_record
from liyu.redemption.addresses import Delivery, is_sent_to, snapshot_of
from liyu.redemption.errors import RefusedError
from liyu.redemption.save import hash_request
from liyu.redemption.state import RedeemRequest
from liyu.web.actor import Actor, actor_of
from liyu.web.formats import mask_phone
from liyu.web.forms import Form, IntegerField, TextField
from liyu.web.i18n import translate
from liyu.web.limits import count_hit
from liyu.web.mall.addresses import PATH as ADDRESS_BOOK
from liyu.web.mall.cards import cover_of, in_words, say_fully
from liyu.web.mall.item import find_item, list_facts
from liyu.web.mall.member import AnyRequest, draw_lots, load_shopper, member_id_of, now_of, takes_payments
from liyu.web.pages import Page, fragment, page, redirect
from liyu.web.visit import visit_of

MOST_OPEN_ADDRESSES = 3
"""Addresses that stand open; the others unfold."""
MOST_UNITS = 20
"""Units of one item in one order; limits of items are usually lower."""


class RedeemForm(Form):
    sku = TextField()
    quantity = IntegerField(N_("Quantity"), minimum=1, maximum=MOST_UNITS, required=False, default=1)
    address = IntegerField(N_("Address"), minimum=1, required=False)
    key = TextField(maximum=100)


class SheetForm(Form):
    quantity = IntegerField(N_("Quantity"), minimum=1, maximum=MOST_UNITS, required=False, default=1)
    address = IntegerField(N_("Address"), minimum=1, required=False)


@get("/items/{sku:str}/redeem")
async def show_sheet(request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str]) -> Page:
    """What redeeming would cost; a sheet for htmx, a page of its own otherwise."""
    form = SheetForm.parse(request.query_params.dict())
    quantity, address = (form.quantity, form.address) if form.is_valid else (1, None)
    services = visit_of(request).services
    item = find_item(services.catalog.snapshot, sku)
    if drop := services.drops.board.by_sku.get(item.sku):
        return redirect(request, f"/drops/{drop.number}")
    return await _show_sheet(request, session, item, quantity, address)


@post("/redemptions")
async def redeem(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Ask the desk. Granted leads to the order; refused shows the sheet again with every reason, and nothing has changed."""
    form = await RedeemForm.read(request)
    services = visit_of(request).services
    actor = actor_of(request)
    item = find_item(services.catalog.snapshot, str(form.raw["sku"]))
    if drop := services.drops.board.by_sku.get(item.sku):
        # What is dropped has a way of its own, with its queue and its questions.
        return redirect(request, f"/drops/{drop.number}")
    if not form.is_valid:
        return await _show_sheet(request, session, item, 1, status=422, faults=list(form.errors.values()))
    delivery = await find_delivery(request, session, item, form.address)
    if item.is_posted and delivery is None:
        faults = [translate(N_("Choose where it is to go."))]
        return await _show_sheet(request, session, item, form.quantity, status=422, faults=faults)
    await count_hit(services, "redeem", actor.reference)
    account, _ = await load_shopper(request, session, item)
    # The desk works in a transaction of its own; this one must not hold a snapshot meanwhile.
    await session.rollback()
    try:
        redeemed = await services.desk.redeem(
            RedeemRequest(
                scope=f"member:{member_id_of(actor)}",
                key=form.key,
                body_hash=hash_request(
                    account.external_id, item.sku, form.quantity, delivery.address if delivery else None
                ),
                member=account.external_id,
                sku=item.sku,
                quantity=form.quantity,
                channel="mall",
                actor=actor.reference,
                delivery=delivery,
            )
        )
    except (RefusedError, IdempotencyConflictError) as refusal:
        faults = say_reasons(refusal)
        return await _show_sheet(request, session, item, form.quantity, form.address, status=409, faults=faults)
    is_held = redeemed.state == "held"
    return redirect(request, f"/redemptions/{redeemed.number}" + ("/pay" if is_held else ""))


async def _show_sheet(
    request: AnyRequest,
    session: AsyncSession,
    item: ItemView,
    quantity: int,
    address_id: int | None = None,
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
        "credited_to": await _credited_to(session, actor_of(request), item),
        **await address_choice(request, session, item, quantity, address_id),
        "key": make_token(),
        "refused": bool(faults),
        "reasons": faults or say_fully(refusals),
        "lacks_points": not faults and [name for name, _ in refusals] == ["not_enough_points"],
    }
    if visit_of(request).is_fragment:
        return fragment(request, "mall/_redeem.html", status=status, **context)
    return page(request, "mall/redeem.html", status=status, tab="categories", **context)


async def _credited_to(session: AsyncSession, actor: Actor, item: ItemView) -> str | None:
    """The member's own number, to be recognised, for what is credited to it."""
    if item.kind != "top_up":
        return None
    return mask_phone((await read_record(await driver_connection(session), member_id_of(actor))).phone)


async def find_delivery(
    request: AnyRequest, session: AsyncSession, item: ItemView, address_id: int | None
) -> Delivery | None:
    """Where it is to go: one of the member's own addresses; None for what is not sent, and where none of them was chosen."""
    if not item.is_posted or address_id is None:
        return None
    try:
        address = await find_address(await driver_connection(session), member_id_of(actor_of(request)), address_id)
    except NotFoundError:
        return None
    return Delivery(snapshot_of(address), item.ships_not_to)


async def address_choice(
    request: AnyRequest, session: AsyncSession, item: ItemView, quantity: int, chosen: int | None
) -> dict[str, Any]:
    """The member's addresses for what goes by post: the chosen one first, else the first one that the item is sent to."""
    if not item.is_posted:
        return {"addresses": None}
    return await choose_among(
        request, session, item.ships_not_to, chosen, f"/items/{item.sku}/redeem?quantity={quantity}"
    )


async def choose_among(
    request: AnyRequest, session: AsyncSession, left_out: tuple[str, ...], chosen: int | None, back: str
) -> dict[str, Any]:
    """The member's addresses; `left_out` are provinces to which it is not sent, `back` is where a new address leads."""
    own = await list_addresses(await driver_connection(session), member_id_of(actor_of(request)))
    possible = [one.id for one in own if is_sent_to(one.province, left_out)]
    if chosen not in possible:
        chosen = possible[0] if possible else None
    return {
        "addresses": sorted(own, key=lambda one: (one.id != chosen, one.id not in possible)),
        "possible_addresses": possible,
        "chosen_address": chosen,
        "most_addresses": MOST_OPEN_ADDRESSES,
        "new_address_href": None if len(own) >= MOST_ADDRESSES else f"{ADDRESS_BOOK}/new?{urlencode({'next': back})}",
    }


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


def say_reasons(refusal: DomainError) -> list[str]:
    """Every reason of a refusal in its own sentence."""
    if not refusal.reasons:
        return [translate(refusal.text)]
    return [
        translate(type(reason.message)(reason.message.text, in_words(reason.details))) for reason in refusal.reasons
    ]


ROUTES = [show_sheet, redeem]
