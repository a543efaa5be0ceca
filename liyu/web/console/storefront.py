"""The curated front of the mall: banners, the rows of the home page, and collections, each in an order of its own."""

import re
from collections.abc import Iterable
from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.catalog.curating import (
    MOST_SECTIONS,
    BannerDraft,
    CollectionDraft,
    SectionDraft,
    add_banner,
    arrange_banners,
    list_banners,
    list_collections,
    list_sections,
    load_collection,
    remove_banner,
    save_collection,
    save_sections,
)
from liyu.catalog.models import SCENES
from liyu.catalog.pictures import LARGEST_FILE, keep_picture
from liyu.core.database import driver_connection
from liyu.core.errors import DomainError
from liyu.core.i18n import N_, Message
from liyu.core.storage import open_storage
from liyu.web.actor import actor_of, require_permission
from liyu.web.acts import adopt_faults, try_act
from liyu.web.audit import record_act
from liyu.web.console.common import AnyRequest, now_of, segment, show
from liyu.web.forms import CheckField, FileField, Form, InstantField, IntegerField, TextField
from liyu.web.i18n import gettext, text_of
from liyu.web.lines import split_names
from liyu.web.pages import Page, leave_notice, redirect
from liyu.web.pictures import address_of
from liyu.web.visit import visit_of

GUARD = require_permission("items.publish")
HERE = "/console/storefront"
_CODE = re.compile(r"[a-z0-9-]{1,40}")
_ROOM_FOR_THE_FORM = 1024 * 1024
_LAST = 10**6
ITEMS_OF_A_ROW = 8


class BannerForm(Form):
    title_zh = TextField(N_("Title in Chinese"), maximum=40)
    title_en = TextField(N_("Title in English"), required=False, maximum=60)
    text_zh = TextField(N_("Text in Chinese"), required=False, maximum=80)
    text_en = TextField(N_("Text in English"), required=False, maximum=120)
    href = TextField(N_("Leads to"), maximum=200)
    picture = FileField(N_("Picture"), required=False)
    shown_from = InstantField(N_("Shown from"), required=False)
    shown_to = InstantField(N_("Shown until"), required=False)

    def check(self) -> Iterable[tuple[str, Message]]:
        if not self.href.startswith("/") or self.href.startswith("//") or "\\" in self.href:
            yield "href", Message(N_("Enter an address in the mall, such as /items?scene=coffee."))
        if self.shown_from and self.shown_to and self.shown_from >= self.shown_to:
            yield "shown_to", Message(N_("The end must come after the beginning."))


class CollectionForm(Form):
    title_zh = TextField(N_("Title in Chinese"), maximum=40)
    title_en = TextField(N_("Title in English"), required=False, maximum=60)
    intro_zh = TextField(N_("Text in Chinese"), required=False, maximum=200)
    intro_en = TextField(N_("Text in English"), required=False, maximum=300)
    active = CheckField(N_("Shown in the mall"))
    add = TextField(N_("Add items"), required=False, maximum=10_000)


class NewCollectionForm(CollectionForm):
    code = TextField(N_("Key"), maximum=40)

    def check(self) -> Iterable[tuple[str, Message]]:
        if not _CODE.fullmatch(self.code):
            yield "code", Message(N_("Use small letters, digits and hyphens."))


class NumberForm(Form):
    id = IntegerField(maximum=2**62)


