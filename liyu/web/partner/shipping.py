"""Sending the partner's own goods: what is to be sent, one order, and many by a file."""

from typing import Any
from urllib.parse import quote

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.errors import DomainError, InvalidInputError
from liyu.core.i18n import Message
from liyu.redemption.addresses import find_delivery_address
from liyu.redemption.queries import read_redemption
from liyu.redemption.shipping.parcels import SHIPPABLE
from liyu.redemption.shipping.queries import list_parcels
from liyu.web import shipping
from liyu.web.actor import actor_of, require_permission
from liyu.web.after_sales import carrier_choices
from liyu.web.i18n import translate
from liyu.web.pages import Page, leave_notice, page, redirect
from liyu.web.partner.staff import AnyRequest, names_of_staff, partner_id_of
from liyu.web.shipping import LARGEST_UPLOAD, FileForm, ParcelForm
from liyu.web.state_words import ORDER_STATES

GUARD = require_permission("orders.ship")
HOME = "/partner/shipping"


@get("/shipping", guards=[GUARD])
async def show_desk(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """What is to be sent, and the files so far."""
    return await _show_desk(request, session, FileForm.blank())


@get("/shipping/to-send.xlsx", guards=[GUARD])
async def download(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """What is to be sent, as a workbook to be filled in."""
    return await shipping.download(_own(request), request, session)


@post("/shipping", guards=[GUARD], request_max_body_size=LARGEST_UPLOAD)
async def upload(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Take a file in. Nothing is sent."""
    form = await FileForm.read(request)
    if not form.is_valid:
        return await _show_desk(request, session, form)
    return redirect(request, f"{HOME}/{await shipping.upload(_own(request), request, session, form)}")


@get("/shipping/orders/{number:str}", guards=[GUARD])
async def show_order(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """One order of the partner's goods: where it goes, and what was sent."""
    return await _show_order(request, session, number, ParcelForm.blank())


@post("/shipping/orders/{number:str}", guards=[GUARD])
async def ship(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """Send units of one order."""
    form = await ParcelForm.read(request)
    if not form.is_valid:
        return await _show_order(request, session, number, form)
    refusal = await shipping.send_one(_own(request), request, session, number, form)
    if refusal is not None:
        known = isinstance(refusal, InvalidInputError) and form.adopt(refusal)
        return await _show_order(request, session, number, form, None if known else refusal)
    leave_notice(request, shipping.SENT)
    return redirect(request, f"{HOME}/orders/{quote(number, safe='')}")


@post("/shipping/many", guards=[GUARD])
async def look_at_many(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The orders that were ticked, each with a place for its tracking number. Nothing is sent."""
    return _show_many(request, await shipping.look_at_many(_own(request), request, session))


@post("/shipping/many/send", guards=[GUARD])
async def send_many(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Send them, each by itself, and tell what came of each."""
    return _show_many(request, await shipping.send_many(_own(request), request, session))


@get("/shipping/{upload_id:int}", guards=[GUARD])
async def show_file(request: AnyRequest, session: NamedDependency[AsyncSession], upload_id: FromPath[int]) -> Page:
    """What the file would do now, or what it did."""
    context = await shipping.read_file(_own(request), request, session, upload_id)
    return page(request, "partner/shipping_file.html", home=HOME, **context)


@get("/shipping/{upload_id:int}/faults.xlsx", guards=[GUARD])
async def download_faults(
    request: AnyRequest, session: NamedDependency[AsyncSession], upload_id: FromPath[int]
) -> Page:
    """The rows that are at fault."""
    return await shipping.download_faults(_own(request), request, session, upload_id)


@post("/shipping/{upload_id:int}/apply", guards=[GUARD])
async def apply(request: AnyRequest, session: NamedDependency[AsyncSession], upload_id: FromPath[int]) -> Page:
    """Say yes."""
    return _answer(request, await shipping.apply(_own(request), request, session, upload_id), f"{HOME}/{upload_id}")


@post("/shipping/{upload_id:int}/discard", guards=[GUARD])
async def discard(request: AnyRequest, session: NamedDependency[AsyncSession], upload_id: FromPath[int]) -> Page:
    """Say no."""
    return _answer(request, await shipping.discard(_own(request), request, session, upload_id), HOME)


def _show_many(request: AnyRequest, context: dict[str, Any]) -> Page:
    if not context["lines"]:
        leave_notice(request, shipping.NONE_TICKED, "error")
        return redirect(request, HOME)
    status = 200 if context["form"].is_valid else 422
    return page(request, "partner/shipping_many.html", status=status, home=HOME, order_home=f"{HOME}/orders", **context)


def _own(request: AnyRequest) -> int:
    return partner_id_of(actor_of(request))


def _answer(request: AnyRequest, said: Message | DomainError, address: str) -> Page:
    if isinstance(said, DomainError):
        leave_notice(request, said.text, "error")
    else:
        leave_notice(request, said)
    return redirect(request, address)


async def _show_desk(request: AnyRequest, session: AsyncSession, form: FileForm) -> Page:
    context: dict[str, Any] = await shipping.read_desk(_own(request), request, session)
    names, cursor = await names_of_staff(request, session), context.pop("next")
    return page(
        request, "partner/shipping.html", status=200 if form.is_valid else 422, form=form, home=HOME,
        order_home=f"{HOME}/orders", name_of=lambda reference: names.get(reference, "—"),
        first_href=None if context.pop("is_first") else HOME, next_href=f"{HOME}?after={cursor}" if cursor else None, **context,
    )  # fmt: skip


async def _show_order(
    request: AnyRequest,
    session: AsyncSession,
    number: str,
    form: ParcelForm,
    refusal: DomainError | None = None,
) -> Page:
    connection = await driver_connection(session)
    one = await read_redemption(connection, number, partner_id=_own(request))
    parcels = await list_parcels(connection, one.id)
    left = one.quantity - sum(parcel.quantity for parcel in parcels if not parcel.is_replacement)
    status = refusal.status if refusal else 200 if form.is_valid else 422
    return page(
        request, "partner/shipping_order.html", status=status, one=one, parcels=parcels, left=left, form=form,
        may_send=one.kind == "goods" and one.state in SHIPPABLE and left > 0, carriers=carrier_choices(), home=HOME,
        address=await find_delivery_address(connection, one.id), state=ORDER_STATES[one.state],
        fault=translate(refusal.text) if refusal else None,
    )  # fmt: skip


ROUTES = [show_desk, download, upload, show_order, ship, show_file, download_faults, apply, discard]
