"""Gift codes: batches made, their lists fetched once, ranges activated and cancelled, codes looked up."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from psycopg import AsyncConnection
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.clock import start_of_day
from liyu.core.database import driver_connection
from liyu.core.errors import DomainError
from liyu.core.i18n import N_, Message
from liyu.core.storage import open_storage
from liyu.redemption.giftcodes.batches import (
    CODE_STATES,
    LARGEST_POINTS,
    LIST_DAYS,
    LONGEST_NAME,
    MOST_CODES,
    Batch,
    BatchDraft,
    change_range,
    find_code,
    list_acts,
    list_batches,
    list_codes,
    load_batch,
    make_batch,
    take_list,
)
from liyu.redemption.giving import LARGEST_QUANTITY, list_givable
from liyu.web.actor import actor_of, require_permission
from liyu.web.acts import attempt, carry_out
from liyu.web.attachments import CSV, attach
from liyu.web.audit import record_act
from liyu.web.console.common import (
    LONGEST_REASON,
    AnyRequest,
    Connection,
    choice_links,
    cursor_links,
    name_people,
    now_of,
    read_choice,
    read_cursor,
    show,
    today_of,
)
from liyu.web.formats import current_zone
from liyu.web.forms import ChoiceField, DateField, Form, IntegerField, TextField
from liyu.web.i18n import gettext, text_of, translate
from liyu.web.pages import Page, leave_notice, redirect
from liyu.web.visit import visit_of

READ = require_permission("giftcodes.read")
EDIT = require_permission("giftcodes.edit")
GIVES = ("points", "item")
_STATES: dict[str, tuple[str, str]] = {
    "made": (N_("Not activated"), "grey"),
    "active": (N_("Activated"), "blue"),
    "redeemed": (N_("Has been redeemed"), "green"),
    "cancelled": (N_("Made void"), "red"),
}
_ACTS: dict[str, str] = {
    "made": N_("Made"),
    "fetched": N_("List fetched"),
    "activated": N_("Activated"),
    "cancelled": N_("Made void"),
}


class BatchForm(Form):
    name = TextField(N_("Name"), maximum=LONGEST_NAME)
    codes = IntegerField(N_("Number of codes"), minimum=1, maximum=MOST_CODES)
    gives = ChoiceField(GIVES, label=N_("What a code gives"))
    points = IntegerField(N_("Points"), required=False, minimum=1, maximum=LARGEST_POINTS)
    sku = TextField(N_("Item"), required=False, maximum=64)
    quantity = IntegerField(N_("Units"), required=False, minimum=1, maximum=LARGEST_QUANTITY, default=1)
    first_day = DateField(N_("First day"))
    last_day = DateField(N_("Good until"))
    per_member_limit = IntegerField(N_("For each person at most"), required=False, minimum=1, maximum=MOST_CODES)

    def check(self) -> Iterable[tuple[str, Message]]:
        if self.gives == "points" and not self.points:
            yield "points", Message(N_("Say how many points a code gives."))
        if self.gives == "item" and not self.sku:
            yield "sku", Message(N_("Choose the item that a code gives."))
        if self.first_day and self.last_day and self.last_day < self.first_day:
            yield "last_day", Message(N_("The last day comes after the first."))


class RangeForm(Form):
    act = ChoiceField(("activated", "cancelled"))
    first_serial = IntegerField(N_("From number"), minimum=1, maximum=MOST_CODES)
    last_serial = IntegerField(N_("Through number"), minimum=1, maximum=MOST_CODES)
    reason = TextField(N_("Reason"), required=False, maximum=LONGEST_REASON)

    def check(self) -> Iterable[tuple[str, Message]]:
        if self.last_serial < self.first_serial:
            yield "last_serial", Message(N_("Must not be below the first number."))
        if self.act == "cancelled" and not self.reason:
            yield "reason", Message(N_("Say why they are cancelled."))


class FindForm(Form):
    code = TextField(N_("Gift code"), maximum=64)


@get("/gift-codes", guards=[READ])
async def show_batches(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """All batches, the newest first."""
    return await _show_list(request, await driver_connection(session), FindForm.blank())


@get("/gift-codes/new", guards=[EDIT])
async def show_new_batch(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """An empty form."""
    today = today_of(request)
    form = BatchForm.blank(gives="points", quantity=1, first_day=today, last_day=today + timedelta(days=90))
    return await _form_page(request, await driver_connection(session), form)


@post("/gift-codes/new", guards=[EDIT])
async def make(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Make a batch. Its list of codes waits, sealed, to be fetched once; no code counts yet."""
    form, connection = await BatchForm.read(request), await driver_connection(session)
    if not form.is_valid or form.first_day is None or form.last_day is None:
        return await _form_page(request, connection, form, status=422)
    zone, services, first = current_zone(), visit_of(request).services, form.gives == "points"
    draft = BatchDraft(
        name=form.name, codes=form.codes, points=form.points if first else None, sku=None if first else form.sku,
        quantity=form.quantity or 1, per_member_limit=form.per_member_limit, valid_from=start_of_day(form.first_day, zone),
        valid_to=start_of_day(form.last_day + timedelta(days=1), zone),
    )  # fmt: skip
    act = make_batch(
        connection, open_storage(services.settings), draft, secret_key=services.settings.secret_key,
        actor=actor_of(request).reference, now=now_of(request),
    )  # fmt: skip
    batch_id = await carry_out(connection, form, act, {"name_taken": "name", "item_does_not_fit": "sku"})
    if batch_id is None:
        return await _form_page(request, connection, form, status=422)
    after = {"name": draft.name, "codes": draft.codes, "points": draft.points, "item": draft.sku}
    await record_act(request, session, "giftcodes.make", f"giftcodes:{batch_id}", after=after)
    return redirect(request, f"/console/gift-codes/{batch_id}")


