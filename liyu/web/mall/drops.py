"""A drop 限量抢兑: its announced rule, one tap when it opens, the line when many come at once, the waiting list, and why."""

import asyncio
import random
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.catalog.availability import check_availability
from liyu.catalog.views import ItemView
from liyu.core.database import driver_connection
from liyu.core.errors import DomainError, IdempotencyConflictError, NotFoundError
from liyu.core.i18n import N_
from liyu.core.ids import make_token
from liyu.core.limits import LimitExceededError
from liyu.core.sealing import derive_key
from liyu.redemption.desk import Redeemed
from liyu.redemption.drops.attention import ask, is_answered
from liyu.redemption.drops.board import AnnouncedDrop
from liyu.redemption.drops.errors import DropStateError, UnknownDropError
from liyu.redemption.drops.line import LinePlace, find_answer, find_place
from liyu.redemption.drops.queries import OwnDrop, find_drop, read_own
from liyu.redemption.drops.tally import GRANTED
from liyu.redemption.drops.waiting import join_list, leave_list
from liyu.redemption.errors import RefusedError
from liyu.redemption.save import hash_request
from liyu.redemption.state import RedeemRequest
from liyu.web.actor import actor_of
from liyu.web.forms import Form, IntegerField, TextField
from liyu.web.i18n import gettext, translate
from liyu.web.limits import count_hit
from liyu.web.mall.cards import cover_of, say_fully
from liyu.web.mall.drop_words import announce_rule, list_waves, tell_log
from liyu.web.mall.item import find_item
from liyu.web.mall.member import AnyRequest, load_shopper, member_id_of, now_of, takes_payments
from liyu.web.mall.page_cache import is_cacheable
from liyu.web.mall.ready import ready_of
from liyu.web.mall.redeem import address_choice, find_delivery, say_reasons
from liyu.web.pages import Page, leave_notice, page, redirect
from liyu.web.services import Services
from liyu.web.visit import visit_of

PATIENCE_SECONDS = 1.5
"""Who is not served within this time sees their place in the line instead of a page that hangs."""
LOOK_SECONDS = 2
LONGEST_LOOK_SECONDS = 15
SPREAD_SECONDS = 4
"""Pages without JavaScript look again so many seconds after an opening, each at another moment."""


class TapForm(Form):
    key = TextField(maximum=100)
    offer = IntegerField(minimum=1, maximum=2**62, required=False)
    address = IntegerField(N_("Address"), minimum=1, required=False)
    question = TextField(required=False, maximum=400)
    answer = TextField(required=False, maximum=20)


class LineForm(Form):
    key = TextField(maximum=100)
    desk = TextField(maximum=60, required=False)
    ticket = IntegerField(minimum=0, maximum=2**62, required=False, default=0)


class JoinForm(Form):
    units = IntegerField(N_("Units"), minimum=1, maximum=20, required=False, default=1)


@get("/items/{sku:str}/drop")
async def show_drop_of_item(request: AnyRequest, sku: FromPath[str]) -> Page:
    """The drop of an item; without one, the item. Cards lead here: they live longer than what is announced."""
    drop = visit_of(request).services.drops.board.by_sku.get(sku)
    return redirect(request, f"/drops/{drop.number}" if drop else f"/items/{quote(sku, safe='')}")


@get("/drops/{number:str}")
async def show_drop(request: AnyRequest, number: FromPath[str]) -> Page:
    """The page of a drop; a guest's comes from memory."""
    visit = visit_of(request)
    services, snapshot = visit.services, visit.services.catalog.snapshot
    drop = services.drops.board.drops.get(number)
    if drop is None:
        return await _show_past(request, number)
    item = find_item(snapshot, drop.sku)
    if visit.actor is not None:
        async with services.sessions() as session:
            return await _show(request, session, drop, item)
    if is_cacheable(visit):
        pages = ready_of(request).drops
        pages.follow(services.drops.board.version)
        return pages.answer(request, snapshot, lambda: _render(request, drop, item))
    return _render(request, drop, item)


