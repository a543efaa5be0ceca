"""Making and changing items by hand, and loading many of them from a CSV file."""

import asyncio
import tempfile
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.catalog.errors import FileFaultyError, RowFault
from liyu.catalog.import_items import COLUMNS, REQUIRED, import_items, read_csv
from liyu.catalog.models import ITEM_KINDS, SCENES
from liyu.catalog.publish import publish_items
from liyu.catalog.queries import ItemFacts, load_item
from liyu.catalog.records import ItemRecord
from liyu.catalog.service import set_state
from liyu.core.database import driver_connection
from liyu.core.i18n import N_, Message
from liyu.members.account import list_tiers
from liyu.partners.queries import partner_choices
from liyu.web.actor import actor_of, require_permission
from liyu.web.audit import record_act
from liyu.web.console.common import AnyRequest, Connection, now_of, segment, show
from liyu.web.formats import current_zone
from liyu.web.forms import (
    CheckField,
    ChoiceField,
    FileField,
    Form,
    InstantField,
    IntegerField,
    MoneyField,
    TextField,
)
from liyu.web.i18n import text_of
from liyu.web.pages import Page, leave_notice, redirect

LARGEST_PRICE = 10**9
LONGEST_NAME = 200
LONGEST_TEXT = 5000


class ItemForm(Form):
    name_zh = TextField(N_("Name in Chinese"), maximum=LONGEST_NAME)
    name_en = TextField(N_("Name in English"), required=False, maximum=LONGEST_NAME)
    summary_zh = TextField(N_("Summary in Chinese"), required=False, maximum=LONGEST_NAME)
    summary_en = TextField(N_("Summary in English"), required=False, maximum=LONGEST_NAME)
    description_zh = TextField(N_("Description in Chinese"), required=False, maximum=LONGEST_TEXT)
    description_en = TextField(N_("Description in English"), required=False, maximum=LONGEST_TEXT)
    rules_zh = TextField(N_("Rules in Chinese"), required=False, maximum=LONGEST_TEXT)
    rules_en = TextField(N_("Rules in English"), required=False, maximum=LONGEST_TEXT)
    scene = ChoiceField(SCENES, N_("Scene"))
    points = IntegerField(N_("Points"), maximum=LARGEST_PRICE)
    cash_minor = MoneyField(N_("and cash"), required=False, default=0)
    value_minor = MoneyField(N_("Worth"), required=False, default=0)
    is_drop = CheckField(N_("Limited drop"))
    on_sale_from = InstantField(N_("On sale from"), required=False)
    on_sale_to = InstantField(N_("On sale until"), required=False)
    per_member_limit = IntegerField(N_("Limit for each member"), required=False, minimum=1)
    per_day_limit = IntegerField(N_("Limit for each member a day"), required=False, minimum=1)
    tier = TextField(N_("Lowest tier"), required=False, maximum=64)
    partner = TextField(N_("Partner"), required=False, maximum=64)
    voucher_days = IntegerField(N_("Days a voucher is valid"), required=False, minimum=1, maximum=3650, default=90)
    uses = IntegerField(N_("Uses of a voucher"), required=False, minimum=1, maximum=1000, default=1)

    def check(self) -> Iterable[tuple[str, Message]]:
        if self.on_sale_from and self.on_sale_to and self.on_sale_from >= self.on_sale_to:
            yield "on_sale_to", Message(N_("The sale must begin before it ends."))


class NewItemForm(ItemForm):
    sku = TextField(N_("Item number"), maximum=64)
    kind = ChoiceField(ITEM_KINDS, N_("Kind"))
    stock = IntegerField(N_("Units ever offered"), required=False, maximum=10**12)
    on_sale = CheckField(N_("Put on sale at once"))


class UploadForm(Form):
    file = FileField(N_("CSV file"))


