"""One change for all items that were ticked: a form, the differences, then the change. States move item by item."""

from collections.abc import Iterable
from typing import Any

from litestar import post
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.catalog.bulk_edit import FIELDS, MOST_ITEMS, BulkChange, apply_change, preview_change
from liyu.catalog.errors import FileFaultyError
from liyu.catalog.models import SCENES
from liyu.catalog.queries import load_item
from liyu.catalog.service import set_state
from liyu.catalog.states import STATES
from liyu.core.database import driver_connection
from liyu.core.errors import DomainError
from liyu.core.i18n import N_, Message
from liyu.members.account import list_tiers
from liyu.web.actor import actor_of, require_permission
from liyu.web.acts import try_act
from liyu.web.audit import record_act
from liyu.web.console import item_words
from liyu.web.console.common import LONGEST_REASON, AnyRequest, now_of, show
from liyu.web.formats import current_zone
from liyu.web.forms import ChoiceField, Form, InstantField, IntegerField, TextField
from liyu.web.i18n import text_of
from liyu.web.item_forms import LARGEST_PRICE
from liyu.web.pages import Page, leave_notice, redirect


class BulkForm(Form):
    field = ChoiceField(FIELDS, N_("What to change"))
    scene = ChoiceField(SCENES, N_("Scene"), required=False)
    points = IntegerField(N_("Points"), required=False, maximum=LARGEST_PRICE)
    points_percent = IntegerField(N_("Points up or down by percent"), required=False, minimum=-90, maximum=500)
    per_member_limit = IntegerField(N_("Limit for each member"), required=False, minimum=1)
    per_day_limit = IntegerField(N_("Limit for each member a day"), required=False, minimum=1)
    on_sale_from = InstantField(N_("On sale from"), required=False)
    on_sale_to = InstantField(N_("On sale until"), required=False)
    tier = TextField(N_("Lowest tier"), required=False, maximum=64)
    stock_more = IntegerField(N_("Units more"), required=False, minimum=1, maximum=10**9)

    def check(self) -> Iterable[tuple[str, Message]]:
        if self.values[self.field] is None and self.field in ("scene", "points", "points_percent", "stock_more"):
            yield self.field, Message(N_("This field is needed."))

    @property
    def change(self) -> BulkChange:
        """The change that was asked for; an empty limit, window or tier takes it away."""
        return BulkChange(self.field, self.values[self.field] or (0 if self.field == "points" else None))


class StatesForm(Form):
    wanted = ChoiceField(STATES)
    reason = TextField(N_("Reason"), maximum=LONGEST_REASON)


@post("/items/bulk", guards=[require_permission("items.edit")])
async def choose(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Ask what to change of the items that were ticked; with a change, show what it would do."""
    skus = await _chosen(request)
    if not skus:
        leave_notice(request, N_("Tick the items first."), "error")
        return redirect(request, "/console/items")
    given = await request.form()
    if "field" not in given:
        return await _show(request, session, skus, BulkForm.blank())
    form = await BulkForm.read(request)
    if not form.is_valid:
        return await _show(request, session, skus, form, status=422)
    connection = await driver_connection(session)
    trial = await preview_change(connection, skus, form.change, now=now_of(request), zone=current_zone())
    return await _show(request, session, skus, form, trial=trial, status=422 if trial.faults else 200)


@post("/items/bulk/apply", guards=[require_permission("items.edit")])
async def apply(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Change all of them, or none."""
    skus, form = await _chosen(request), await BulkForm.read(request)
    if not form.is_valid or not skus:
        return await _show(request, session, skus, form, status=422)
    connection = await driver_connection(session)
    actor, now = actor_of(request).reference, now_of(request)
    try:
        result = await apply_change(connection, skus, form.change, actor=actor, now=now, zone=current_zone())
    except FileFaultyError as refusal:
        return await _show(request, session, skus, form, status=422, refusal=refusal)
    change = {"field": form.field, "value": str(form.change.value), "items": skus}
    await record_act(request, session, "items.bulk", "items", after=change)
    leave_notice(request, Message(N_("%(count)s items were changed."), {"count": result.changed}))
    return redirect(request, "/console/items")


@post("/items/bulk/state", guards=[require_permission("items.publish")])
async def move(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Put on sale, take off sale or end; those whose state does not lead there stay."""
    skus, form = await _chosen(request), await StatesForm.read(request)
    if not form.is_valid or not skus:
        leave_notice(request, N_("Tick the items first, and say why."), "error")
        return redirect(request, "/console/items")
    connection = await driver_connection(session)
    actor, now, moved = actor_of(request).reference, now_of(request), []
    for sku in skus:
        item = (await load_item(connection, sku)).item
        change = set_state(connection, item.id, form.wanted, actor=actor, reason=form.reason, now=now)
        if await try_act(connection, change) is None:
            moved.append(sku)
    if moved:
        after = {"state": form.wanted, "reason": form.reason, "items": moved}
        await record_act(request, session, "item.state", "items", after=after)
    words = N_("%(count)s of %(all)s items were moved; the others’ states do not lead there.")
    message = Message(words, {"count": len(moved), "all": len(skus)}) if len(moved) < len(skus) else None
    leave_notice(request, message or Message(N_("%(count)s items were changed."), {"count": len(moved)}))
    return redirect(request, "/console/items")


async def _chosen(request: AnyRequest) -> list[str]:
    return list(dict.fromkeys(map(str, (await request.form()).getall("sku", []))))[:MOST_ITEMS]


async def _show(
    request: AnyRequest,
    session: AsyncSession,
    skus: list[str],
    form: BulkForm,
    *,
    status: int = 200,
    refusal: DomainError | None = None,
    trial: Any = None,
) -> Page:
    connection = await driver_connection(session)
    return show(
        request,
        "items_bulk",
        status=status,
        refusal=refusal,
        skus=skus,
        form=form,
        trial=trial,
        tiers=[(tier.code, text_of(tier, "name")) for tier in await list_tiers(connection)],
        fields=[(name, item_words.bulk_field(name)) for name in FIELDS],
        item_words=item_words,
        lookup=await item_words.load_lookup(connection),
    )


ROUTES = [choose, apply, move]
