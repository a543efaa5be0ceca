"""After-sale: asking for a return, an exchange or the points back, with photos; what became of it; sending it back."""

from typing import Any

from litestar import get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.errors import InvalidInputError
from liyu.core.i18n import N_
from liyu.core.storage import open_storage
from liyu.redemption.aftersale.offer import KINDS, Offer, find_offer
from liyu.redemption.aftersale.photos import MOST_PHOTOS, keep_photos
from liyu.redemption.aftersale.queries import (
    Asker,
    list_photos,
    list_request_steps,
    load_order_facts,
    load_request,
)
from liyu.redemption.aftersale.service import LONGEST_WORDS, Wish, open_request, send_back, withdraw
from liyu.redemption.aftersale.states import may_become
from liyu.redemption.orders import Order, find_order
from liyu.redemption.reasons import AFTER_SALE_REASONS
from liyu.redemption.shipping.carriers import CARRIERS
from liyu.redemption.shipping.parcels import Waybill
from liyu.web import after_sales, order_words
from liyu.web.actor import actor_of
from liyu.web.formats import current_zone
from liyu.web.forms import ChoiceField, Form, IntegerField, TextField
from liyu.web.mall.cards import cover_of
from liyu.web.mall.member import AnyRequest, member_id_of, now_of
from liyu.web.pages import Page, leave_notice, page, redirect
from liyu.web.visit import visit_of

LARGEST_UPLOAD = 60 * 1024 * 1024
ALL_REASONS = tuple(dict.fromkeys(reason for reasons in AFTER_SALE_REASONS.values() for reason in reasons))


class WishForm(Form):
    kind = ChoiceField(KINDS, N_("What you want"))
    reason = ChoiceField(ALL_REASONS, N_("Reason"))
    words = TextField(N_("What is wrong"), required=False, maximum=LONGEST_WORDS)
    quantity = IntegerField(N_("Units"), minimum=1, required=False, default=1)
    photos = TextField(N_("Photos"), required=False)


class SendBackForm(Form):
    carrier = ChoiceField(CARRIERS, N_("Carrier"))
    tracking_number = TextField(N_("Tracking number"), maximum=60)


@get("/redemptions/{number:str}/after-sale")
async def show_form(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """What may be asked for of an order; one of which nothing may be asked leads back to it."""
    return await _show_form(request, session, number)


@post("/redemptions/{number:str}/after-sale", request_max_body_size=LARGEST_UPLOAD)
async def ask(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """Open a request."""
    form = await _read(request)
    connection, member_id = await driver_connection(session), member_id_of(actor_of(request))
    await find_order(connection, member_id, number)
    if not form.is_valid:
        return await _show_form(request, session, number, form)
    storage = open_storage(visit_of(request).services.settings)
    try:
        photos = await keep_photos(storage, await _photos_of(request))
        async with connection.transaction():
            request_number = await open_request(
                connection, member_id, number, Wish(form.kind, form.reason, form.words, form.quantity), photos,
                actor=actor_of(request).reference, now=now_of(request), zone=current_zone(),
            )  # fmt: skip
    except InvalidInputError as refusal:
        form.adopt(refusal)
        return await _show_form(request, session, number, form)
    leave_notice(request, N_("We have your request and look at it."))
    return redirect(request, f"/after-sales/{request_number}")


@get("/after-sales/{number:str}")
async def show_request(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """A request of one's own."""
    return await _show(request, session, number)


@get("/after-sales/{number:str}/photos/{position:int}")
async def show_photo(
    request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str], position: FromPath[int]
) -> Page:
    """A photo of a request of one's own."""
    return await after_sales.send_photo(_asker(request), request, session, number, position)


@post("/after-sales/{number:str}/withdraw")
async def take_back(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """Think again."""
    connection, actor = await driver_connection(session), actor_of(request)
    await withdraw(
        connection, member_id_of(actor), number, actor=actor.reference, now=now_of(request), zone=current_zone()
    )
    leave_notice(request, N_("The request is withdrawn."))
    return redirect(request, f"/after-sales/{number}")


@post("/after-sales/{number:str}/send-back")
async def note_sent_back(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """Say with which parcel it comes back."""
    form = await SendBackForm.read(request)
    connection, actor = await driver_connection(session), actor_of(request)
    if not form.is_valid:
        return await _show(request, session, number, form)
    try:
        async with connection.transaction():
            await send_back(
                connection, member_id_of(actor), number, Waybill(form.carrier, form.tracking_number), actor=actor.reference,
                now=now_of(request), zone=current_zone(),
            )  # fmt: skip
    except InvalidInputError as refusal:
        form.adopt(refusal)
        return await _show(request, session, number, form)
    leave_notice(request, N_("Thank you. We tell you once it has arrived."))
    return redirect(request, f"/after-sales/{number}")


async def _read(request: AnyRequest) -> WishForm:
    sent = await request.form()
    texts = {name: [one for one in sent.getall(name, []) if isinstance(one, str)] for name in WishForm.fields}
    return WishForm(texts)


async def _photos_of(request: AnyRequest) -> list[bytes]:
    """The content of the files that were chosen; one more than allowed is enough to refuse them."""
    sent = await request.form()
    chosen = [one for one in sent.getall("photos", []) if isinstance(one, UploadFile) and one.filename]
    return [await one.read() for one in chosen[: MOST_PHOTOS + 1]]


def _asker(request: AnyRequest) -> Asker:
    return Asker(member_id=member_id_of(actor_of(request)))


async def _show_form(request: AnyRequest, session: AsyncSession, number: str, form: WishForm | None = None) -> Page:
    connection = await driver_connection(session)
    order: Order = await find_order(connection, member_id_of(actor_of(request)), number)
    offer: Offer = find_offer(await load_order_facts(connection, order.id), now_of(request))
    if not offer.kinds:
        return redirect(request, f"/redemptions/{number}")
    reasons = [reason for reason in ALL_REASONS if any(reason in AFTER_SALE_REASONS[kind] for kind in offer.kinds)]
    return page(
        request,
        "mall/after_sale_form.html",
        status=200 if form is None else 422,
        tab="me",
        order=order,
        cover=cover_of(order),
        offer=offer,
        kinds=[(kind, order_words.request_kind(kind)) for kind in offer.kinds],
        reasons=order_words.reason_choices(reasons),
        form=form or WishForm.blank(kind=offer.kinds[0], quantity=offer.units),
        most=MOST_PHOTOS,
    )


async def _show(request: AnyRequest, session: AsyncSession, number: str, form: SendBackForm | None = None) -> Page:
    connection = await driver_connection(session)
    one = await load_request(connection, _asker(request), number)
    context: dict[str, Any] = {
        "one": one,
        "photos": await list_photos(connection, one.id),
        "steps": after_sales.tell_request(await list_request_steps(connection, one.id)),
        "may_withdraw": may_become(one.state, "withdrawn"),
        "carriers": after_sales.carrier_choices(),
        "form": form or SendBackForm.blank(),
        "order_words": order_words,
    }
    return page(request, "mall/after_sale.html", status=200 if form is None else 422, tab="me", **context)


ROUTES = [show_form, ask, show_request, show_photo, take_back, note_sent_back]
