"""Gifts 转赠: offering a voucher by a link, taking it back, the page behind the link, and what was given and received."""

from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.errors import DomainError
from liyu.core.i18n import N_, Message
from liyu.vouchers.facts import mask_name
from liyu.vouchers.gifts.errors import GiftOverError, NotGiftableError, TooManyGiftsError
from liyu.vouchers.gifts.queries import GiftView, gift_behind, gift_of_member, list_gifts
from liyu.vouchers.gifts.service import (
    LONGEST_WORDS,
    GiftLinks,
    accept_gift,
    check_giftable,
    offer_gift,
    take_back_gift,
)
from liyu.vouchers.queries import voucher_of_member
from liyu.web.actor import actor_of
from liyu.web.formats import current_zone
from liyu.web.forms import Form, TextField
from liyu.web.i18n import gettext, text_of, translate
from liyu.web.mall.cards import cover_of
from liyu.web.mall.member import AnyRequest, member_id_of, now_of
from liyu.web.mall.orders import read_cursor
from liyu.web.pages import Page, leave_notice, page, redirect
from liyu.web.visit import visit_of

STATES: dict[str, tuple[str, str]] = {
    "open": (N_("Waiting"), "gold"),
    "accepted": (N_("Gift accepted"), ""),
    "taken_back": (N_("Gift taken back"), "grey"),
    "lapsed": (N_("Not accepted in time"), "grey"),
}
"""Label and tone of each state of a gift."""
_UNLISTED = (b"x-robots-tag", b"noindex, nofollow")


class OfferForm(Form):
    words = TextField(N_("A few words with it"), required=False, maximum=LONGEST_WORDS)


def link_of(request: AnyRequest, gift_id: int) -> str:
    """The address that a giver passes on; it can be shown again, since it is made from the gift and a key."""
    settings = visit_of(request).services.settings
    return f"{settings.base_url.rstrip('/')}/gift/{GiftLinks(settings.secret_key).token_of(gift_id)}"


@get("/vouchers/{voucher_id:int}/gift")
async def ask_to_offer(request: AnyRequest, session: NamedDependency[AsyncSession], voucher_id: FromPath[int]) -> Page:
    """What giving means, and the words that go with it; or everything that is in the way."""
    return await _show_offer(request, session, voucher_id, OfferForm.blank())


@post("/vouchers/{voucher_id:int}/gift")
async def offer(request: AnyRequest, session: NamedDependency[AsyncSession], voucher_id: FromPath[int]) -> Page:
    """Offer the voucher; its page shows the link."""
    form = await OfferForm.read(request)
    if not form.is_valid:
        return await _show_offer(request, session, voucher_id, form, status=422)
    actor, services = actor_of(request), visit_of(request).services
    try:
        await offer_gift(
            await driver_connection(session),
            member_id_of(actor),
            voucher_id,
            words=form.words,
            links=GiftLinks(services.settings.secret_key),
            actor=actor.reference,
            now=now_of(request),
            zone=current_zone(),
        )
    except (NotGiftableError, TooManyGiftsError) as refusal:
        waiting = next((reason.message for reason in refusal.reasons if reason.code == "already_offered"), None)
        if waiting is None:
            return await _show_offer(request, session, voucher_id, form, status=refusal.status, refusal=refusal)
        # A second tap finds the link of the first.
        leave_notice(request, waiting)
        return redirect(request, f"/vouchers/{voucher_id}")
    leave_notice(request, N_("Ready to be given: pass the link on."))
    return redirect(request, f"/vouchers/{voucher_id}")


@post("/vouchers/{voucher_id:int}/gift/take-back")
async def take_back(request: AnyRequest, session: NamedDependency[AsyncSession], voucher_id: FromPath[int]) -> Page:
    """Take an offered voucher back; its link is dead from then on."""
    actor = actor_of(request)
    try:
        await take_back_gift(
            await driver_connection(session),
            member_id_of(actor),
            voucher_id,
            actor=actor.reference,
            now=now_of(request),
        )
    except GiftOverError:
        leave_notice(request, N_("It was not on its way any more. Here is what became of it."), "error")
        return redirect(request, "/gifts")
    leave_notice(request, N_("Taken back. The link is dead, and the voucher is yours to use."))
    return redirect(request, f"/vouchers/{voucher_id}")


