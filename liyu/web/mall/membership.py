"""Paid membership: what is on offer, what one has, buying it with points, and giving it back by the stated rule."""

from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from psycopg import AsyncConnection
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.errors import DomainError
from liyu.core.i18n import N_, Message
from liyu.core.ids import make_token
from liyu.members.account import list_tiers, load_account
from liyu.members.paid.errors import NotReturnableError, UnknownPeriodError
from liyu.members.paid.plans import find_plan, list_plans
from liyu.members.paid.queries import Period, list_periods
from liyu.members.paid.rules import ONE_DAY, last_day_of
from liyu.members.paid.service import Sale, return_membership, sell_membership
from liyu.members.tiers.queries import load_progress
from liyu.web.actor import actor_of
from liyu.web.formats import current_zone
from liyu.web.forms import Form, TextField
from liyu.web.i18n import text_of, translate
from liyu.web.mall.member import AnyRequest, draw_lots, member_id_of, now_of, today_of
from liyu.web.pages import Page, leave_notice, page, redirect

PATH = "/membership"
OWN_WISH = "own_wish"


class BuyForm(Form):
    key = TextField(maximum=60)


@get(PATH)
async def show_membership(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """What one has and what is on offer."""
    connection, member_id = await driver_connection(session), member_id_of(actor_of(request))
    today, periods = today_of(request), await list_periods(connection, member_id)
    progress = await load_progress(connection, member_id)
    return page(
        request,
        "mall/membership.html",
        tab="me",
        account=await load_account(connection, member_id, today),
        progress=progress,
        running=[one for one in periods if one.returned_at is None and not one.is_over(today)],
        past=[one for one in periods if one.returned_at is not None or one.is_over(today)],
        today=today,
        may_give_back=lambda one: _is_own(one) and one.can_go_back(today),
        plans=await list_plans(connection, offered_only=True),
        rights={tier.code: tier for tier in await list_tiers(connection)},
    )


@get(f"{PATH}/buy/{{code:str}}")
async def show_offer(request: AnyRequest, session: NamedDependency[AsyncSession], code: FromPath[str]) -> Page:
    """What it would cost, from when until when it holds, and what comes back if one changes one's mind."""
    return await _show_offer(request, await driver_connection(session), code)


@post(f"{PATH}/buy/{{code:str}}")
async def buy(request: AnyRequest, session: NamedDependency[AsyncSession], code: FromPath[str]) -> Page:
    """Buy it with points. Sent twice it is bought once."""
    form, actor, connection = await BuyForm.read(request), actor_of(request), await driver_connection(session)
    member_id = member_id_of(actor)
    account = await load_account(connection, member_id, today_of(request))
    if not form.is_valid:
        return await _show_offer(request, connection, code, status=422, reasons=list(form.errors.values()))
    sale = Sale(account.external_id, code, f"mall:{member_id}:{form.key}")
    try:
        async with connection.transaction():
            sold = await sell_membership(
                connection, sale, actor=actor.reference, now=now_of(request), zone=current_zone()
            )
    except DomainError as refusal:
        reasons = [translate(reason.message) for reason in refusal.reasons] or [translate(refusal.text)]
        return await _show_offer(request, connection, code, status=refusal.status, reasons=reasons)
    leave_notice(request, _bought(sold))
    return redirect(request, PATH)


@get(f"{PATH}/{{number:int}}/return")
async def show_return(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[int]) -> Page:
    """What comes back, before anything happens."""
    return await _show_return(request, await driver_connection(session), number)


@post(f"{PATH}/{{number:int}}/return")
async def give_back(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[int]) -> Page:
    """Give it back; it ends at once."""
    actor, connection = actor_of(request), await driver_connection(session)
    sold = await _find(connection, member_id_of(actor), number)
    try:
        async with connection.transaction():
            await return_membership(
                connection,
                sold.reference,
                member_id=sold.member_id,
                reason=OWN_WISH,
                actor=actor.reference,
                now=now_of(request),
                zone=current_zone(),
            )
    except NotReturnableError as refusal:
        return await _show_return(request, connection, number, refusal=refusal)
    leave_notice(request, N_("The membership has ended. What is due is back in its lots."))
    return redirect(request, PATH)


async def _show_offer(
    request: AnyRequest,
    connection: AsyncConnection[Any],
    code: str,
    *,
    status: int = 200,
    reasons: list[str] | None = None,
) -> Page:
    member_id, today = member_id_of(actor_of(request)), today_of(request)
    plan = await find_plan(connection, code)
    account, progress = await load_account(connection, member_id, today), await load_progress(connection, member_id)
    running = progress.paid_until if progress.paid_until and progress.paid_until >= today else None
    begins_on = today if running is None else running + ONE_DAY
    return page(
        request,
        "mall/membership_buy.html",
        status=status,
        tab="me",
        account=account,
        plan=plan,
        begins_on=begins_on,
        ends_on=last_day_of(begins_on, plan.months),
        follows=running is not None,
        is_first=not await list_periods(connection, member_id),
        is_there=plan.tier_rank <= progress.earned_rank,
        lots=draw_lots(account, plan.points or 0),
        reasons=reasons or [],
        key=make_token(),
    )


async def _show_return(
    request: AnyRequest, connection: AsyncConnection[Any], number: int, *, refusal: DomainError | None = None
) -> Page:
    sold, today = await _find(connection, member_id_of(actor_of(request)), number), today_of(request)
    return page(
        request,
        "mall/membership_return.html",
        status=refusal.status if refusal else 200,
        tab="me",
        sold=sold,
        back=sold.would_bring(today),
        left=sold.left(today),
        can=sold.can_go_back(today),
        refusal=translate(refusal.text) if refusal else None,
    )


async def _find(connection: AsyncConnection[Any], member_id: int, number: int) -> Period:
    """One's own, bought here: what was sold elsewhere is given back where the money was taken. Raises UnknownPeriodError."""
    found = [one for one in await list_periods(connection, member_id) if one.id == number and _is_own(one)]
    if not found:
        raise UnknownPeriodError
    return found[0]


def _is_own(sold: Period) -> bool:
    return sold.paid_minor == 0


def _bought(sold: Period) -> Message:
    words = N_("%(tier)s is yours through %(day)s. It ends by itself; nothing renews.")
    return Message(words, {"tier": text_of(sold, "tier"), "day": sold.ends_on})


ROUTES = [show_membership, show_offer, buy, show_return, give_back]
