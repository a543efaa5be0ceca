"""The pictures of an item: adding one with its words, their order, taking one off."""

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.catalog.pictures import (
    LARGEST_FILE,
    LONGEST_ALT,
    MOST_PICTURES,
    PictureWords,
    add_picture,
    arrange_pictures,
    keep_picture,
    list_pictures,
    remove_picture,
)
from liyu.catalog.queries import load_item
from liyu.core.database import driver_connection
from liyu.core.errors import DomainError
from liyu.core.i18n import N_
from liyu.core.storage import open_storage
from liyu.web.actor import actor_of, require_permission
from liyu.web.acts import adopt_faults, try_act
from liyu.web.audit import record_act
from liyu.web.console.common import AnyRequest, now_of, segment, show
from liyu.web.forms import FileField, Form, TextField
from liyu.web.pages import Page, leave_notice, redirect
from liyu.web.pictures import address_of
from liyu.web.visit import visit_of

EDIT = require_permission("items.edit")
_ROOM_FOR_THE_FORM = 1024 * 1024


class PictureForm(Form):
    picture = FileField(N_("Picture"))
    alt_zh = TextField(N_("What is to be seen, in Chinese"), maximum=LONGEST_ALT)
    alt_en = TextField(N_("What is to be seen, in English"), required=False, maximum=LONGEST_ALT)


class DigestForm(Form):
    digest = TextField(maximum=64)


@get("/items/{sku:str}/pictures", guards=[EDIT])
async def show_pictures(request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str]) -> Page:
    """The pictures with their words and order."""
    return await _show(request, session, sku, PictureForm.blank())


@post("/items/{sku:str}/pictures", guards=[EDIT], request_max_body_size=LARGEST_FILE + _ROOM_FOR_THE_FORM)
async def upload_picture(request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str]) -> Page:
    """Check a picture, encode it anew and put it behind the others."""
    form = await PictureForm.read(request)
    if not form.is_valid or form.picture is None:
        return await _show(request, session, sku, form, status=422)
    connection = await driver_connection(session)
    item = (await load_item(connection, sku)).item
    storage, actor = open_storage(visit_of(request).services.settings), actor_of(request).reference
    try:
        digest = await keep_picture(connection, storage, await form.picture.read(), actor=actor, now=now_of(request))
        refusal = await try_act(
            connection, add_picture(connection, item.id, digest, alt_zh=form.alt_zh, alt_en=form.alt_en)
        )
    except DomainError as unreadable:
        refusal = unreadable
    if refusal:
        rest = adopt_faults(form, refusal)
        return await _show(request, session, sku, form, status=422, refusal=rest)
    await record_act(request, session, "item.picture", f"item:{sku}", after={"picture": digest, "alt": form.alt_zh})
    leave_notice(request, N_("The picture is there."))
    return redirect(request, f"/console/items/{segment(sku)}/pictures")


@post("/items/{sku:str}/pictures/order", guards=[EDIT])
async def arrange(request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str]) -> Page:
    """Set order and words of all pictures."""
    connection = await driver_connection(session)
    item = (await load_item(connection, sku)).item
    given = await request.form()
    digests = [one.digest for one in await list_pictures(connection, item.id)]
    places = sorted(digests, key=lambda one: (_number(given.get(f"position_{one}")), digests.index(one)))
    words = [
        PictureWords(one, place, _text(given.get(f"alt_zh_{one}")), _text(given.get(f"alt_en_{one}")))
        for place, one in enumerate(places, 1)
    ]
    await arrange_pictures(connection, item.id, words)
    await record_act(request, session, "item.pictures", f"item:{sku}", after={"order": places})
    leave_notice(request, N_("Saved."))
    return redirect(request, f"/console/items/{segment(sku)}/pictures")


@post("/items/{sku:str}/pictures/remove", guards=[EDIT])
async def remove(request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str]) -> Page:
    """Take a picture off the item."""
    form = await DigestForm.read(request)
    connection = await driver_connection(session)
    item = (await load_item(connection, sku)).item
    await remove_picture(connection, item.id, form.digest if form.is_valid else "")
    await record_act(request, session, "item.pictures", f"item:{sku}", before={"picture": form.digest})
    leave_notice(request, N_("The picture is taken off."))
    return redirect(request, f"/console/items/{segment(sku)}/pictures")


async def _show(
    request: AnyRequest,
    session: AsyncSession,
    sku: str,
    form: PictureForm,
    *,
    status: int = 200,
    refusal: DomainError | None = None,
) -> Page:
    connection = await driver_connection(session)
    item = (await load_item(connection, sku)).item
    return show(
        request,
        "item_pictures",
        status=status,
        refusal=refusal,
        item=item,
        form=form,
        pictures=await list_pictures(connection, item.id),
        address_of=address_of,
        most=MOST_PICTURES,
        largest=LARGEST_FILE // (1024 * 1024),
    )


def _number(text: object) -> int:
    return int(str(text)) if str(text).isascii() and str(text).isdigit() and len(str(text)) < 6 else 10**6


def _text(text: object) -> str:
    return str(text or "").replace("\0", "").strip()[:LONGEST_ALT]


ROUTES = [show_pictures, upload_picture, arrange, remove]