@get("/gift/{token:str}")
async def show_link(request: AnyRequest, session: NamedDependency[AsyncSession], token: FromPath[str]) -> Page:
    """What a link leads to, for whoever has it: the item, who gives it with which words, and until when."""
    gift, actor = await gift_behind(await driver_connection(session), token), visit_of(request).actor
    member_id = actor.member_id if actor else None
    return page(
        request,
        "mall/gift.html",
        headers=[_UNLISTED],
        tab="wallet",
        gift=gift,
        token=token,
        cover=cover_of(gift),
        giver=mask_name(gift.giver_name),
        is_open=gift.is_open(now_of(request)),
        is_member=member_id is not None,
        is_giver=member_id == gift.giver_id,
        is_receiver=member_id is not None and gift.is_with(member_id),
        last_day=gift.last_day(current_zone()),
    )


@post("/gift/{token:str}/accept")
async def accept(request: AnyRequest, session: NamedDependency[AsyncSession], token: FromPath[str]) -> Page:
    """Make the voucher one's own."""
    actor = actor_of(request)
    try:
        accepted = await accept_gift(
            await driver_connection(session), member_id_of(actor), token, actor=actor.reference, now=now_of(request)
        )
    except DomainError as refusal:
        if refusal.status == 404:
            raise
        leave_notice(request, refusal.text, "error")
        return redirect(request, f"/gift/{token}")
    leave_notice(request, N_("It is yours now, with a code of its own."))
    return redirect(request, f"/vouchers/{accepted.voucher_id}")


@get("/gifts")
async def show_gifts(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """What one gave and received, the newest first."""
    member_id, before = member_id_of(actor_of(request)), read_cursor(request)
    gifts, cursor = await list_gifts(await driver_connection(session), member_id, before=before)
    return page(
        request,
        "mall/gifts.html",
        tab="wallet",
        gifts=[_row(request, gift, member_id) for gift in gifts],
        continued=before is not None,
        next_href=f"/gifts?before={cursor}" if cursor else None,
    )


@get("/gifts/{gift_id:int}")
async def show_gift(request: AnyRequest, session: NamedDependency[AsyncSession], gift_id: FromPath[int]) -> Page:
    """What became of one gift."""
    member_id = member_id_of(actor_of(request))
    gift = await gift_of_member(await driver_connection(session), member_id, gift_id)
    return page(request, "mall/gift_one.html", tab="wallet", gift=gift, row=_row(request, gift, member_id))


def _row(request: AnyRequest, gift: GiftView, member_id: int) -> dict[str, Any]:
    """A gift as lists show it to one of its two members."""
    is_giver = gift.giver_id == member_id
    state = "lapsed" if gift.state == "open" and not gift.is_open(now_of(request)) else gift.state
    label, tone = STATES[state]
    other = mask_name(gift.receiver_name if is_giver else gift.giver_name)
    if is_giver:
        words = N_("Given to %(member)s") if other else N_("Offered by link")
    else:
        words = N_("From %(member)s") if other else N_("Received")
    return {
        "id": gift.id,
        "name": text_of(gift, "item"),
        "cover": cover_of(gift),
        "line": translate(Message(words, {"member": other})),
        "label": gettext(label),
        "tone": tone,
        "is_giver": is_giver,
        "is_open": state == "open",
        "is_held": gift.holder_id == member_id,
        "at": gift.decided_at or gift.offered_at,
    }


async def _show_offer(
    request: AnyRequest,
    session: AsyncSession,
    voucher_id: int,
    form: OfferForm,
    *,
    status: int = 200,
    refusal: DomainError | None = None,
) -> Page:
    connection, member_id, days = await driver_connection(session), member_id_of(actor_of(request)), 0
    facts = await voucher_of_member(connection, member_id, voucher_id)
    try:
        rules = await check_giftable(connection, member_id, voucher_id, now=now_of(request), zone=current_zone())
        days = rules.gift_days
    except (NotGiftableError, TooManyGiftsError) as found:
        refusal = refusal or found
    return page(
        request,
        "mall/gift_offer.html",
        status=status,
        tab="wallet",
        facts=facts,
        cover=cover_of(facts),
        last_day=facts.last_day(current_zone()),
        form=form,
        days=days,
        refusal=translate(refusal.text) if refusal else None,
        reasons=[translate(reason.message) for reason in refusal.reasons] if refusal else [],
        longest=LONGEST_WORDS,
    )


OPEN_ROUTES: list[Any] = [show_link]
ROUTES: list[Any] = [ask_to_offer, offer, take_back, accept, show_gifts, show_gift]
