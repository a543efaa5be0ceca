"""Items: the list, one item with everything about it, and the changes of its state, its stock and its codes."""

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.catalog.models import ITEM_KINDS, SCENES, VOUCHER_KINDS
from liyu.catalog.pictures import list_pictures
from liyu.catalog.planned_prices import list_planned_prices
from liyu.catalog.queries import ItemFilter, count_by_state, list_items, load_item
from liyu.catalog.service import set_state, set_stock
from liyu.catalog.states import STATES, TRANSITIONS
from liyu.catalog.versions import differences, list_versions
from liyu.core.database import driver_connection
from liyu.core.errors import DomainError
from liyu.core.i18n import N_
from liyu.partners.queries import partner_choices
from liyu.redemption.queries import RedemptionFilter, list_redemptions
from liyu.vouchers.runs.queries import fits_run
from liyu.web.actor import actor_of, require_permission
from liyu.web.acts import try_act
from liyu.web.audit import record_act
from liyu.web.console import item_words, words
from liyu.web.console.common import (
    LONGEST_REASON,
    AnyRequest,
    choice_links,
    cursor_links,
    name_people,
    now_of,
    read_choice,
    read_cursor,
    read_text,
    segment,
    show,
)
from liyu.web.forms import ChoiceField, Form, IntegerField, TextField
from liyu.web.i18n import text_of
from liyu.web.item_terms import describe_coupon
from liyu.web.pages import Page, fragment, leave_notice, redirect
from liyu.web.pictures import address_of

REDEMPTIONS_SHOWN = 8
SUGGESTED = 30


class StateForm(Form):
    wanted = ChoiceField(STATES)
    reason = TextField(N_("Reason"), maximum=LONGEST_REASON)


class StockForm(Form):
    total = IntegerField(N_("Units ever offered"), required=False, maximum=10**12)


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


@get("/item-options", guards=[require_permission("items.read")])
async def suggest_items(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """What a field for an item suggests for what was typed, whatever the field is called."""
    typed = next((read_text(request, name) for name in request.query_params), "")
    found = await list_items(await driver_connection(session), ItemFilter(text=typed), size=SUGGESTED)
    return fragment(request, "console/_item_options.html", lines=found.lines)


@get("/items/{sku:str}", guards=[require_permission("items.read")])
async def show_item(request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str]) -> Page:
    """One item."""
    return await _show_item(request, session, sku)


@get("/items/{sku:str}/versions", guards=[require_permission("items.read")])
async def show_versions(request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str]) -> Page:
    """What the item said after each change, and what that change was."""
    connection = await driver_connection(session)
    item = (await load_item(connection, sku)).item
    versions = await list_versions(connection, item.id)
    names = await name_people(connection, [one.actor for one in versions])
    lookup = await item_words.load_lookup(connection)
    befores = [*versions[1:], None]
    rows = [
        {
            "number": one.number,
            "at": one.at,
            "by": names.of(one.actor),
            "reason": item_words.version_reason(one.reason),
            "rows": [item_words.say(change, lookup) for change in differences(before.facts, one.facts)]
            if before
            else [],
        }
        for one, before in zip(versions, befores, strict=True)
    ]
    return show(request, "item_versions", item=item, versions=rows)


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
    change = set_stock(connection, item.id, form.total, now=now_of(request), actor=actor_of(request).reference)
    refusal = await try_act(connection, change)
    if refusal:
        return await _show_item(request, session, sku, refusal=refusal)
    await record_act(
        request, session, "item.stock", f"item:{sku}", before={"total": item.total}, after={"total": form.total}
    )
    leave_notice(request, N_("The stock is set."))
    return redirect(request, f"/console/items/{segment(sku)}")


async def _show_item(
    request: AnyRequest,
    session: AsyncSession,
    sku: str,
    *,
    form: Form | None = None,
    refusal: DomainError | None = None,
) -> Page:
    connection = await driver_connection(session)
    found = await load_item(connection, sku)
    item = found.item
    planned = await list_planned_prices(connection, item.id)
    pictures = await list_pictures(connection, item.id)
    redemptions = await list_redemptions(connection, RedemptionFilter(sku=sku), size=REDEMPTIONS_SHOWN)
    return show(
        request,
        "item",
        refusal=refusal,
        **({"status": 422} if form is not None else {}),
        item=item,
        picture=address_of(pictures[0].digest) if pictures else None,
        stores=found.stores,
        changes=found.changes,
        variants=found.variants,
        next_price=next((one for one in planned if one.state == "planned"), None),
        coupon=describe_coupon(item) if item.coupon_form else None,
        names=await name_people(connection, [one.actor for one in found.changes]),
        redemptions=redemptions,
        steps=_steps_from(item.state),
        gives_vouchers=item.kind in VOUCHER_KINDS,
        fits_run=await fits_run(connection, item.id),
        form=form,
    )


def _steps_from(state: str) -> list[str]:
    """Where an operator may lead an item from here; a partner's review is another screen."""
    return [wanted for wanted in TRANSITIONS[state] if wanted != "submitted"]


ROUTES = [show_items, suggest_items, show_item, show_versions, change_state, change_stock]
