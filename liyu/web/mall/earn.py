"""Ways to earn: the daily check-in with its streak and the week, and the other tasks with what is left of their caps."""

from datetime import date, timedelta
from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.errors import DomainError
from liyu.core.i18n import N_, Message
from liyu.members.account import load_account
from liyu.members.points.events import Event
from liyu.members.points.history import WayToEarn, check_in_reference, list_check_ins, list_ways_to_earn
from liyu.members.points.post import post_events
from liyu.members.points.pricing import ALWAYS, CHECK_IN, STREAK, streak_on
from liyu.members.program import load_terms
from liyu.web.actor import actor_of
from liyu.web.earning_words import limits_of, when_it_gives
from liyu.web.formats import current_zone, format_money
from liyu.web.i18n import gettext, text_of, translate
from liyu.web.mall.member import AnyRequest, member_id_of, now_of, today_of
from liyu.web.pages import Page, leave_notice, page, redirect
from liyu.web.visit import visit_of

_HOW = {
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
_PLACES = {"profile": "/account/profile"}
"""Where what a way asks for is done."""


class NotPostedError(DomainError):
    """The check-in gave no points."""

    code = "check_in_refused"
    message = N_("Checking in is not possible for this account. Customer service can tell more.")


@get("/earn")
async def show_ways_to_earn(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The rules in force, and the check-in of today."""
    member_id, now, today = member_id_of(actor_of(request)), now_of(request), today_of(request)
    connection = await driver_connection(session)
    account = await load_account(connection, member_id, today)
    ways = await list_ways_to_earn(connection, member_id, now, today)
    done = await list_check_ins(connection, member_id, current_zone())
    check_in = next((way for way in ways if way.event_type == CHECK_IN and way.condition == ALWAYS), None)
    streaks = [way for way in ways if way.condition == STREAK]
    currency = visit_of(request).services.program.facts.currency
    return page(
        request,
        "mall/earn.html",
        tab="me",
        account=account,
        check_in=check_in,
        week=_week(done, today, check_in.points if check_in else 0, streaks),
        checked_in=today in done,
        streak=_streak(done, today),
        next_bonus=_next_bonus(done, today, streaks),
        ways=[_way(way, currency) for way in ways if way is not check_in and way not in streaks],
        points_part_earns=(await load_terms(connection)).points_part_earns,
    )


@post("/earn/check-in")
async def check_in(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Check in for today. A second time the same day is the same event and gives nothing more."""
    actor, now, today = actor_of(request), now_of(request), today_of(request)
    connection = await driver_connection(session)
    account = await load_account(connection, member_id_of(actor), today)
    if today not in await list_check_ins(connection, account.member_id, current_zone()):
        reference = check_in_reference(account.external_id, today)
        event = Event(member=account.external_id, type=CHECK_IN, reference=reference, occurred_at=now)
        (posted,) = await post_events(connection, [event], actor=actor.reference, now=now, zone=current_zone())
        if posted.status == "failed" and posted.code != "reference_conflict":
            raise NotPostedError
        if posted.status == "ok":
            leave_notice(request, _praise(posted.points, [line.days for line in posted.lines if line.days]))
            return redirect(request, "/earn")
    leave_notice(request, N_("You have checked in today already. See you tomorrow."))
    return redirect(request, "/earn")


def _praise(points: int, streaks: list[int]) -> Message:
    if streaks:
        words = N_("Checked in %(days)s days in a row: +%(points)s points")
        return Message(words, {"points": points, "days": max(streaks)})
    return Message(N_("Checked in: +%(points)s"), {"points": points})


def _streak(done: set[date], today: date) -> int:
    """How many days in a row, today or yesterday the last of them."""
    return streak_on(done, today) - (today not in done)


def _week(done: set[date], today: date, points: int, streaks: list[WayToEarn]) -> list[dict[str, Any]]:
    """Monday to Sunday; what the days from today on bring when none is missed."""
    monday = today - timedelta(days=today.weekday())
    days = [monday + timedelta(days=ahead) for ahead in range(7)]
    return [
        {
            "day": day,
            "done": day in done,
            "today": day == today,
            "missed": day < today and day not in done,
            "points": points + _bonus(done, today, (day - today).days, streaks),
            "bonus": day >= today and _bonus(done, today, (day - today).days, streaks) > 0,
        }
        for day in days
    ]


def _bonus(done: set[date], today: date, ahead: int, streaks: list[WayToEarn]) -> int:
    """What the streak brings so many days ahead, if the member comes every day until then."""
    if ahead < 0:
        return 0
    row = streak_on(done, today) + ahead
    return sum(way.points for way in streaks if row % (way.every_days or 1) == 0)


def _next_bonus(done: set[date], today: date, streaks: list[WayToEarn]) -> dict[str, int] | None:
    """How many check-ins are still missing to the next bonus of the streak, and how much it is."""
    if not streaks:
        return None
    first = 1 if today in done else 0
    ahead = next(
        n for n in range(first, first + max(way.every_days or 1 for way in streaks)) if _bonus(done, today, n, streaks)
    )
    return {"days": ahead + 1 - first, "points": _bonus(done, today, ahead, streaks)}


def _way(way: WayToEarn, currency: str) -> dict[str, Any]:
    used, cap = (
        (way.used_this_year, way.yearly_cap) if way.yearly_cap is not None else (way.used_ever, way.lifetime_cap)
    )
    unit = gettext(N_("each time"))
    if way.per_minor is not None:
        unit = translate(Message(N_("per %(amount)s"), {"amount": format_money(way.per_minor, currency)}))
    growth = [translate(Message(N_("growth value %(growth)s"), {"growth": way.growth}))] if way.growth else []
    return {
        "name": text_of(way, "name"),
        "icon": _ICONS.get(way.event_type, "coins"),
        "points": way.points,
        "unit": unit,
        "href": _PLACES.get(way.event_type),
        "how": gettext(_HOW.get(way.event_type, N_("Comes by itself"))),
        "notes": [*growth, *when_it_gives(way), *limits_of(way)],
        "left_today": way.left_today,
        "used": used,
        "cap": cap,
    }


ROUTES = [show_ways_to_earn, check_in]
