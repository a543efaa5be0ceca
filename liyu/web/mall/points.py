"""Points: every movement with its reason, what lapses when, and the ways to earn with the daily check-in."""

from datetime import date, timedelta
from itertools import groupby
from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.catalog.snapshot import Snapshot
from liyu.core.clock import local_date
from liyu.core.database import driver_connection
from liyu.core.errors import DomainError
from liyu.core.i18n import N_, Message
from liyu.members.account import MemberAccount, load_account
from liyu.members.points.events import Event
from liyu.members.points.history import (
    Movement,
    WayToEarn,
    check_in_reference,
    list_check_ins,
    list_movements,
    list_ways_to_earn,
)
from liyu.members.points.post import post_events
from liyu.web.actor import actor_of
from liyu.web.formats import current_zone, format_money, format_month, format_year_month
from liyu.web.i18n import current_locale, gettext, text_of, translate
from liyu.web.mall.member import SOON, AnyRequest, member_id_of, now_of, today_of
from liyu.web.mall.orders import read_cursor
from liyu.web.mall.words import describe_movement, explain_movement
from liyu.web.pages import Page, leave_notice, page, redirect
from liyu.web.visit import visit_of

CHECK_IN = "check_in"
DAYS_SHOWN = 7
_CHANNEL_ONLY = {
    "purchase": N_("Comes by itself with what you buy"),
    "share": N_("When you share a right and a friend opens it"),
    "referral": N_("When a friend you invited joins"),
    "suggestion": N_("When a suggestion of yours is put into practice"),
    "campaign": N_("When you take part in an event"),
    "profile": N_("When your profile is complete"),
    "birthday": N_("On your birthday"),
}
_ICONS = {
    "purchase": "shopping-bag",
    CHECK_IN: "calendar-check",
    "share": "share-2",
    "referral": "user-plus",
    "suggestion": "message-circle",
    "campaign": "sparkles",
    "profile": "circle-user",
    "birthday": "cake",
}


class NotPostedError(DomainError):
    """The check-in gave no points."""

    code = "check_in_refused"
    message = N_("Checking in is not possible for this account. Customer service can tell more.")


