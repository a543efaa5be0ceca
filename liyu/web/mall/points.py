"""Points: every movement with its reason, and what lapses when."""

from datetime import date, timedelta
from itertools import groupby
from typing import Any

from litestar import get
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.catalog.snapshot import Snapshot
from liyu.core.clock import local_date
from liyu.core.database import driver_connection
from liyu.core.i18n import N_, Message
from liyu.members.account import DatedPoints, MemberAccount, load_account
from liyu.members.points.expiry_queries import ReminderLine, list_reminders
from liyu.members.points.forecast import by_month
from liyu.members.points.history import Movement, list_movements
from liyu.members.points.queries import RuleName, rule_names
from liyu.members.program import ProgramTerms, load_terms
from liyu.web.actor import actor_of
from liyu.web.earning_words import EXPLAINED, explain_lines, reasons_of
from liyu.web.formats import current_zone, format_money, format_month, format_short_day, format_year_month
from liyu.web.i18n import current_locale, gettext, text_of, translate
from liyu.web.mall.member import SOON, AnyRequest, member_id_of, today_of
from liyu.web.mall.orders import read_cursor
from liyu.web.mall.words import describe_movement, explain_movement
from liyu.web.pages import Page, page
from liyu.web.visit import visit_of

YEAR = timedelta(days=366)
POLICIES = {
    "year_end": N_("Points can be used until the end of the year after the one in which you earn them."),
    "rolling": N_("Points can be used for %(months)s months, to the end of the month."),
    "never": N_("Your points do not lapse."),
}


@get("/points")
async def show_points(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The balance, what lapses when, and the history with a running balance."""
    member_id, before = member_id_of(actor_of(request)), read_cursor(request)
    connection = await driver_connection(session)
    account = await load_account(connection, member_id, today_of(request))
    history = await list_movements(connection, member_id, before)
    snapshot = visit_of(request).services.catalog.snapshot
    today, terms = today_of(request), await load_terms(connection)
    reminders = await list_reminders(connection, member_id, 1)
    return page(
        request,
        "mall/points.html",
        tab="me",
        account=account,
        calendar=_calendar(account, today),
        lapsing=_lapsing_soon(account, today),
        rules=_rules(terms),
        told=_told(reminders[0] if reminders else None),
        maturing=account.maturing,
        months=_by_month(history.movements, snapshot, await rule_names(connection)),
        next_href=f"/points?before={history.next_cursor}" if history.next_cursor else None,
        continued=before is not None,
    )


def _calendar(account: MemberAccount, today: date) -> list[dict[str, Any]]:
    """One line for each month in which something lapses; where a month has several last days, it names them."""
    locale = current_locale()
    return [
        {
            "month": format_month(month, locale) if month else "—",
            "year": str(month.year) if month else "",
            "points": sum(lot.points for lot in lots),
            "note": _lapse_note(lots, today),
            "soon": month is not None and lots[0].on is not None and lots[0].on - today <= SOON,
        }
        for month, lots in by_month(account.lots)
    ]


def _lapse_note(lots: list[DatedPoints], today: date) -> str:
    on = lots[0].on
    if on is None:
        return gettext(N_("Never lapse"))
    if len(lots) > 1:
        days = [
            Message(
                N_("%(points)s through %(day)s"),
                {"points": lot.points, "day": format_short_day(lot.on, current_locale())},
            )
            for lot in lots
            if lot.on is not None
        ]
        return " · ".join(translate(day) for day in days)
    left = (on - today).days
    if left == 0:
        return gettext(N_("Last day today"))
    if on - today <= SOON:
        return translate(Message(N_("Usable through %(day)s, %(days)s more days"), {"day": on, "days": left}))
    return translate(Message(N_("Usable through %(day)s"), {"day": on}))


def _lapsing_soon(account: MemberAccount, today: date) -> int:
    """Points that lapse within the coming year."""
    return sum(lot.points for lot in account.lots if lot.on is not None and lot.on - today < YEAR)


def _rules(terms: ProgramTerms) -> list[str]:
    """When points lapse, whether they come back, and when one is told, in words."""
    values = {
        "months": terms.expiry_months, "days": terms.reminder_days, "grace": terms.lapsed_grace_days,
        "inactive": terms.inactive_days,
    }  # fmt: skip
    lines = [Message(POLICIES[terms.expiry_policy], values)]
    if terms.expiry_policy != "never":
        lines.append(
            Message(
                N_("They lapse at the midnight that ends their last day. Redeeming always uses the earliest first.")
            )
        )
        grace = (
            N_("Lapsed points can come back for %(grace)s days.")
            if terms.lapsed_grace_days
            else N_("What has lapsed does not come back.")
        )
        lines.append(Message(grace, values))
    if terms.inactive_days:
        lines.append(
            Message(N_("They lapse, too, when you neither earn nor use points for %(inactive)s days."), values)
        )
    if terms.reminder_days and (terms.expiry_policy != "never" or terms.inactive_days):
        lines.append(Message(N_("We tell you %(days)s days before."), values))
    return [translate(line) for line in lines]


def _told(reminder: ReminderLine | None) -> str | None:
    if reminder is None:
        return None
    words = {
        "mail": N_("On %(at)s we wrote to you about %(points)s points that lapse."),
        "sms": N_("On %(at)s we sent you an SMS about %(points)s points that lapse."),
        "notice": N_("Since %(at)s your notices tell of %(points)s points that lapse."),
    }
    day = local_date(reminder.at, current_zone())
    return translate(Message(words[reminder.channel], {"at": day, "points": reminder.points}))


def _by_month(movements: list[Movement], snapshot: Snapshot, rules: dict[str, RuleName]) -> list[dict[str, Any]]:
    zone = current_zone()

    def month_of(movement: Movement) -> tuple[int, int]:
        day = local_date(movement.at, zone)
        return day.year, day.month

    return [
        {
            "label": format_year_month(date(*month, 1), current_locale()),
            "rows": [_row(movement, snapshot, rules) for movement in found],
        }
        for month, found in groupby(movements, key=month_of)
    ]


def _row(movement: Movement, snapshot: Snapshot, rules: dict[str, RuleName]) -> dict[str, Any]:
    """One movement: what moves the usable balance counts; what is pending or pays a debt says so."""
    title = gettext(describe_movement(movement))
    notes = [] if _says_all(title, movement, rules) else explain_lines(movement.lines, rules)
    notes += [translate(note) for note in explain_movement(movement)]
    is_order = movement.event in ("redeem", "cancel")
    item = snapshot.by_sku.get(movement.reason) if movement.event == "redeem" else None
    if item is not None:
        notes.insert(0, text_of(item, "name"))
    if movement.amount_minor:
        notes.insert(0, format_money(abs(movement.amount_minor), movement.currency or "CNY"))
    amount = movement.points or movement.pending or movement.debt
    sign = "" if movement.is_shift else "+" if amount > 0 else "−"
    return {
        "title": title,
        "notes": notes,
        "at": movement.at,
        "amount": amount,
        "sign": sign,
        "pending": movement.is_shift or not movement.points,
        "balance": movement.balance,
        "href": f"/redemptions/{movement.source}" if is_order else None,
    }


def _says_all(title: str, movement: Movement, rules: dict[str, RuleName]) -> bool:
    """Whether there is nothing to explain: no rule lines, or one whose rule has the title's name and gave its usual points."""
    lines = movement.lines if movement.event in EXPLAINED else []
    return not lines or (
        len(lines) == 1
        and not reasons_of(lines[0])
        and lines[0].rule in rules
        and text_of(rules[lines[0].rule], "name") == title
    )


ROUTES = [show_points]
