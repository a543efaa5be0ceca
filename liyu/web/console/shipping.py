"""Sending orders: what is to be sent, one order at a time or many by a file."""

from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.errors import DomainError
from liyu.core.i18n import N_, Message
from liyu.partners.scope import EVERY_PARTNER
from liyu.web import shipping
from liyu.web.actor import require_permission
from liyu.web.acts import adopt_faults
from liyu.web.console.common import AnyRequest, cursor_links, name_people, segment, show
from liyu.web.console.redemptions import show_one
from liyu.web.pages import Page, leave_notice, redirect
from liyu.web.shipping import LARGEST_UPLOAD, FileForm, ParcelForm

GUARD = require_permission("redemptions.fulfil")
HOME = "/console/shipping"


@post("/redemptions/{number:str}/ship", guards=[GUARD])
async def ship(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """Send units of one order."""
    form = await ParcelForm.read(request)
    if not form.is_valid:
        return await show_one(request, session, number, form=form)
    refusal = adopt_faults(form, await shipping.send_one(EVERY_PARTNER, request, session, number, form))
    if refusal is not None:
        return await show_one(request, session, number, refusal=refusal)
    if form.faults:
        return await show_one(request, session, number, form=form)
    leave_notice(request, shipping.SENT)
    return redirect(request, f"/console/redemptions/{segment(number)}")


@post("/redemptions/{number:str}/parcels/{parcel_id:int}", guards=[GUARD])
async def correct(
    request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str], parcel_id: FromPath[int]
) -> Page:
    """Put a wrong carrier or tracking number right."""
    form = await ParcelForm.read(request)
    if not form.is_valid:
        return await show_one(request, session, number, form=form)
    refusal = await shipping.correct_one(EVERY_PARTNER, request, session, number, parcel_id, form)
    if refusal is not None:
        return await show_one(request, session, number, refusal=refusal)
    leave_notice(request, N_("Changed. It holds from now on."))
    return redirect(request, f"/console/redemptions/{segment(number)}")


@get("/shipping", guards=[GUARD])
async def show_desk(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """What is to be sent, and the files so far."""
    return await _show_desk(request, session, FileForm.blank())


@get("/shipping/to-send.xlsx", guards=[GUARD])
async def download(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """What is to be sent, as a workbook to be filled in."""
    return await shipping.download(EVERY_PARTNER, request, session)


@post("/shipping", guards=[GUARD], request_max_body_size=LARGEST_UPLOAD)
async def upload(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Take a file in. Nothing is sent."""
    form = await FileForm.read(request)
    if not form.is_valid:
        return await _show_desk(request, session, form)
    return redirect(request, f"{HOME}/{await shipping.upload(EVERY_PARTNER, request, session, form)}")


@post("/shipping/many", guards=[GUARD])
async def look_at_many(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The orders that were ticked, each with a place for its tracking number. Nothing is sent."""
    return _show_many(request, await shipping.look_at_many(EVERY_PARTNER, request, session))


@post("/shipping/many/send", guards=[GUARD])
async def send_many(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Send them, each by itself, and tell what came of each."""
    return _show_many(request, await shipping.send_many(EVERY_PARTNER, request, session))


@get("/shipping/{upload_id:int}", guards=[GUARD])
async def show_file(request: AnyRequest, session: NamedDependency[AsyncSession], upload_id: FromPath[int]) -> Page:
    """What the file would do now, or what it did."""
    context = await shipping.read_file(EVERY_PARTNER, request, session, upload_id)
    return show(request, "shipping_file", home=HOME, **context)


@get("/shipping/{upload_id:int}/faults.xlsx", guards=[GUARD])
async def download_faults(
    request: AnyRequest, session: NamedDependency[AsyncSession], upload_id: FromPath[int]
) -> Page:
    """The rows that are at fault."""
    return await shipping.download_faults(EVERY_PARTNER, request, session, upload_id)


@post("/shipping/{upload_id:int}/apply", guards=[GUARD])
async def apply(request: AnyRequest, session: NamedDependency[AsyncSession], upload_id: FromPath[int]) -> Page:
    """Say yes."""
    return _answer(request, await shipping.apply(EVERY_PARTNER, request, session, upload_id), f"{HOME}/{upload_id}")


@post("/shipping/{upload_id:int}/discard", guards=[GUARD])
async def discard(request: AnyRequest, session: NamedDependency[AsyncSession], upload_id: FromPath[int]) -> Page:
    """Say no."""
    return _answer(request, await shipping.discard(EVERY_PARTNER, request, session, upload_id), HOME)


def _answer(request: AnyRequest, said: Message | DomainError, page: str) -> Page:
    if isinstance(said, DomainError):
        leave_notice(request, said.text, "error")
    else:
        leave_notice(request, said)
    return redirect(request, page)


def _show_many(request: AnyRequest, context: dict[str, Any]) -> Page:
    if not context["lines"]:
        leave_notice(request, shipping.NONE_TICKED, "error")
        return redirect(request, HOME)
    status = 200 if context["form"].is_valid else 422
    return show(request, "shipping_many", status=status, home=HOME, order_home="/console/redemptions", **context)


async def _show_desk(request: AnyRequest, session: AsyncSession, form: FileForm) -> Page:
    context: dict[str, Any] = await shipping.read_desk(EVERY_PARTNER, request, session)
    names = await name_people(await driver_connection(session), [one.made_by for one in context["files"]])
    return show(
        request, "shipping", status=200 if form.is_valid else 422, form=form, home=HOME, name_of=names.of,
        order_home="/console/redemptions", **cursor_links(request, context.pop("next")), **context,
    )  # fmt: skip


ROUTES = [
    ship,
    correct,
    show_desk,
    download,
    upload,
    look_at_many,
    send_many,
    show_file,
    download_faults,
    apply,
    discard,
]
