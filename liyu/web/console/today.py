"""The first page: four figures, the year's points, live drops, what came in last, and what waits for somebody."""

from datetime import date, timedelta
from typing import Any

from litestar import get
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.catalog.low_stock import list_low_stock
from liyu.catalog.queries import ItemFilter, ItemLine, list_items
from liyu.core.clock import start_of_day
from liyu.core.database import driver_connection
from liyu.core.i18n import N_
from liyu.core.ledger.models import Proof
from liyu.core.ledger.prove import latest_proofs
from liyu.members.points.health import REDEMPTION_FLOOR, REDEMPTION_LIMIT, Health, MonthOfPoints, load_health
from liyu.members.program import load_terms
from liyu.partners.scope import EVERY_PARTNER
from liyu.partners.settlement.queries import statements_waiting
from liyu.redemption.queries import DayCounts, RedemptionFilter, count_today, list_redemptions
from liyu.redemption.waiting import count_waiting
from liyu.web.actor import actor_of, require_permission
from liyu.web.console.chart import draw_months
from liyu.web.console.common import AnyRequest, Connection, address, count_message, now_of, show, today_of
from liyu.web.formats import current_zone, format_money, format_short_day, format_year_month
from liyu.web.i18n import current_locale, gettext
from liyu.web.pages import Page

WEEKDAYS = (
    N_("last Monday"), N_("last Tuesday"), N_("last Wednesday"), N_("last Thursday"), N_("last Friday"), N_("last Saturday"),
    N_("last Sunday"),
)  # fmt: skip
LONG_WEEKDAYS = (
    N_("Monday"), N_("Tuesday"), N_("Wednesday"), N_("Thursday"), N_("Friday"), N_("Saturday"), N_("Sunday"),
)  # fmt: skip
POINTS = "/console/points"
DROPS_SHOWN = 4
LATEST_SHOWN = 8