@get("/points")
async def show_points(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The balance, what lapses when, and the history with a running balance."""
    member_id, before = member_id_of(actor_of(request)), read_cursor(request)
    connection = await driver_connection(session)
    account = await load_account(connection, member_id, today_of(request))
    history = await list_movements(connection, member_id, before)
    snapshot = visit_of(request).services.catalog.snapshot
    return page(
        request,
        "mall/points.html",
        tab="me",
        account=account,
        calendar=_calendar(account, today_of(request)),
        maturing=account.maturing,
        months=_by_month(history.movements, snapshot),
        next_href=f"/points?before={history.next_cursor}" if history.next_cursor else None,
        continued=before is not None,
    )


@get("/earn")
async def show_ways_to_earn(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The rules in force, and the check-in of today."""
    member_id, now, today = member_id_of(actor_of(request)), now_of(request), today_of(request)
    connection = await driver_connection(session)
    account = await load_account(connection, member_id, today)
    ways = await list_ways_to_earn(connection, member_id, now, today)
    days = [today - timedelta(days=back) for back in reversed(range(DAYS_SHOWN))]
    done = await list_check_ins(connection, account.external_id, days)
    check_in = next((way for way in ways if way.event_type == CHECK_IN), None)
    return page(
        request,
        "mall/earn.html",
        tab="me",
        account=account,
        check_in=check_in,
        days=[{"day": day, "done": day in done, "today": day == today} for day in days],
        checked_in=today in done,
        streak=_streak(done, today),
        ways=[_way(way) for way in ways if way.event_type != CHECK_IN],
    )


@post("/earn/check-in")
async def check_in(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Check in for today. A second time the same day is the same event and gives nothing more."""
    actor, now, today = actor_of(request), now_of(request), today_of(request)
    connection = await driver_connection(session)
    account = await load_account(connection, member_id_of(actor), today)
    reference = check_in_reference(account.external_id, today)
    if today not in await list_check_ins(connection, account.external_id, [today]):
        event = Event(member=account.external_id, type=CHECK_IN, reference=reference, occurred_at=now)
        (posted,) = await post_events(connection, [event], actor=actor.reference, now=now, zone=current_zone())
        if posted.status == "failed" and posted.code != "reference_conflict":
            raise NotPostedError
        if posted.status == "ok":
            leave_notice(request, Message(N_("Checked in: +%(points)s points"), {"points": posted.points}))
            return redirect(request, "/earn")
    leave_notice(request, N_("You have checked in today already. See you tomorrow."))
    return redirect(request, "/earn")


def _calendar(account: MemberAccount, today: date) -> list[dict[str, Any]]:
    return [
        {
            "month": format_month(lot.on, current_locale()) if lot.on else "—",
            "year": str(lot.on.year) if lot.on else "",
            "points": lot.points,
            "note": _lapse_note(lot.on, today),
            "soon": lot.on is not None and lot.on - today <= SOON,
        }
        for lot in account.lots
    ]


def _lapse_note(on: date | None, today: date) -> str:
    if on is None:
        return gettext(N_("Never lapse"))
    days = (on - today).days
    if days == 0:
        return gettext(N_("Last day today"))
    if on - today <= SOON:
        return translate(Message(N_("Usable through %(day)s, %(days)s more days"), {"day": on, "days": days}))
    return translate(Message(N_("Usable through %(day)s"), {"day": on}))


def _by_month(movements: list[Movement], snapshot: Snapshot) -> list[dict[str, Any]]:
    zone = current_zone()

    def month_of(movement: Movement) -> tuple[int, int]:
        day = local_date(movement.at, zone)
        return day.year, day.month

    return [
        {
            "label": format_year_month(date(*month, 1), current_locale()),
            "rows": [_row(movement, snapshot) for movement in found],
        }
        for month, found in groupby(movements, key=month_of)
    ]


def _row(movement: Movement, snapshot: Snapshot) -> dict[str, Any]:
    """One movement: what moves the usable balance counts; what is pending or pays a debt says so."""
    notes = [translate(note) for note in explain_movement(movement)]
    title = gettext(describe_movement(movement))
    is_order = movement.event in ("redeem", "cancel")
    item = snapshot.by_sku.get(movement.reason) if movement.event == "redeem" else None
    if item is not None:
        notes.insert(0, text_of(item, "name"))
    if movement.amount_minor:
        notes.insert(0, format_money(abs(movement.amount_minor), movement.currency or "CNY"))
    amount = movement.points or movement.pending or movement.debt
    return {
        "title": title,
        "notes": notes,
        "at": movement.at,
        "amount": amount,
        "pending": not movement.points,
        "balance": movement.balance,
        "href": f"/redemptions/{movement.source}" if is_order else None,
    }


def _streak(done: set[date], today: date) -> int:
    """How many days in a row, today or yesterday included."""
    day = today if today in done else today - timedelta(days=1)
    count = 0
    while day in done:
        count, day = count + 1, day - timedelta(days=1)
    return count


def _way(way: WayToEarn) -> dict[str, Any]:
    unit = gettext(N_("each time"))
    if way.per_minor is not None:
        unit = translate(Message(N_("per %(amount)s"), {"amount": format_money(way.per_minor, "CNY")}))
    return {
        "name": text_of(way, "name"),
        "icon": _ICONS.get(way.event_type, "coins"),
        "points": way.points,
        "unit": unit,
        "how": gettext(_CHANNEL_ONLY.get(way.event_type, N_("Comes by itself"))),
        "caps": _caps(way),
        "growth": way.growth,
        "tier_multiplied": way.tier_multiplied,
        "pending_days": way.pending_days,
    }


def _caps(way: WayToEarn) -> list[str]:
    caps = []
    if way.daily_cap is not None:
        words = N_("At most %(cap)s points a day, %(used)s so far today")
        caps.append(translate(Message(words, {"cap": way.daily_cap, "used": way.used_today})))
    if way.yearly_cap is not None:
        words = N_("At most %(cap)s points a year, %(used)s so far")
        caps.append(translate(Message(words, {"cap": way.yearly_cap, "used": way.used_this_year})))
    return caps


ROUTES = [show_points, show_ways_to_earn, check_in]
