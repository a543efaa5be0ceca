"""Settlement of a month: the run for all partners, the figures, the statements by state, and their entries one by one."""

import re
from collections.abc import Iterable
from datetime import date, datetime

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.errors import DomainError, InvalidInputError
from liyu.core.i18n import N_, Message
from liyu.members.points.lots import add_months
from liyu.partners.scope import EVERY_PARTNER
from liyu.partners.settlement.periods import bounds_of, month_before
from liyu.partners.settlement.queries import (
    find_statement_id,
    list_statements,
    settlement_overview,
    statement_entries,
    statement_page,
)
from liyu.partners.settlement.settle import prepare_statements, send_drafts
from liyu.partners.settlement.states import STATES
from liyu.vouchers.office_queries import vouchers_of_uses
from liyu.web.actor import actor_of, require_permission
from liyu.web.acts import attempt
from liyu.web.audit import record_act
from liyu.web.console import words
from liyu.web.console.common import (
    AnyRequest,
    address,
    choice_links,
    cursor_links,
    now_of,
    read_choice,
    read_text,
    show,
)
from liyu.web.formats import current_zone, format_year_month
from liyu.web.forms import Form, TextField
from liyu.web.i18n import current_locale
from liyu.web.pages import Page, leave_notice, redirect
from liyu.web.statement_words import name_event

PAGE_SIZE = 50
_MONTH = re.compile(r"(19[7-9]\d|[2-9]\d{3})-(0[1-9]|1[0-2])")
_FORMAT = Message(N_("Write the month as 2026-10."))


class RunForm(Form):
    period = TextField(N_("Month"), maximum=7)

    def check(self) -> Iterable[tuple[str, Message]]:
        if not _MONTH.fullmatch(self.period):
            yield "period", _FORMAT


def month_label(period: str) -> str:
    """2026年10月, October 2026"""
    return format_year_month(date(int(period[:4]), int(period[5:7]), 1), current_locale())


@get("/settlements", guards=[require_permission("statements.read")])
async def show_settlements(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """One month of settlement; without a month in the address the last one that is over."""
    return await _show_month(request, session, _period_of(request))


@post("/settlements", guards=[require_permission("settlement.prepare")])
async def prepare_run(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Prepare the statements of a month for all partners; running it again changes only what something came to."""
    form = await RunForm.read(request)
    if not form.is_valid:
        return await _refuse_month(request, session)
    period, connection = form.period, await driver_connection(session)
    actor, now = actor_of(request).reference, now_of(request)
    act = prepare_statements(connection, period, actor=actor, now=now, zone=current_zone())
    done = await attempt(connection, act)
    if isinstance(done, DomainError):
        return await _show_month(request, session, period, refusal=done)
    counts = {"made": len(done.made), "recalculated": len(done.recalculated), "unchanged": len(done.unchanged)}
    await record_act(request, session, "statements.prepare", f"period:{period}", after=counts)
    leave_notice(
        request,
        Message(N_("%(made)s statements made, %(recalculated)s recalculated, %(unchanged)s as they were."), counts),
    )
    return redirect(request, address("/console/settlements", period=period))


@post("/settlements/send", guards=[require_permission("settlement.prepare")])
async def send_all(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Send all drafts of a month to their partners."""
    form = await RunForm.read(request)
    if not form.is_valid:
        return await _refuse_month(request, session)
    period, connection = form.period, await driver_connection(session)
    sent = await send_drafts(connection, period, actor=actor_of(request).reference, now=now_of(request))
    if sent:
        await record_act(request, session, "statements.send", f"period:{period}", after={"sent": sent})
    leave_notice(request, Message(N_("Statements sent to their partners: %(count)s."), {"count": sent}))
    return redirect(request, address("/console/settlements", period=period))


@get("/settlements/{number:str}/entries", guards=[require_permission("statements.read")])
async def show_entries(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """What a statement, or one of its lines, is made of."""
    connection = await driver_connection(session)
    statement_id = await find_statement_id(EVERY_PARTNER, connection, number)
    found = await statement_page(EVERY_PARTNER, connection, statement_id)
    line = _line_of(request)
    entries = await statement_entries(
        EVERY_PARTNER, connection, statement_id, line=line, after=read_text(request, "after") or None, limit=PAGE_SIZE
    )
    return show(
        request,
        "entries",
        head=found.head,
        lines=found.lines,
        line=next((one for one in found.lines if one.agreement_line_id == line), None),
        month=month_label(found.head.period),
        entries=entries.entries,
        name_event=name_event,
        vouchers=await vouchers_of_uses(connection, [one.source for one in entries.entries]),
        **cursor_links(request, entries.next),
    )


async def _refuse_month(request: AnyRequest, session: AsyncSession) -> Page:
    refusal = InvalidInputError.of_fields({"period": _FORMAT})
    return await _show_month(request, session, _period_of(request), refusal=refusal)


async def _show_month(
    request: AnyRequest, session: AsyncSession, period: str, *, refusal: DomainError | None = None
) -> Page:
    connection = await driver_connection(session)
    state = read_choice(request, "state", STATES)
    lines = await list_statements(
        connection, period, state=state, after=read_text(request, "after"), limit=PAGE_SIZE + 1
    )
    overview = await settlement_overview(connection, period)
    states = [(one.state, words.statement_state(one.state), one.statements) for one in overview.states]
    first = date(int(period[:4]), int(period[5:7]), 1)
    following = add_months(first, 1)
    return show(
        request,
        "settlements",
        refusal=refusal,
        period=period,
        month=month_label(period),
        earlier=address("/console/settlements", period=add_months(first, -1).strftime("%Y-%m")),
        later=address("/console/settlements", period=following.strftime("%Y-%m")) if following.year < 9999 else None,
        is_over=_ended(period) <= now_of(request),
        overview=overview,
        drafts=next((one.statements for one in overview.states if one.state == "draft"), 0),
        lines=lines[:PAGE_SIZE],
        state=state,
        states=choice_links(request, "state", states, state) if len(states) > 1 or state else [],
        **cursor_links(request, lines[PAGE_SIZE - 1].partner_code if len(lines) > PAGE_SIZE else None),
    )


def _period_of(request: AnyRequest) -> str:
    """The month of the address; one that cannot be read shows the last month that is over."""
    period = read_text(request, "period")
    return period if _MONTH.fullmatch(period) else month_before(now_of(request), current_zone())


def _ended(period: str) -> datetime:
    return bounds_of(period, current_zone())[1]


def _line_of(request: AnyRequest) -> int | None:
    text = read_text(request, "line", 18)
    return int(text) if text.isascii() and text.isdigit() else None


ROUTES = [show_settlements, prepare_run, send_all, show_entries]