@post("/drops/{number:str}/redemptions")
async def redeem(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """One tap. Granted leads to the order, refused says every reason, and a long line shows the place in it."""
    drop, item = _find(request, number)
    form = await TapForm.read(request)
    if not form.is_valid:
        return await _show(request, session, drop, item, status=422, faults=list(form.errors.values()))
    await _hold_robots_back(request, drop)
    delivery = await find_delivery(request, session, item, form.address)
    if item.is_posted and delivery is None:
        faults = [gettext(N_("Choose where it is to go."))]
        return await _show(request, session, drop, item, status=422, faults=faults)
    fault = _check_attention(request, drop, form)
    if fault is not None:
        return await _show(request, session, drop, item, status=422, faults=[fault])
    account, _ = await load_shopper(request, session, item)
    quantity = await _kept_units(session, drop, form.offer, account.member_id)
    # The desk works in a transaction of its own; this one must not hold a snapshot meanwhile.
    await session.rollback()
    wish = RedeemRequest(
        scope=f"member:{account.member_id}",
        key=form.key,
        body_hash=hash_request(account.external_id, item.sku, quantity, delivery.address if delivery else None),
        member=account.external_id,
        sku=item.sku,
        quantity=quantity,
        channel="mall",
        actor=actor_of(request).reference,
        delivery=delivery,
        offer=form.offer,
    )
    services = visit_of(request).services
    tickets: list[int] = []
    asked = services.drops.remember(asyncio.create_task(_ask_desk(services, drop, wish, tickets)))
    done, _ = await asyncio.wait({asked}, timeout=PATIENCE_SECONDS)
    if not done:
        return _lead_into_line(request, drop, form.key, tickets[0])
    try:
        return _lead_to_order(request, asked.result())
    except (RefusedError, IdempotencyConflictError) as refusal:
        return await _show(request, session, drop, item, status=409, faults=say_reasons(refusal))


@get("/drops/{number:str}/line")
async def show_line(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """The place in the line; once there is an answer it leads on."""
    drop, item = _find(request, number)
    form = LineForm.parse(request.query_params.dict())
    if not form.is_valid:
        return redirect(request, f"/drops/{drop.number}")
    connection = await driver_connection(session)
    answer = await find_answer(connection, member_id_of(actor_of(request)), form.key)
    if answer is not None and answer.refused is None:
        return redirect(request, f"/redemptions/{answer.number}" + ("/pay" if answer.state == "held" else ""))
    if answer is not None:
        return redirect(request, f"/drops/{drop.number}")
    desk = visit_of(request).services.drops.desk
    if form.desk == desk.name:
        place = LinePlace(max(form.ticket - desk.settled, 1), desk.joined - desk.settled, desk.rate, is_alive=True)
    else:
        place = await find_place(connection, form.desk, form.ticket, now=now_of(request))
    return _show_line(request, drop, item, form.key, place)


@post("/drops/{number:str}/list")
async def join(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """Join the waiting list; refused with every reason for which the member could not take what is handed on."""
    drop, item = _find(request, number)
    form = await JoinForm.read(request)
    if not form.is_valid:
        return await _show(request, session, drop, item, status=422, faults=list(form.errors.values()))
    await count_hit(visit_of(request).services, "drop", actor_of(request).reference)
    stock = visit_of(request).services.catalog.snapshot.stock_of(item)
    account, facts = await load_shopper(request, session, item)
    refusals = check_availability(item, stock, facts, now_of(request), payments_available=takes_payments(request))
    blocking = [one for one in refusals if one[0] not in ("sold_out", "not_enough_left")]
    if blocking:
        return await _show(request, session, drop, item, status=409, faults=say_fully(blocking))
    connection = await driver_connection(session)
    try:
        async with connection.transaction():
            await join_list(connection, number, account.member_id, form.units, now=now_of(request))
    except DomainError as refusal:
        return await _show(request, session, drop, item, status=refusal.status, faults=[translate(refusal.text)])
    leave_notice(request, N_("You are on the waiting list."))
    return redirect(request, f"/drops/{drop.number}")


@post("/drops/{number:str}/list/leave")
async def leave(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """Give up the place, or what is kept."""
    connection = await driver_connection(session)
    await leave_list(connection, number, member_id_of(actor_of(request)), now=now_of(request))
    leave_notice(request, N_("You are no longer on the waiting list."))
    return redirect(request, f"/drops/{number}")


def _find(request: AnyRequest, number: str) -> tuple[AnnouncedDrop, ItemView]:
    """The running drop with its item. Raises UnknownDropError, or DropStateError for one that is over."""
    services = visit_of(request).services
    drop = services.drops.board.drops.get(number)
    if drop is None:
        raise UnknownDropError
    if now_of(request) >= drop.ends_at:
        raise DropStateError
    return drop, find_item(services.catalog.snapshot, drop.sku)


async def _hold_robots_back(request: AnyRequest, drop: AnnouncedDrop) -> None:
    """Count the attempt for its account and its address. Raises LimitExceededError; both are told apart in the report."""
    visit, reference = visit_of(request), actor_of(request).reference
    for name, subject, what in (
        ("drop", reference, "too_many_requests"),
        ("drop_address", visit.address, "too_many_from_address"),
    ):
        try:
            await count_hit(visit.services, name, subject)
        except LimitExceededError:
            visit.services.drops.tally.count(drop.id, what, now=now_of(request), subject=subject)
            raise


def _check_attention(request: AnyRequest, drop: AnnouncedDrop, form: TapForm) -> str | None:
    """Why the question stands in the way; None where it was answered or is not asked now. What is kept needs no rush."""
    services, now = visit_of(request).services, now_of(request)
    if not drop.asks_attention or form.offer or not drop.is_rushed(now):
        return None
    member_id = member_id_of(actor_of(request))
    key = derive_key(services.settings.secret_key, "attention")
    if is_answered(key, form.question, form.answer, member_id, drop.id, now=now):
        return None
    what = "attention_wrong" if form.answer else "attention_missing"
    services.drops.tally.count(drop.id, what, now=now, subject=actor_of(request).reference)
    if form.answer:
        return gettext(
            N_("That was another word, or the question was too old. Nothing has changed; here is a new one.")
        )
    return gettext(N_("There is a rush: choose the word that is asked for, then tap again."))


async def _kept_units(session: AsyncSession, drop: AnnouncedDrop, offer_id: int | None, member_id: int) -> int:
    """How many units the tap is for: all that are kept, or one."""
    if offer_id is None:
        return 1
    own = await read_own(await driver_connection(session), drop.id, drop.sku, member_id)
    return own.offer.units if own.offer is not None and own.offer.id == offer_id else 1


async def _ask_desk(services: Services, drop: AnnouncedDrop, wish: RedeemRequest, tickets: list[int]) -> Redeemed:
    """Ask, and count what came of it; done even when the browser goes away. Notes the request's ticket in the desk's line."""
    tickets.append(services.desk.joined + 1)
    try:
        redeemed = await services.desk.redeem(wish)
    except DomainError as refusal:
        services.drops.tally.count(drop.id, refusal.stable_code, now=services.clock.now())
        raise
    services.drops.tally.count(drop.id, GRANTED, now=services.clock.now())
    return redeemed


def _lead_to_order(request: AnyRequest, redeemed: Redeemed) -> Page:
    return redirect(request, f"/redemptions/{redeemed.number}" + ("/pay" if redeemed.state == "held" else ""))


def _lead_into_line(request: AnyRequest, drop: AnnouncedDrop, key: str, ticket: int) -> Page:
    desk = visit_of(request).services.drops.desk
    where = urlencode({"key": key, "desk": desk.name, "ticket": ticket})
    return redirect(request, f"/drops/{drop.number}/line?{where}")


def _show_line(request: AnyRequest, drop: AnnouncedDrop, item: ItemView, key: str, place: LinePlace) -> Page:
    stock = visit_of(request).services.catalog.snapshot.stock_of(item)
    seconds = min(max(LOOK_SECONDS, int(place.ahead / max(place.rate, 1))), LONGEST_LOOK_SECONDS)
    answer = page(request, "mall/drop_line.html", tab="home", drop=drop, item=item, stock=stock, place=place, key=key)
    # Each at another moment: who stands in line together must not ask together.
    answer.add_header("refresh", f"{seconds + random.random():.1f}")  # noqa: S311 - spreads requests, keeps no secret
    return answer


async def _show(
    request: AnyRequest,
    session: AsyncSession,
    drop: AnnouncedDrop,
    item: ItemView,
    *,
    status: int = 200,
    faults: list[str] | None = None,
) -> Page:
    """The page as a member sees it."""
    account, facts = await load_shopper(request, session, item)
    own = await read_own(await driver_connection(session), drop.id, drop.sku, account.member_id)
    stock = visit_of(request).services.catalog.snapshot.stock_of(item)
    now = now_of(request)
    refusals = [
        one
        for one in check_availability(item, stock, facts, now, payments_available=takes_payments(request))
        if one[0] not in ("sold_out", "not_enough_left", "not_yet_on_sale")
    ]
    key = derive_key(visit_of(request).services.settings.secret_key, "attention")
    question = None
    if drop.shows_question(now) and not own.offer and not (stock.is_gone and drop.is_open(now)):
        question = ask(key, account.member_id, drop.id, now=now)
    return _render(
        request,
        drop,
        item,
        status=status,
        faults=faults or [],
        account=account,
        own=own,
        blocking=say_fully(refusals),
        price=item.price_for(facts.tier_rank),
        question=question,
        key=make_token(),
        log=tell_log(own.log),
        **await address_choice(request, session, item, 1, None),
    )


def _render(request: AnyRequest, drop: AnnouncedDrop, item: ItemView, *, status: int = 200, **context: Any) -> Page:
    now = now_of(request)
    stock = visit_of(request).services.catalog.snapshot.stock_of(item)
    guest: dict[str, Any] = {
        "faults": [], "account": None, "own": None, "blocking": [], "price": item.points, "question": None, "key": None,
        "log": [], "addresses": None,
    }  # fmt: skip
    upcoming = drop.next_wave(now)
    wait = None
    if upcoming is not None:
        wait = int((upcoming.opens_at - now) / timedelta(seconds=1)) + random.randint(1, SPREAD_SECONDS)  # noqa: S311
    return page(
        request,
        "mall/drop.html",
        status=status,
        tab="home",
        drop=drop,
        item=item,
        stock=stock,
        cover=cover_of(item),
        rule=announce_rule(drop, item),
        waves=list_waves(drop, now),
        upcoming=upcoming,
        is_open=drop.is_open(now),
        is_over=now >= drop.ends_at,
        look_again=wait,
        **(guest | context),
    )


async def _show_past(request: AnyRequest, number: str) -> Page:
    """A drop that is over: what became of it, and for its members why. Raises NotFoundError for what was never announced."""
    visit = visit_of(request)
    async with visit.services.sessions() as session:
        connection = await driver_connection(session)
        drop = await find_drop(connection, number)
        if drop.state == "planned":
            raise NotFoundError
        own: OwnDrop | None = None
        if visit.actor is not None:
            own = await read_own(connection, drop.id, drop.sku, member_id_of(visit.actor))
    return page(request, "mall/drop_past.html", tab="home", drop=drop, log=tell_log(own.log) if own else [])


OPEN_ROUTES = [show_drop_of_item, show_drop]
ROUTES = [redeem, show_line, join, leave]
