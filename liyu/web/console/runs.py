"""Numbered print runs: made, printed, activated and made void by ranges of numbers, each number with its voucher."""

from collections.abc import Iterable
from datetime import timedelta

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.errors import DomainError
from liyu.core.i18n import N_, Message
from liyu.vouchers.batches import Numbers, list_prints
from liyu.vouchers.facts import write_number
from liyu.vouchers.runs.queries import (
    STATES,
    Run,
    RunAct,
    list_acts,
    list_numbers,
    list_runnable_items,
    list_runs,
    load_run,
)
from liyu.vouchers.runs.service import ACTS, MOST, decide_range, make_run
from liyu.vouchers.sheets import LAYOUTS, RUN_FORMS
from liyu.web.actor import actor_of, require_permission
from liyu.web.acts import attempt, carry_out
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
    read_text,
    show,
    today_of,
)
from liyu.web.console.prints import GUARD as PRINT
from liyu.web.console.prints import choices_of_print, order_and_start, words_of_print
from liyu.web.formats import current_zone, format_points
from liyu.web.forms import ChoiceField, DateField, Form, IntegerField, TextField
from liyu.web.i18n import LANGUAGE_TAGS, gettext, text_of, translate
from liyu.web.pages import Page, leave_notice, redirect

HOME = "/console/voucher-runs"
READ = require_permission("vouchers.read")
EDIT = require_permission("vouchers.runs")
LONGEST_NAME = 100
USUAL_DAYS = 90
_LATEST = 5
"""So many prints of a run stand on its page."""
_STATES: dict[str, tuple[str, str]] = {
    "waiting": (N_("Not activated"), "grey"),
    "usable": (N_("Activated"), "blue"),
    "used": (N_("Used up"), "green"),
    "withdrawn": (N_("Made void"), "red"),
    "expired": (N_("Expired"), "grey"),
}
_ACTED = {
    "activated": N_("Activated: no. %(first)s–%(last)s, %(vouchers)s vouchers"),
    "withdrawn": N_("Made void: no. %(first)s–%(last)s, %(vouchers)s vouchers"),
}
_DONE = {
    "activated": N_("%(vouchers)s vouchers can be used from now on."),
    "withdrawn": N_("%(vouchers)s vouchers are void, and back in stock."),
}
_AUDITED = {"activated": "runs.activate", "withdrawn": "runs.withdraw"}


class RunForm(Form):
    name = TextField(N_("Name"), maximum=LONGEST_NAME)
    sku = TextField(N_("Item"), maximum=64)
    total = IntegerField(N_("How many"), minimum=1, maximum=MOST)
    last_day = DateField(N_("Good until"))


class ActForm(Form):
    act = ChoiceField(ACTS)
    first = IntegerField(N_("From number"), minimum=1, maximum=MOST)
    last = IntegerField(N_("Through number"), minimum=1, maximum=MOST)
    reason = TextField(N_("Reason"), maximum=LONGEST_REASON)

    def check(self) -> Iterable[tuple[str, Message]]:
        if self.last < self.first:
            yield "last", Message(N_("Must not be below the first number."))


class RunPrintForm(Form):
    print_first = IntegerField(N_("From number"), minimum=1, maximum=MOST)
    print_last = IntegerField(N_("Through number"), minimum=1, maximum=MOST)
    language = ChoiceField(tuple(LANGUAGE_TAGS), label=N_("Language"))
    layout = ChoiceField(LAYOUTS, label=N_("Paper"))
    form = ChoiceField(RUN_FORMS, label=N_("File"))

    def check(self) -> Iterable[tuple[str, Message]]:
        if self.print_last < self.print_first:
            yield "print_last", Message(N_("Must not be below the first number."))


class NumberForm(Form):
    number = IntegerField(N_("Number"), required=False, minimum=1, maximum=MOST, default=1)


