"""Favourites 收藏: marked on an item's page, kept on a page of their own beside what was looked at last, and compared there."""

from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.catalog.favourites import load_kept, mark_favourite, unmark_favourite
from liyu.core.database import driver_connection
from liyu.core.i18n import N_
from liyu.members.account import load_account
from liyu.web.actor import actor_of
from liyu.web.forms import CheckField, Form, TextField
from liyu.web.mall.cards import Shelf
from liyu.web.mall.item import find_item, find_items
from liyu.web.mall.member import AnyRequest, facts_of, member_id_of, now_of, today_of
from liyu.web.pages import Page, fragment, leave_notice, local_path, page, redirect
from liyu.web.visit import visit_of


class MarkForm(Form):
    sku = TextField(N_("Item"), maximum=100)
    wanted = CheckField(N_("Favourite"))
    next = TextField(required=False)


@get("/favourites")
async def show_favourites(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """What the member keeps an eye on, and what they looked at last; items that are gone from the mall are left out."""
    connection, member_id = await driver_connection(session), member_id_of(actor_of(request))
    account = await load_account(connection, member_id, today_of(request))
    kept = await load_kept(connection, member_id)
    snapshot = visit_of(request).services.catalog.snapshot
    shelf = Shelf(request, snapshot, facts_of(account))
    favourites = find_items(snapshot, kept.favourites)
    seen = [item for item in find_items(snapshot, kept.seen) if item not in favourites]
    return page(
        request,
        "mall/favourites.html",
        tab="me",
        favourites=[{"item": item, "card": shelf.card(item)} for item in favourites],
        seen=shelf.cards(seen),
    )


@post("/favourites")
async def mark(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Make an item a favourite, or let go of it. For htmx the heart alone, otherwise back to where one came from."""
    form = await MarkForm.read(request)
    item = find_item(visit_of(request).services.catalog.snapshot, form.sku if form.is_valid else "")
    connection, member_id = await driver_connection(session), member_id_of(actor_of(request))
    if form.wanted:
        await mark_favourite(connection, member_id, item.id, now=now_of(request))
    else:
        await unmark_favourite(connection, member_id, item.id)
    if visit_of(request).is_fragment:
        return fragment(request, "mall/_heart.html", item=item, is_favourite=form.wanted)
    words = (
        N_("We tell you when you can have it, and when it is back.") if form.wanted else N_("No favourite any more.")
    )
    leave_notice(request, words)
    return redirect(request, local_path(form.next, f"/items/{item.sku}"))


ROUTES: list[Any] = [show_favourites, mark]