@get("/", guards=[require_permission("today.read")])
async def show_today(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """How the program stands right now."""
    connection = await driver_connection(session)
    today, actor = today_of(request), actor_of(request)
    health = await load_health(connection, now=now_of(request), zone=current_zone())
    proofs = await latest_proofs(session, 1)
    terms = await load_terms(connection)
    latest = await list_redemptions(connection, RedemptionFilter(), size=LATEST_SHOWN)
    points_href = POINTS if actor.may("points.read") else None
    return show(
        request,
        "today",
        weekday=gettext(LONG_WEEKDAYS[today.weekday()]),
        today=today,
        proof=proofs[0] if proofs else None,
        figures=[
            await _redemptions_today(request, connection),
            _liability(health, today, terms.points_per_currency_unit, terms.currency, href=points_href),
            _redemption_rate(health, href=points_href),
            _books(proofs[0] if proofs else None, may_read=actor.may("books.read")),
        ],
        counted_at=health and health.at,
        chart=draw_months(health.months) if health else None,
        months=[_month_row(row) for row in reversed(health.months)] if health else [],
        drops=await _live_drops(request, connection),
        low=await list_low_stock(EVERY_PARTNER, connection, now=now_of(request), zone=current_zone()),
        latest=latest.lines,
        tasks=await _tasks(request, connection),
        waiting=await statements_waiting(connection) if actor.may("statements.read") else None,
    )


async def _tasks(request: AnyRequest, connection: Connection) -> list[dict[str, Any]]:
    """What this person may decide and what waits for a decision, each with its number and its page."""
    actor = actor_of(request)
    waiting = await count_waiting(connection, actor.reference)
    return [
        {"label": gettext(label), "href": href, "current": False, "count": count}
        for label, href, permission, count in (
            (N_("Adjustments"), "/console/adjustments", "members.approve", waiting.adjustments),
            (N_("Campaigns"), "/console/campaigns", "campaigns.approve", waiting.campaigns),
            (N_("Later last days"), "/console/voucher-extensions", "vouchers.approve", waiting.extensions),
            (N_("Offers of partners"), "/console/approvals", "items.publish", waiting.offers),
            (N_("After-sale"), "/console/after-sales", "aftersale.decide", waiting.after_sales),
            (N_("Top-ups"), "/console/top-ups", "topups.edit", waiting.top_ups),
        )
        if count and actor.may(permission)
    ]


async def _redemptions_today(request: AnyRequest, connection: Connection) -> dict[str, Any]:
    zone, now, today = current_zone(), now_of(request), today_of(request)
    counts = await count_today(
        connection, start_of_day(today, zone), start_of_day(today - timedelta(days=7), zone), now - timedelta(days=7)
    )
    fine, tone = _compare(counts, today.weekday())
    return {
        "label": gettext(N_("Redemptions today")),
        "figure": f"{counts.today:,}",
        "fine": fine,
        "tone": tone,
        "href": address("/console/redemptions", day=today.isoformat()),
    }


def _compare(counts: DayCounts, weekday: int) -> tuple[str, str]:
    before = gettext(WEEKDAYS[weekday])
    if not counts.week_before:
        return count_message(N_("%(before)s by this time: none"), before=before), ""
    change = round((counts.today - counts.week_before) * 100 / counts.week_before)
    sign = "+" if change > 0 else "−" if change < 0 else "±"
    text = count_message(N_("%(change)s on %(before)s by this time"), change=f"{sign}{abs(change)}%", before=before)
    return text, "up" if change > 0 else ""


def _liability(health: Health | None, today: date, rate: int, currency: str, *, href: str | None) -> dict[str, Any]:
    figure, fine = "—", gettext(N_("not counted yet"))
    if health is not None:
        figure, fine = format_money(health.outstanding * 100 // rate, currency), gettext(N_("Nothing lapses"))
        first = health.next_lapse(today)
        if first is not None and first.day is not None:
            day = format_short_day(first.day, current_locale())
            money = format_money(first.points * 100 // rate, currency)
            fine = count_message(N_("%(money)s of it lapses after %(day)s"), day=day, money=money)
    return {"label": gettext(N_("Points liability")), "figure": figure, "fine": fine, "href": href}


def _redemption_rate(health: Health | None, *, href: str | None) -> dict[str, Any]:
    rate = health.redemption_rate if health is not None else None
    is_healthy = rate is None or REDEMPTION_FLOOR <= rate <= REDEMPTION_LIMIT
    return {
        "label": gettext(N_("Redemption rate, 12 months")),
        "figure": "—" if rate is None else f"{int(rate * 10) / 10:.1f}%",
        "fine": count_message(
            N_("healthy between %(low)s and %(high)s%%"), low=REDEMPTION_FLOOR, high=REDEMPTION_LIMIT
        ),
        "tone": "" if is_healthy else "down",
        "href": href,
    }


def _month_row(row: MonthOfPoints) -> dict[str, Any]:
    label = format_year_month(row.month, current_locale())
    return {"label": label, "period": f"{row.month:%Y-%m}", "issued": row.issued, "spent": row.spent}


def _books(proof: Proof | None, *, may_read: bool) -> dict[str, Any]:
    if proof is None:
        figure, fine, tone = "—", gettext(N_("not proven yet")), ""
    elif proof.balanced:
        figure, tone = gettext(N_("Balanced")), "up"
        fine = count_message(N_("proven %(at)s"), at=proof.at)
    else:
        figure, tone = gettext(N_("Off balance")), "down"
        fine = count_message(N_("%(count)s differences, proven %(at)s"), count=len(proof.offenders), at=proof.at)
    return {
        "label": gettext(N_("Books")),
        "figure": figure,
        "fine": fine,
        "tone": tone,
        "href": "/console/books" if may_read else None,
    }


async def _live_drops(request: AnyRequest, connection: Connection) -> list[ItemLine]:
    """Open drops, those that end first in front; then those that open next."""
    now = now_of(request)
    found = await list_items(connection, ItemFilter(state="live", drops=True), size=100)
    lines = [one for one in found.lines if one.total is not None and (one.on_sale_to is None or one.on_sale_to > now)]

    def order(one: ItemLine) -> tuple[bool, float]:
        is_coming = one.on_sale_from is not None and one.on_sale_from > now
        at = one.on_sale_from if is_coming else one.on_sale_to
        return is_coming, at.timestamp() if at else float("inf")

    return sorted(lines, key=order)[:DROPS_SHOWN]


ROUTES = [show_today]