@get("/voucher-runs", guards=[READ])
async def show_runs(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """All runs, the newest first, and how far each has come."""
    connection = await driver_connection(session)
    found, following = await list_runs(connection, now_of(request), after=read_cursor(request))
    names = await name_people(connection, [one.made_by for one in found])
    return show(request, "runs", runs=found, names=names, **cursor_links(request, following))


@get("/voucher-runs/new", guards=[EDIT])
async def show_new_run(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """An empty form, or one for the item that the address names."""
    form = RunForm.blank(sku=read_text(request, "item"), last_day=today_of(request) + timedelta(days=USUAL_DAYS))
    return await _form_page(request, await driver_connection(session), form)


@post("/voucher-runs/new", guards=[EDIT])
async def make(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Make a run; none of its numbers counts yet."""
    form, connection = await RunForm.read(request), await driver_connection(session)
    items = {one.sku for one in await list_runnable_items(connection)}
    if form.is_valid and form.sku not in items:
        form.refuse(N_("Choose an item of the list."), "sku")
    if not form.is_valid or form.last_day is None:
        return await _form_page(request, connection, form, status=422)
    act = make_run(
        connection, form.sku, name=form.name, total=form.total, last_day=form.last_day,
        actor=actor_of(request).reference, now=now_of(request), zone=current_zone(),
    )  # fmt: skip
    fields = {"name_taken": "name", "item_does_not_fit": "sku", "not_enough_stock": "total"}
    run_id = await carry_out(connection, form, act, fields)
    if run_id is None:
        return await _form_page(request, connection, form, status=422)
    after = {"name": form.name, "item": form.sku, "vouchers": form.total, "last_day": form.last_day.isoformat()}
    await record_act(request, session, "runs.make", f"run:{run_id}", after=after)
    return redirect(request, f"{HOME}/{run_id}")


@get("/voucher-runs/{run_id:int}", guards=[READ])
async def show_run(request: AnyRequest, session: NamedDependency[AsyncSession], run_id: FromPath[int]) -> Page:
    """One run: its numbers, what was decided about them, and its prints."""
    return await _show(request, await driver_connection(session), run_id)


@post("/voucher-runs/{run_id:int}/range", guards=[EDIT])
async def decide(request: AnyRequest, session: NamedDependency[AsyncSession], run_id: FromPath[int]) -> Page:
    """Activate numbers, or make them void, with a reason."""
    form, connection = await ActForm.read(request), await driver_connection(session)
    if not form.is_valid:
        return await _show(request, connection, run_id, act=form, status=422)
    run = await load_run(connection, run_id, now_of(request))
    if form.first > run.total:
        form.refuse(_beyond(run), "first")
        return await _show(request, connection, run_id, act=form, status=422)
    last = min(form.last, run.total)

    act = decide_range(
        connection, run_id, form.act, first=form.first, last=last, reason=form.reason,
        actor=actor_of(request).reference, now=now_of(request), zone=current_zone(),
    )  # fmt: skip
    changed = await attempt(connection, act)
    if isinstance(changed, DomainError):
        return await _show(request, connection, run_id, act=form, refusal=changed)
    after = {"from": form.first, "through": last, "vouchers": changed, "reason": form.reason}
    await record_act(request, session, _AUDITED[form.act], f"run:{run_id}", after=after)
    leave_notice(request, Message(_DONE[form.act], {"vouchers": changed}))
    return redirect(request, f"{HOME}/{run_id}")


@post("/voucher-runs/{run_id:int}/print", guards=[PRINT])
async def print_numbers(request: AnyRequest, session: NamedDependency[AsyncSession], run_id: FromPath[int]) -> Page:
    """Order numbers on paper, or their data; the worker makes the file."""
    form, connection = await RunPrintForm.read(request), await driver_connection(session)
    if not form.is_valid:
        return await _show(request, connection, run_id, printing=form, status=422)
    run = await load_run(connection, run_id, now_of(request))
    if form.print_first > run.total:
        form.refuse(_beyond(run), "print_first")
        return await _show(request, connection, run_id, printing=form, status=422)
    numbers = Numbers(run_id, form.print_first, min(form.print_last, run.total))
    print_id = await order_and_start(request, session, run.item_id, form, numbers=numbers)
    if isinstance(print_id, DomainError):
        return await _show(request, connection, run_id, printing=form, refusal=print_id)
    return redirect(request, f"/console/prints/{print_id}")


async def _form_page(request: AnyRequest, connection: Connection, form: RunForm, *, status: int = 200) -> Page:
    items = [
        (one.sku, " · ".join([text_of(one, "name"), one.sku, _say_stock(one.left)]))
        for one in await list_runnable_items(connection)
    ]
    return show(request, "run_form", status=status, form=form, items=items, most=MOST)


async def _show(
    request: AnyRequest,
    connection: Connection,
    run_id: int,
    *,
    act: ActForm | None = None,
    printing: RunPrintForm | None = None,
    refusal: DomainError | None = None,
    status: int | None = None,
) -> Page:
    run = await load_run(connection, run_id, now_of(request))
    state = read_choice(request, "state", STATES)
    sought = NumberForm.parse(request.query_params.dict())
    after = read_cursor(request) or (sought.number - 1 if sought.is_valid else 0)
    numbers, following = await list_numbers(connection, run_id, state=state, after=after, now=now_of(request))
    acts, prints = await list_acts(connection, run_id), await list_prints(connection, None, _LATEST, run_id=run_id)
    names = await name_people(connection, [run.made_by, *(one.actor for one in acts), *(one.made_by for one in prints)])
    states = [(name, gettext(label), getattr(run, name)) for name, (label, _) in _STATES.items()]
    return show(
        request,
        "run",
        refusal=refusal,
        **({"status": status} if status else {}),
        run=run,
        act=act or ActForm.blank(),
        printing=printing or RunPrintForm.blank(),
        numbers=[(one, write_number(one.number, run.total), *_state(one.state)) for one in numbers],
        states=choice_links(request, "state", states, state),
        entries=[
            *({"text": _say_act(one), "when": one.at, "by": names.of(one.actor), "note": one.reason} for one in acts),
            {"text": gettext(N_("Made")), "when": run.made_at, "by": names.of(run.made_by)},
        ],
        prints=[words_of_print(one) for one in prints],
        names=names,
        **choices_of_print(RUN_FORMS),
        **cursor_links(request, following),
    )


def _beyond(run: Run) -> Message:
    return Message(N_("The last number of this run is %(total)s."), {"total": run.total})


def _state(name: str) -> tuple[str, str]:
    label, tone = _STATES[name]
    return gettext(label), tone


def _say_act(act: RunAct) -> str:
    values = {"first": act.first, "last": act.last, "vouchers": act.vouchers}
    return translate(Message(_ACTED[act.act], values))


def _say_stock(left: int | None) -> str:
    if left is None:
        return gettext(N_("any number in stock"))
    return translate(Message(N_("%(left)s in stock"), {"left": format_points(left)}))


ROUTES = [show_runs, show_new_run, make, show_run, decide, print_numbers]