@post("/gift-codes/find", guards=[READ])
async def find(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Which code it is that a member reads out; that somebody looked is entered in the audit log."""
    form, connection = await FindForm.read(request), await driver_connection(session)
    found = None
    if form.is_valid:
        secret_key = visit_of(request).services.settings.secret_key
        found = await find_code(connection, form.code, secret_key=secret_key)
        if found is None:
            form.refuse(Message(N_("There is no such code.")), "code")
    if found is None:
        return await _show_list(request, connection, form, status=422)
    batch, serial = found
    await record_act(request, session, "giftcodes.find", f"giftcodes:{batch}", after={"number": serial})
    return redirect(request, f"/console/gift-codes/{batch}?after={serial - 1}")


@get("/gift-codes/{batch_id:int}", guards=[READ])
async def show_batch(request: AnyRequest, session: NamedDependency[AsyncSession], batch_id: FromPath[int]) -> Page:
    """One batch: its list, its ranges, its codes and who has redeemed them."""
    return await _show(request, await driver_connection(session), batch_id, RangeForm.blank())


@post("/gift-codes/{batch_id:int}/range", guards=[EDIT])
async def change(request: AnyRequest, session: NamedDependency[AsyncSession], batch_id: FromPath[int]) -> Page:
    """Activate or cancel a range of codes."""
    form, connection = await RangeForm.read(request), await driver_connection(session)
    if not form.is_valid:
        return await _show(request, connection, batch_id, form, status=422)
    act = change_range(
        connection, batch_id, form.act, form.first_serial, form.last_serial, reason=form.reason,
        actor=actor_of(request).reference, now=now_of(request), zone=current_zone(),
    )  # fmt: skip
    changed = await attempt(connection, act)
    if isinstance(changed, DomainError):
        return await _show(request, connection, batch_id, form, refusal=changed)
    after = {"from": form.first_serial, "through": form.last_serial, "codes": changed, "reason": form.reason}
    action = "giftcodes.activate" if form.act == "activated" else "giftcodes.cancel"
    await record_act(request, session, action, f"giftcodes:{batch_id}", after=after)
    words = N_("%(codes)s codes are active now.") if form.act == "activated" else N_("%(codes)s codes are cancelled.")
    leave_notice(request, Message(words, {"codes": changed}))
    return redirect(request, f"/console/gift-codes/{batch_id}")


@post("/gift-codes/{batch_id:int}/list", guards=[EDIT])
async def fetch_list(request: AnyRequest, session: NamedDependency[AsyncSession], batch_id: FromPath[int]) -> Page:
    """The list of codes, once; it is gone afterwards."""
    services, actor = visit_of(request).services, actor_of(request).reference
    connection = await driver_connection(session)
    await load_batch(connection, batch_id)
    await record_act(request, session, "giftcodes.fetch", f"giftcodes:{batch_id}")
    # Who takes it is written down before the file goes; both are one transaction of their own.
    await session.commit()
    assert services.settings.database_url is not None
    try:
        async with await AsyncConnection.connect(services.settings.database_url, autocommit=True) as own:
            content = await take_list(
                own, open_storage(services.settings), batch_id, secret_key=services.settings.secret_key, actor=actor,
                now=now_of(request),
            )  # fmt: skip
    except DomainError as refusal:
        return await _show(request, await driver_connection(session), batch_id, RangeForm.blank(), refusal=refusal)
    return attach(content, CSV, f"gift-codes-{batch_id}.csv")


async def _show_list(request: AnyRequest, connection: Connection, form: FindForm, *, status: int = 200) -> Page:
    found, following = await list_batches(connection, before=read_cursor(request))
    return show(
        request,
        "gift_codes",
        status=status,
        form=form,
        lines=[(one, gives(one)) for one in found],
        names=await name_people(connection, [one.made_by for one in found]),
        **cursor_links(request, following),
    )


async def _form_page(request: AnyRequest, connection: Connection, form: BatchForm, *, status: int = 200) -> Page:
    items = [(one.sku, f"{text_of(one, 'name')} · {one.sku}") for one in await list_givable(connection)]
    return show(request, "gift_code_form", status=status, form=form, items=items, most=MOST_CODES, list_days=LIST_DAYS)


async def _show(
    request: AnyRequest,
    connection: Connection,
    batch_id: int,
    form: RangeForm,
    *,
    refusal: DomainError | None = None,
    status: int | None = None,
) -> Page:
    found = await load_batch(connection, batch_id)
    state = read_choice(request, "state", CODE_STATES)
    codes, following = await list_codes(connection, batch_id, state=state, after=read_cursor(request) or 0)
    acts = await list_acts(connection, batch_id)
    states = [(name, gettext(label), getattr(found, name)) for name, (label, _) in _STATES.items()]
    return show(
        request,
        "gift_batch",
        refusal=refusal,
        **({"status": status} if status else {}),
        found=found,
        gives=gives(found),
        form=form,
        codes=[(one, gettext(_STATES[one.state][0]), _STATES[one.state][1]) for one in codes],
        states=choice_links(request, "state", states, state),
        acts=[(one, _say(one.act, one.first_serial, one.last_serial, one.codes)) for one in acts],
        names=await name_people(connection, [*(one.actor for one in acts), found.made_by]),
        list_days=LIST_DAYS,
        **cursor_links(request, following),
    )


def gives(batch: Batch) -> str:
    """What a code gives, in words."""
    if batch.points is not None:
        return translate(Message(N_("%(points)s points"), {"points": batch.points}))
    name = text_of(batch, "item")
    return f"{name} × {batch.quantity}" if batch.quantity and batch.quantity > 1 else name


def _say(act: str, first: int, last: int, codes: int) -> str:
    values: dict[str, Any] = {"act": gettext(_ACTS[act]), "first": first, "last": last, "codes": codes}
    return translate(Message(N_("%(act)s: no. %(first)s–%(last)s, %(codes)s codes"), values))


ROUTES = [show_batches, show_new_batch, make, find, show_batch, change, fetch_list]
