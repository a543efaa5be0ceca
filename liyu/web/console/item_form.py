"""Making and changing items by hand, with the phone's page beside the form; copying one; taking an earlier version back."""

from typing import Any

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.catalog.errors import FileFaultyError, RowFault
from liyu.catalog.plan import LIVE
from liyu.catalog.publish import publish_items
from liyu.catalog.queries import ItemFacts, load_item
from liyu.catalog.records import ItemRecord
from liyu.catalog.versions import restore_version
from liyu.core.database import driver_connection
from liyu.core.i18n import N_
from liyu.members.account import list_tiers
from liyu.members.tags.queries import list_tags
from liyu.partners.queries import partner_choices
from liyu.web.actor import actor_of, require_permission
from liyu.web.acts import try_act
from liyu.web.audit import record_act
from liyu.web.console import item_words
from liyu.web.console.common import AnyRequest, Connection, now_of, read_text, segment, show
from liyu.web.console.item_fields import PRICE, AnyItemForm, ItemForm, NewItemForm, form_with, record_of, texts_of
from liyu.web.console.item_preview import preview_of
from liyu.web.formats import current_zone
from liyu.web.forms import Form, IntegerField
from liyu.web.i18n import text_of
from liyu.web.pages import Page, leave_notice, redirect

DRAFT = "draft"


class VersionForm(Form):
    number = IntegerField(minimum=1)


@get("/items/new", guards=[require_permission("items.publish")])
async def show_new(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """An empty form, or a copy of the item that `copy` names; what is to be made anew is left out."""
    connection = await driver_connection(session)
    texts: dict[str, Any] = {"scene": "shopping", "voucher_days": "90", "uses": "1", "on_sale": "yes"}
    if copied := read_text(request, "copy"):
        found = await load_item(connection, copied)
        texts = texts_of(found.item, [store.code for store in found.stores]) | {"sku": "", "on_sale": ""}
    return await _show_form(request, connection, (await _form_class(connection, NewItemForm)).blank(**texts))


@post("/items/new", guards=[require_permission("items.publish")])
async def create_item(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Make an item; it goes on sale at once unless the box says otherwise."""
    connection = await driver_connection(session)
    form = await (await _form_class(connection, NewItemForm)).read(request)
    if form.is_valid and await _is_taken(connection, form.sku):
        form.refuse(N_("Another item has this number."), "sku")
    if not form.is_valid:
        return await _show_form(request, connection, form, status=422)
    record = record_of(form, form.sku, kind=form.kind, stock=form.stock)
    faults = await _publish(request, connection, record, new_state=LIVE if form.on_sale else DRAFT)
    if faults:
        return await _show_form(request, connection, _with_faults(form, faults), status=422)
    item = (await load_item(connection, form.sku)).item
    await record_act(request, session, "item.create", f"item:{form.sku}", after=_facts(item))
    leave_notice(request, N_("The item is there."))
    return redirect(request, f"/console/items/{segment(form.sku)}")


@get("/items/{sku:str}/edit", guards=[require_permission("items.edit")])
async def show_edit(request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str]) -> Page:
    """The form with what the item says now."""
    connection = await driver_connection(session)
    found = await load_item(connection, sku)
    texts = texts_of(found.item, [store.code for store in found.stores])
    return await _show_form(request, connection, ItemForm.blank(**texts), item=found.item)


@post("/items/{sku:str}/edit", guards=[require_permission("items.edit")])
async def change_item(request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str]) -> Page:
    """Change what is said of an item; its state stays. What members hold already keeps its terms."""
    connection = await driver_connection(session)
    form = await (await _form_class(connection, ItemForm)).read(request)
    before = (await load_item(connection, sku)).item
    if not form.is_valid:
        return await _show_form(request, connection, form, item=before, status=422)
    faults = await _publish(request, connection, record_of(form, sku))
    if faults:
        return await _show_form(request, connection, _with_faults(form, faults), item=before, status=422)
    after = (await load_item(connection, sku)).item
    changed = {name for name, value in _facts(after).items() if _facts(before)[name] != value}
    if changed:
        await record_act(
            request,
            session,
            "item.edit",
            f"item:{sku}",
            before={name: _facts(before)[name] for name in sorted(changed)},
            after={name: _facts(after)[name] for name in sorted(changed)},
        )
    leave_notice(request, N_("Saved."))
    return redirect(request, f"/console/items/{segment(sku)}")


@post("/items/preview", guards=[require_permission("items.edit")])
async def preview(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The phone's page of what the form says, also where it is not finished yet. Nothing is saved."""
    connection = await driver_connection(session)
    form = await (await _form_class(connection, NewItemForm)).read(request)
    return await preview_of(request, connection, form)


@post("/items/{sku:str}/restore", guards=[require_permission("items.edit")])
async def restore(request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str]) -> Page:
    """Say again what the item said in an earlier version."""
    form = await VersionForm.read(request)
    if not form.is_valid:
        return redirect(request, f"/console/items/{segment(sku)}/versions")
    connection = await driver_connection(session)
    actor, now = actor_of(request).reference, now_of(request)
    refusal = await try_act(
        connection, restore_version(connection, sku, form.number, actor=actor, now=now, zone=current_zone())
    )
    if refusal:
        leave_notice(request, refusal.reasons[0].message if refusal.reasons else refusal.text, "error")
    else:
        await record_act(request, session, "item.restore", f"item:{sku}", after={"version": form.number})
        leave_notice(request, N_("The item says again what it said then."))
    return redirect(request, f"/console/items/{segment(sku)}/versions")


async def _publish(
    request: AnyRequest, connection: Connection, record: ItemRecord, *, new_state: str = LIVE
) -> list[RowFault]:
    try:
        await publish_items(
            connection,
            [record],
            actor=actor_of(request).reference,
            now=now_of(request),
            zone=current_zone(),
            keep_states=True,
            new_state=new_state,
        )
    except FileFaultyError as fault:
        return fault.faults
    return []


def _with_faults(form: ItemForm, faults: list[RowFault]) -> ItemForm:
    form.adopt_rows(faults)
    return form


async def _is_taken(connection: Connection, sku: str) -> bool:
    found = await connection.execute("SELECT FROM item WHERE sku = %s", (sku,))
    return found.rowcount > 0


async def _form_class(connection: Connection, form: type[AnyItemForm]) -> type[AnyItemForm]:
    return form_with(form, await list_tiers(connection), await list_tags(connection))


async def _show_form(
    request: AnyRequest, connection: Connection, form: Form, *, item: ItemFacts | None = None, status: int = 200
) -> Page:
    tiers = await list_tiers(connection)
    return show(
        request,
        "item_form",
        status=status,
        form=form,
        item=item,
        tiers=[(tier.code, text_of(tier, "name")) for tier in tiers],
        prices=[
            (f"{PRICE}{tier.code}", text_of(tier, "name"), form.raw.get(f"{PRICE}{tier.code}", ""))
            for tier in tiers[1:]
        ],
        tags=[(tag.code, text_of(tag, "name")) for tag in await list_tags(connection)],
        partners=[(one.code, text_of(one, "name")) for one in await partner_choices(connection)],
        item_words=item_words,
    )


def _facts(item: ItemFacts) -> dict[str, Any]:
    """What the audit log keeps of an item."""
    facts: dict[str, Any] = msgspec.to_builtins(item)
    left_out = {"id", "partner_id", "created_at", "changed_at", "taken", "codes_free", "codes_given", "partner_state"}
    return {name: value for name, value in facts.items() if name not in left_out}


ROUTES = [show_new, create_item, preview, show_edit, change_item, restore]
