"""Items: the list, one item with everything about it, and the changes of its state, its stock and its codes."""

from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.catalog.models import ITEM_KINDS, SCENES
from liyu.catalog.pools import CodesImported, import_codes
from liyu.catalog.queries import ItemFilter, count_by_state, list_items, load_item
from liyu.catalog.service import set_state, set_stock
from liyu.catalog.states import STATES, TRANSITIONS
from liyu.core.database import driver_connection
from liyu.core.errors import DomainError
from liyu.core.i18n import N_
from liyu.partners.queries import partner_choices
from liyu.redemption.queries import RedemptionFilter, list_redemptions
from liyu.web.actor import actor_of, require_permission
from liyu.web.audit import record_act
from liyu.web.console import words
from liyu.web.console.common import (
    LONGEST_REASON,
    AnyRequest,
    choice_links,
    count_message,
    cursor_links,
    name_people,
    now_of,
    read_choice,
    read_cursor,
    read_text,
    segment,
    show,
    try_act,
)
from liyu.web.forms import ChoiceField, Form, IntegerField, TextField
from liyu.web.i18n import text_of
from liyu.web.pages import Page, leave_notice, redirect
from liyu.web.visit import visit_of

REDEMPTIONS_SHOWN = 8
MOST_CODES_TEXT = 2_000_000
PUBLISHED = ("live",)


class StateForm(Form):
    wanted = ChoiceField(STATES)
    reason = TextField(N_("Reason"), maximum=LONGEST_REASON)


class StockForm(Form):
    total = IntegerField(N_("Units ever offered"), required=False, maximum=10**12)


class CodesForm(Form):
    codes = TextField(N_("Codes"), maximum=MOST_CODES_TEXT)


@get("/items", guards=[require_permission("items.read")])
async def show_items(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The list with its filters."""
    connection = await driver_connection(session)
    partners = await partner_choices(connection)
    partner = read_choice(request, "partner", [one.code for one in partners])
    state = read_choice(request, "state", STATES)
    wanted = ItemFilter(
        text=read_text(request, "q"),
        state=state,
        kind=read_choice(request, "kind", ITEM_KINDS),
        scene=read_choice(request, "scene", SCENES),
        partner_id=next((one.id for one in partners if one.code == partner), None),
        drops=request.query_params.get("only") == "drops",
        sold_out=request.query_params.get("only") == "sold_out",
    )
    found = await list_items(connection, wanted, after=read_cursor(request))
    counts = await count_by_state(connection, wanted)
    states = [(name, words.item_state(name), count) for name, count in counts.items() if count or name == state]
    return show(
        request,
        "items",
        lines=found.lines,
        wanted=wanted,
        partner=partner,
        only=request.query_params.get("only"),
        partners=[(one.code, text_of(one, "name")) for one in partners],
        states=choice_links(request, "state", states, state),
        **cursor_links(request, found.next),
    )


@get("/items/{sku:str}", guards=[require_permission("items.read")])
async def show_item(request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str]) -> Page:
    """One item."""
    return await _show_item(request, session, sku)


@post("/items/{sku:str}/state", guards=[require_permission("items.publish")])
async def change_state(request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str]) -> Page:
    """Put on sale, take off sale or end, with a reason."""
    form = await StateForm.read(request)
    if not form.is_valid:
        return await _show_item(request, session, sku, form=form)
    connection = await driver_connection(session)
    item = (await load_item(connection, sku)).item
    change = set_state(
        connection, item.id, form.wanted, actor=actor_of(request).reference, reason=form.reason, now=now_of(request)
    )
    refusal = await try_act(connection, change)
    if refusal:
        return await _show_item(request, session, sku, refusal=refusal)
    await record_act(
        request,
        session,
        "item.state",
        f"item:{sku}",
        before={"state": item.state},
        after={"state": form.wanted, "reason": form.reason},
    )
    leave_notice(request, words.item_state(form.wanted))
    return redirect(request, f"/console/items/{segment(sku)}")


@post("/items/{sku:str}/stock", guards=[require_permission("items.edit")])
async def change_stock(request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str]) -> Page:
    """Set how many units were ever offered; an empty field is without limit."""
    form = await StockForm.read(request)
    if not form.is_valid:
        return await _show_item(request, session, sku, form=form)
    connection = await driver_connection(session)
    item = (await load_item(connection, sku)).item
    refusal = await try_act(connection, set_stock(connection, item.id, form.total, now=now_of(request)))
    if refusal:
        return await _show_item(request, session, sku, refusal=refusal)
    await record_act(
        request, session, "item.stock", f"item:{sku}", before={"total": item.total}, after={"total": form.total}
    )
    leave_notice(request, N_("The stock is set."))
    return redirect(request, f"/console/items/{segment(sku)}")


@post("/items/{sku:str}/codes", guards=[require_permission("items.edit")])
async def add_codes(request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str]) -> Page:
    """Add codes to the pool and say of each what became of it. The same codes again change nothing."""
    form = await CodesForm.read(request)
    if not form.is_valid:
        return await _show_item(request, session, sku, form=form)
    connection = await driver_connection(session)
    secret_key = visit_of(request).services.settings.secret_key
    lines = form.codes.splitlines()
    imported = await import_codes(connection, sku, lines, secret_key=secret_key)
    answer = {status: imported.count(status) for status in ("ok", "existing", "duplicate", "failed")}
    await record_act(request, session, "codes.import", f"item:{sku}", after={**answer, "total": imported.total})
    return await _show_item(request, session, sku, imported=imported)


async def _show_item(
    request: AnyRequest,
    session: AsyncSession,
    sku: str,
    *,
    form: Form | None = None,
    refusal: DomainError | None = None,
    imported: CodesImported | None = None,
) -> Page:
    connection = await driver_connection(session)
    found = await load_item(connection, sku)
    item = found.item
    redemptions = await list_redemptions(connection, RedemptionFilter(sku=sku), size=REDEMPTIONS_SHOWN)
    return show(
        request,
        "item",
        refusal=refusal,
        **({"status": 422} if form is not None else {}),
        item=item,
        stores=found.stores,
        changes=found.changes,
        names=await name_people(connection, [one.actor for one in found.changes]),
        redemptions=redemptions,
        steps=_steps_from(item.state),
        form=form,
        imported=_answer(imported) if imported else None,
    )


def _steps_from(state: str) -> list[str]:
    """Where an operator may lead an item from here; a partner's review is another screen."""
    return [wanted for wanted in TRANSITIONS[state] if wanted != "submitted"]


def _answer(imported: CodesImported) -> dict[str, Any]:
    refused = [(number, status) for number, status in enumerate(imported.statuses, 1) if status != "ok"]
    return {
        "ok": imported.count("ok"),
        "existing": imported.count("existing"),
        "duplicate": imported.count("duplicate"),
        "failed": imported.count("failed"),
        "total": imported.total,
        "refused": refused[:100],
        "more": count_message(N_("and %(count)s more lines"), count=len(refused) - 100) if len(refused) > 100 else "",
    }


ROUTES = [show_items, show_item, change_state, change_stock, add_codes]
