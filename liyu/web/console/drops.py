"""The drop planner: a month with its waves and conflicts, the form of a drop, and the steps of its life."""

import calendar
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.clock import local_date, start_of_day
from liyu.core.database import driver_connection
from liyu.core.errors import DomainError
from liyu.core.i18n import N_, Message
from liyu.redemption.drops.conflicts import find_conflicts
from liyu.redemption.drops.queries import DropLine, DropRecord, find_drop, list_drops
from liyu.redemption.drops.service import (
    LONGEST_OFFER_MINUTES,
    DropPlan,
    WavePlan,
    announce_drop,
    call_off,
    change_plan,
    plan_drop,
)
from liyu.web.actor import actor_of, require_permission
from liyu.web.acts import attempt, try_act
from liyu.web.audit import record_act
from liyu.web.console import drop_words
from liyu.web.console.common import (
    AnyRequest,
    Connection,
    ReasonForm,
    now_of,
    read_text,
    show,
    today_of,
)
from liyu.web.console.drop_dashboard import render
from liyu.web.formats import current_zone, format_year_month
from liyu.web.forms import CheckField, Form, InstantField, IntegerField, TextField
from liyu.web.i18n import current_locale
from liyu.web.pages import Page, leave_notice, redirect

READ, EDIT = require_permission("items.read"), require_permission("items.publish")
HERE = "/console/drops"
WAVES = 6
"""Rows of the form; a drop with more is planned in several."""


class PlanForm(Form):
    sku = TextField(N_("Item"), maximum=64)
    ends_at = InstantField(N_("Ends at"))
    offer_minutes = IntegerField(N_("Minutes for who is next"), minimum=1, maximum=LONGEST_OFFER_MINUTES)
    asks_attention = CheckField(N_("Ask a question in the rush"))
    opens_1 = InstantField(N_("Opens at"))
    units_1 = IntegerField(N_("Units"), minimum=1, maximum=10**9)
    opens_2 = InstantField(required=False)
    units_2 = IntegerField(required=False, minimum=1, maximum=10**9)
    opens_3 = InstantField(required=False)
    units_3 = IntegerField(required=False, minimum=1, maximum=10**9)
    opens_4 = InstantField(required=False)
    units_4 = IntegerField(required=False, minimum=1, maximum=10**9)
    opens_5 = InstantField(required=False)
    units_5 = IntegerField(required=False, minimum=1, maximum=10**9)
    opens_6 = InstantField(required=False)
    units_6 = IntegerField(required=False, minimum=1, maximum=10**9)

    def check(self) -> Iterable[tuple[str, Message]]:
        for row in range(2, WAVES + 1):
            opens, units = self.values[f"opens_{row}"], self.values[f"units_{row}"]
            if (opens is None) != (units is None):
                yield (
                    f"units_{row}" if units is None else f"opens_{row}",
                    Message(N_("A wave needs its time and its units.")),
                )

    @property
    def plan(self) -> DropPlan:
        """What was asked for."""
        waves = [
            WavePlan(self.values[f"opens_{row}"], self.values[f"units_{row}"])
            for row in range(1, WAVES + 1)
            if self.values[f"opens_{row}"] is not None
        ]
        assert self.ends_at is not None
        return DropPlan(self.sku, waves, self.ends_at, self.offer_minutes, self.asks_attention)