@get("/storefront", guards=[GUARD])
async def show_storefront(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Banners, rows and collections."""
    return await _show(request, session, BannerForm.blank())


@post("/storefront/banners", guards=[GUARD], request_max_body_size=LARGEST_FILE + _ROOM_FOR_THE_FORM)
async def create_banner(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Put a banner behind the others."""
    form = await BannerForm.read(request)
    if not form.is_valid:
        return await _show(request, session, form, status=422)
    connection, now = await driver_connection(session), now_of(request)
    digest = None
    if form.picture is not None:
        storage, actor = open_storage(visit_of(request).services.settings), actor_of(request).reference
        try:
            digest = await keep_picture(connection, storage, await form.picture.read(), actor=actor, now=now)
        except DomainError as refusal:
            return await _show(request, session, form, status=422, refusal=adopt_faults(form, refusal))
    names = ("title_zh", "title_en", "text_zh", "text_en", "href", "shown_from", "shown_to")
    draft = BannerDraft(**{name: getattr(form, name) for name in names}, digest=digest)
    banner_id = await add_banner(connection, draft, now=now)
    await record_act(request, session, "banner.create", f"banner:{banner_id}", after={"title": form.title_zh})
    leave_notice(request, N_("The banner is there."))
    return redirect(request, HERE)


@post("/storefront/banners/order", guards=[GUARD])
async def order_banners(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Set the order of banners and which are shown."""
    connection = await driver_connection(session)
    given = await request.form()
    ids = [one.id for one in await list_banners(connection)]
    order = _sorted_by_place(given, ids)
    shown = {one for one in ids if given.get(f"active_{one}")}
    await arrange_banners(connection, order, shown, now=now_of(request))
    await record_act(request, session, "banner.order", "banners", after={"order": order, "shown": sorted(shown)})
    leave_notice(request, N_("Saved."))
    return redirect(request, HERE)


@post("/storefront/banners/remove", guards=[GUARD])
async def delete_banner(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Take a banner away."""
    form = await NumberForm.read(request)
    await remove_banner(await driver_connection(session), form.id if form.is_valid else 0)
    await record_act(request, session, "banner.remove", f"banner:{form.id}")
    leave_notice(request, N_("The banner is gone."))
    return redirect(request, HERE)


@post("/storefront/sections", guards=[GUARD])
async def change_sections(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Set the rows of the home page; none lets the mall choose."""
    connection = await driver_connection(session)
    given = await request.form()
    collections = {f"collection:{one.code}" for one in await list_collections(connection)}
    known = {"newest:", *collections, *(f"scene:{scene}" for scene in SCENES)}
    rows = _sorted_by_place(given, list(range(MOST_SECTIONS)))
    chosen = [str(given.get(f"subject_{row}") or "") for row in rows]
    sections = [
        SectionDraft(kind, subject, ITEMS_OF_A_ROW)
        for kind, _, subject in (one.partition(":") for one in dict.fromkeys(chosen) if one in known)
    ]
    await save_sections(connection, sections)
    await record_act(request, session, "home.sections", "home", after={"rows": [one for one in chosen if one]})
    leave_notice(request, N_("Saved."))
    return redirect(request, HERE)


@get("/storefront/collections/new", guards=[GUARD])
async def show_new_collection(request: AnyRequest) -> Page:
    """An empty form."""
    return _show_collection(request, NewCollectionForm.blank(active="yes"), None, [])


@post("/storefront/collections/new", guards=[GUARD])
async def create_collection(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Make a collection."""
    form = await NewCollectionForm.read(request)
    connection = await driver_connection(session)
    if form.is_valid and form.code in {one.code for one in await list_collections(connection)}:
        form.refuse(N_("Another collection has this code."), "code")
    if not form.is_valid:
        return _show_collection(request, form, None, [], status=422)
    return await _save(request, session, form, form.code, None, [])


@get("/storefront/collections/{code:str}", guards=[GUARD])
async def show_collection(request: AnyRequest, session: NamedDependency[AsyncSession], code: FromPath[str]) -> Page:
    """A collection with its items."""
    found, lines = await load_collection(await driver_connection(session), code)
    texts = {name: getattr(found, name) for name in ("title_zh", "title_en", "intro_zh", "intro_en")}
    form = CollectionForm.blank(**texts, active="yes" if found.active else "")
    return _show_collection(request, form, found, lines)


@post("/storefront/collections/{code:str}", guards=[GUARD])
async def change_collection(request: AnyRequest, session: NamedDependency[AsyncSession], code: FromPath[str]) -> Page:
    """Change what it says, its items and their order."""
    form = await CollectionForm.read(request)
    found, lines = await load_collection(await driver_connection(session), code)
    if not form.is_valid:
        return _show_collection(request, form, found, lines, status=422)
    given = await request.form()
    kept = [one.sku for one in lines if not given.get(f"off_{one.sku}")]
    return await _save(request, session, form, code, (found, lines), _sorted_by_place(given, kept))


async def _save(
    request: AnyRequest, session: AsyncSession, form: CollectionForm, code: str, there: Any, skus: list[str]
) -> Page:
    connection = await driver_connection(session)
    names = ("title_zh", "title_en", "intro_zh", "intro_en", "active")
    draft = CollectionDraft(code=code, **{name: getattr(form, name) for name in names})
    wanted = list(dict.fromkeys([*skus, *split_names(form.add)]))
    refusal = await try_act(connection, save_collection(connection, draft, wanted, now=now_of(request)))
    if refusal:
        found, lines = there or (None, [])
        rest = adopt_faults(form, refusal)
        return _show_collection(request, form, found, lines, status=422, refusal=rest)
    await record_act(
        request, session, "collection.save", f"collection:{code}", after={"title": form.title_zh, "items": wanted}
    )
    leave_notice(request, N_("Saved."))
    return redirect(request, f"{HERE}/collections/{segment(code)}")


async def _show(
    request: AnyRequest,
    session: AsyncSession,
    form: BannerForm,
    *,
    status: int = 200,
    refusal: DomainError | None = None,
) -> Page:
    connection = await driver_connection(session)
    collections = await list_collections(connection)
    sections = [f"{one.kind}:{one.subject}" for one in await list_sections(connection)]
    return show(
        request,
        "storefront",
        status=status,
        refusal=refusal,
        form=form,
        banners=await list_banners(connection),
        collections=collections,
        rows=[*sections, *([""] * (MOST_SECTIONS - len(sections)))][: max(len(sections) + 2, 5)],
        subjects=[
            ("newest:", gettext(N_("The newest items"))),
            *((f"collection:{one.code}", text_of(one, "title")) for one in collections),
        ],
        address_of=address_of,
        largest=LARGEST_FILE // (1024 * 1024),
    )


def _show_collection(request: AnyRequest, form: CollectionForm, found: Any, lines: list[Any], **context: Any) -> Page:
    return show(request, "collection", form=form, found=found, lines=lines, **context)


def _sorted_by_place(given: Any, keys: list[Any]) -> list[Any]:
    """The keys by the number that stands in their field; those without one at the end, in their order."""

    def place(key: Any) -> int:
        text = str(given.get(f"position_{key}") or "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else _LAST

    return sorted(keys, key=place)


ROUTES = [
    show_storefront, create_banner, order_banners, delete_banner, change_sections, show_new_collection, create_collection,
    show_collection, change_collection,
]  # fmt: skip