@get("/items/new", guards=[require_permission("items.publish")])
async def show_new(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """An empty form."""
    form = NewItemForm.blank(scene="shopping", voucher_days="90", uses="1", on_sale="yes")
    return await _show_form(request, await driver_connection(session), form)


@post("/items/new", guards=[require_permission("items.publish")])
async def create_item(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Make an item; it goes on sale at once unless the box says otherwise."""
    form = await NewItemForm.read(request)
    connection = await driver_connection(session)
    if form.is_valid and await _is_taken(connection, form.sku):
        form.refuse(N_("Another item has this number."), "sku")
    if not form.is_valid:
        return await _show_form(request, connection, form, status=422)
    record = ItemRecord(sku=form.sku, kind=form.kind, stock=form.stock, **_values(form))
    faults = await _publish(request, connection, record)
    if faults:
        return await _show_form(request, connection, _with_faults(form, faults), status=422)
    item = (await load_item(connection, form.sku)).item
    if not form.on_sale:
        await set_state(
            connection, item.id, "paused", actor=actor_of(request).reference, reason="", now=now_of(request)
        )
    await record_act(request, session, "item.create", f"item:{form.sku}", after=_facts(item))
    leave_notice(request, N_("The item is there."))
    return redirect(request, f"/console/items/{segment(form.sku)}")


@get("/items/{sku:str}/edit", guards=[require_permission("items.edit")])
async def show_edit(request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str]) -> Page:
    """The form with what the item says now."""
    connection = await driver_connection(session)
    item = (await load_item(connection, sku)).item
    return await _show_form(request, connection, ItemForm.blank(**_texts(item)), item=item)


@post("/items/{sku:str}/edit", guards=[require_permission("items.edit")])
async def change_item(request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str]) -> Page:
    """Change what is said of an item; its state stays. What members hold already keeps its terms."""
    form = await ItemForm.read(request)
    connection = await driver_connection(session)
    before = (await load_item(connection, sku)).item
    if not form.is_valid:
        return await _show_form(request, connection, form, item=before, status=422)
    faults = await _publish(request, connection, ItemRecord(sku=sku, **_values(form)))
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


@get("/items/import", guards=[require_permission("items.publish")])
async def show_import(request: AnyRequest) -> Page:
    """Ask for the file."""
    return show(request, "items_import", form=UploadForm.blank(), columns=COLUMNS, needed=REQUIRED, faults=None)


@post("/items/import", guards=[require_permission("items.publish")])
async def import_file(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Publish a file's items at once, or say every fault of every row and change nothing."""
    form = await UploadForm.read(request)
    context: dict[str, Any] = {"form": form, "columns": COLUMNS, "needed": REQUIRED, "faults": None}
    if not form.is_valid or form.file is None:
        return show(request, "items_import", status=422, **context)
    connection = await driver_connection(session)
    try:
        rows = await asyncio.to_thread(_read_rows, await form.file.read())
        result = await import_items(
            connection, rows, actor=actor_of(request).reference, now=now_of(request), zone=current_zone()
        )
    except FileFaultyError as fault:
        return show(request, "items_import", status=422, **{**context, "faults": fault.faults})
    await record_act(
        request, session, "items.import", f"file:{form.file.filename[:100]}", after=msgspec.to_builtins(result)
    )
    leave_notice(
        request,
        Message(
            N_("%(created)s created, %(changed)s changed, %(unchanged)s as they were."),
            {"created": result.created, "changed": result.changed, "unchanged": result.unchanged},
        ),
    )
    return redirect(request, "/console/items")


def _read_rows(content: bytes) -> list[dict[str, str]]:
    with tempfile.NamedTemporaryFile(suffix=".csv") as file:
        file.write(content)
        file.flush()
        return read_csv(Path(file.name))


async def _publish(request: AnyRequest, connection: Connection, record: ItemRecord) -> list[RowFault]:
    try:
        await publish_items(
            connection,
            [record],
            actor=actor_of(request).reference,
            now=now_of(request),
            zone=current_zone(),
            keep_states=True,
        )
    except FileFaultyError as fault:
        return fault.faults
    return []


def _with_faults(form: Form, faults: list[RowFault]) -> Form:
    for fault in faults:
        form.refuse(fault.message, fault.column if fault.column in form.fields else "")
    return form


async def _is_taken(connection: Connection, sku: str) -> bool:
    found = await connection.execute("SELECT FROM item WHERE sku = %s", (sku,))
    return found.rowcount > 0


async def _show_form(
    request: AnyRequest, connection: Connection, form: Form, *, item: ItemFacts | None = None, status: int = 200
) -> Page:
    return show(
        request,
        "item_form",
        status=status,
        form=form,
        item=item,
        tiers=[(tier.code, text_of(tier, "name")) for tier in await list_tiers(connection)],
        partners=[(one.code, text_of(one, "name")) for one in await partner_choices(connection)],
    )


def _values(form: ItemForm) -> dict[str, Any]:
    """The form as the fields of a record."""
    plain = (
        "name_zh", "name_en", "summary_zh", "summary_en", "description_zh", "description_en", "scene", "points", "cash_minor",
        "value_minor", "is_drop", "on_sale_from", "on_sale_to", "per_member_limit", "per_day_limit", "voucher_days", "uses",
    )  # fmt: skip
    values = {name: getattr(form, name) for name in plain}
    return values | {
        "rules_zh": _lines(form.rules_zh),
        "rules_en": _lines(form.rules_en),
        "tier": form.tier or None,
        "partner": form.partner or None,
    }


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _texts(item: ItemFacts) -> dict[str, str]:
    """The item as the form shows it."""
    facts = msgspec.structs.asdict(item)
    texts = {name: "" if facts.get(name) is None else str(facts.get(name)) for name in ItemForm.fields}
    return texts | {
        "rules_zh": "\n".join(item.rules_zh),
        "rules_en": "\n".join(item.rules_en),
        "cash_minor": _amount(item.cash_minor),
        "value_minor": _amount(item.value_minor),
        "is_drop": "yes" if item.is_drop else "",
        "on_sale_from": _local(item.on_sale_from),
        "on_sale_to": _local(item.on_sale_to),
        "tier": item.tier_code or "",
        "partner": item.partner_code or "",
    }


def _amount(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02d}" if minor else ""


def _local(instant: datetime | None) -> str:
    """An instant as `<input type="datetime-local">` wants it."""
    return instant.astimezone(current_zone()).strftime("%Y-%m-%dT%H:%M") if instant else ""


def _facts(item: ItemFacts) -> dict[str, Any]:
    """What the audit log keeps of an item."""
    facts: dict[str, Any] = msgspec.to_builtins(item)
    left_out = {"id", "partner_id", "created_at", "changed_at", "taken", "codes_free", "codes_given", "partner_state"}
    return {name: value for name, value in facts.items() if name not in left_out}


ROUTES = [show_new, create_item, show_import, import_file, show_edit, change_item]