@get("/drops", guards=[READ])
async def show_month(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """A month of drops, day by day, with what collides."""
    first = _read_month(request)
    zone = current_zone()
    weeks = calendar.Calendar().monthdatescalendar(first.year, first.month)
    begin, end = start_of_day(weeks[0][0], zone), start_of_day(weeks[-1][-1] + timedelta(days=1), zone)
    drops = await list_drops(await driver_connection(session), begin, end)
    now = now_of(request)
    return show(
        request,
        "drops",
        month=format_year_month(first, current_locale()),
        weekdays=weeks[0],
        weeks=[[_day(day, first, drops) for day in week] for week in weeks],
        drops=drops,
        conflicts=find_conflicts(drops, now),
        drop_words=drop_words,
        today=today_of(request),
        previous=_month_before(first),
        following=_month_after(first),
    )


@get("/drops/new", guards=[EDIT])
async def show_new(request: AnyRequest) -> Page:
    """An empty form; the item may be named in the address."""
    form = PlanForm.blank(sku=read_text(request, "sku", 64), offer_minutes="60", asks_attention="yes")
    return _show_form(request, form, None)


@post("/drops/new", guards=[EDIT])
async def create(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Plan a drop."""
    form = await PlanForm.read(request)
    if not form.is_valid:
        return _show_form(request, form, None, status=422)
    connection, actor = await driver_connection(session), actor_of(request).reference
    number = await attempt(connection, plan_drop(connection, form.plan, actor=actor, now=now_of(request)))
    if isinstance(number, DomainError):
        return _show_form(request, form, None, status=422, refusal=number)
    await record_act(request, session, "drop.plan", f"drop:{number}", after={"sku": form.sku})
    leave_notice(request, N_("Planned. Members see it once it is announced."))
    return redirect(request, f"{HERE}/{number}")


@get("/drops/{number:str}/edit", guards=[EDIT])
async def show_edit(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """The form of a drop that is not announced yet."""
    drop = await find_drop(await driver_connection(session), number)
    if drop.state != "planned":
        return redirect(request, f"{HERE}/{number}")
    return _show_form(request, _filled(drop), drop)


@post("/drops/{number:str}/edit", guards=[EDIT])
async def edit(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """Change what is planned."""
    connection = await driver_connection(session)
    drop = await find_drop(connection, number)
    form = await PlanForm.read(request)
    if not form.is_valid:
        return _show_form(request, form, drop, status=422)
    refusal = await try_act(connection, change_plan(connection, number, form.plan, now=now_of(request)))
    if refusal:
        return _show_form(request, form, drop, status=422, refusal=refusal)
    await record_act(request, session, "drop.change", f"drop:{number}")
    leave_notice(request, N_("Saved."))
    return redirect(request, f"{HERE}/{number}")


@post("/drops/{number:str}/announce", guards=[EDIT])
async def announce(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """Announce it: from here on the rule stays."""
    connection, actor = await driver_connection(session), actor_of(request).reference
    refusal = await try_act(connection, announce_drop(connection, number, actor=actor, now=now_of(request)))
    return await _done(request, session, connection, number, "drop.announce", N_("Announced."), refusal)


@post("/drops/{number:str}/call-off", guards=[EDIT])
async def call_it_off(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """Call it off, with a reason that members read."""
    form = await ReasonForm.read(request)
    connection, actor = await driver_connection(session), actor_of(request).reference
    if not form.is_valid:
        return await render(request, connection, number, form=form, status=422)
    refusal = await try_act(connection, call_off(connection, number, form.reason, actor=actor, now=now_of(request)))
    return await _done(request, session, connection, number, "drop.call_off", N_("Called off."), refusal, form.reason)


async def _done(
    request: AnyRequest,
    session: AsyncSession,
    connection: Connection,
    number: str,
    act: str,
    words: str,
    refusal: DomainError | None,
    reason: str = "",
) -> Page:
    if refusal:
        return await render(request, connection, number, refusal=refusal)
    await record_act(request, session, act, f"drop:{number}", after={"reason": reason} if reason else None)
    leave_notice(request, words)
    return redirect(request, f"{HERE}/{number}")


def _show_form(request: AnyRequest, form: PlanForm, drop: DropRecord | None, **context: Any) -> Page:
    return show(request, "drop_form", form=form, drop=drop, rows=range(1, WAVES + 1), **context)


def _filled(drop: DropRecord) -> PlanForm:
    texts: dict[str, Any] = {
        "sku": drop.sku,
        "ends_at": _local(drop.ends_at),
        "offer_minutes": str(drop.offer_minutes),
        "asks_attention": "yes" if drop.asks_attention else "",
    }
    for wave in drop.waves:
        texts |= {f"opens_{wave.number}": _local(wave.opens_at), f"units_{wave.number}": str(wave.units)}
    return PlanForm.blank(**texts)


def _local(instant: datetime) -> str:
    return instant.astimezone(current_zone()).strftime("%Y-%m-%dT%H:%M")


def _day(day: date, first: date, drops: list[DropLine]) -> dict[str, Any]:
    zone = current_zone()
    openings = [(wave, drop) for drop in drops for wave in drop.waves if local_date(wave.opens_at, zone) == day]
    openings.sort(key=lambda opening: opening[0].opens_at)
    return {"day": day, "is_inside": day.month == first.month, "openings": openings}


def _read_month(request: AnyRequest) -> date:
    """The first day of the month in the address; this month where it makes no sense."""
    try:
        return date.fromisoformat(f"{read_text(request, 'month', 7)}-01")
    except ValueError:
        return today_of(request).replace(day=1)


def _month_before(first: date) -> str:
    return f"{(first - timedelta(days=1)):%Y-%m}"


def _month_after(first: date) -> str:
    return f"{(first + timedelta(days=31)):%Y-%m}"


ROUTES = [show_month, show_new, create, show_edit, edit, announce, call_it_off]
