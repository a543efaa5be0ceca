"""Points health: what was issued, spent and lapsed, what is owed until when, two rates against limits, and what a year costs."""

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.i18n import N_, Message
from liyu.members.points.forecast import LapseMonth
from liyu.members.points.health import (
    ACCRUAL_LIMIT,
    REDEMPTION_FLOOR,
    REDEMPTION_LIMIT,
    Health,
    SourceRate,
    load_health,
)
from liyu.members.points.health_cost import CUSTOMER_ESTIMATE, CostEstimate, Source
from liyu.members.points.health_count import count_points
from liyu.members.program import ProgramTerms, load_terms
from liyu.web.actor import require_permission
from liyu.web.audit import record_act
from liyu.web.console.chart import draw_months
from liyu.web.console.common import AnyRequest, address, count_message, now_of, show
from liyu.web.formats import current_zone, format_money, format_points, format_year_month
from liyu.web.forms import DecimalField, Form, IntegerField
from liyu.web.i18n import current_locale, gettext, text_of, translate
from liyu.web.pages import Page, leave_notice, redirect

PAGE = "/console/points"
SOURCE_NAMES = {"check_in": N_("Daily check-in"), "share": N_("Sharing"), "campaign": N_("Events")}
LARGEST_CAP = 1_000_000


class CostForm(Form):
    """Every figure of the estimate; the fields of a source are its code with `_cap` and `_rate`."""

    check_in_cap = DecimalField(N_("Daily check-in, points a year"), maximum=LARGEST_CAP)
    check_in_rate = DecimalField(N_("Daily check-in, share earned"), maximum=100)
    share_cap = DecimalField(N_("Sharing, points a year"), maximum=LARGEST_CAP)
    share_rate = DecimalField(N_("Sharing, share earned"), maximum=100)
    campaign_cap = DecimalField(N_("Events, points a year"), maximum=LARGEST_CAP)
    campaign_rate = DecimalField(N_("Events, share earned"), maximum=100)
    points_per_unit = DecimalField(N_("Points for 1 unit of money"), minimum=Decimal("0.01"), maximum=100_000)
    redeemed = DecimalField(N_("Share redeemed"), maximum=100)
    members = IntegerField(N_("Members"), maximum=2_000_000_000)

    def estimate(self) -> CostEstimate:
        """The estimate of a form that is valid."""
        sources = [Source(name, self.values[f"{name}_cap"], self.values[f"{name}_rate"]) for name in SOURCE_NAMES]
        return CostEstimate(tuple(sources), self.points_per_unit, self.redeemed, self.members)


def figures_of(estimate: CostEstimate) -> dict[str, str]:
    """The fields of an estimate as they are typed."""
    fields = {"points_per_unit": _plain(estimate.points_per_unit), "redeemed": _plain(estimate.redeemed_percent)}
    for source in estimate.sources:
        fields |= {f"{source.name}_cap": _plain(source.cap), f"{source.name}_rate": _plain(source.percent)}
    return fields | {"members": str(estimate.members)}


@get("/points", guards=[require_permission("points.read")])
async def show_health(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The health as of the last count, and the estimate with the figures of the address."""
    connection = await driver_connection(session)
    health = await load_health(connection, now=now_of(request), zone=current_zone())
    terms = await load_terms(connection)
    members = health.members if health else CUSTOMER_ESTIMATE.members
    default = figures_of(CUSTOMER_ESTIMATE) | {"members": str(members)}
    given = {name: request.query_params[name] for name in CostForm.fields if name in request.query_params}
    form = CostForm.parse(default | given)
    return show(
        request,
        "points_health",
        status=200 if form.is_valid else 422,
        health=health,
        figures=_figures(health, terms) if health else [],
        movements=_movements(health) if health else [],
        chart=draw_months(health.months) if health else None,
        months=[_month_row(health, number) for number in reversed(range(len(health.months)))] if health else [],
        lapses=_lapse_rows(health, terms) if health else [],
        sources=[_source_row(source) for source in health.sources] if health else [],
        rates=_rates(health) if health else [],
        form=form,
        source_names={name: gettext(label) for name, label in SOURCE_NAMES.items()},
        estimate=_estimate_rows(form.estimate(), terms.currency) if form.is_valid else None,
        customer_href=f"{PAGE}#cost",
        own_href=_own_figures(health, terms, default),
    )


@post("/points/count", guards=[require_permission("points.read")])
async def count_now(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Count now what the worker counts every hour."""
    await count_points(await driver_connection(session), now=now_of(request), zone=current_zone())
    await record_act(request, session, "points.count", "points:all")
    leave_notice(request, N_("The figures are up to date."))
    return redirect(request, PAGE)


def _plain(number: Decimal) -> str:
    """12.5 and 70, without zeros that say nothing."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _rounded(number: Fraction, places: int) -> Decimal:
    exponent = Decimal(1).scaleb(-places)
    return (Decimal(number.numerator) / Decimal(number.denominator)).quantize(exponent, ROUND_HALF_UP)


def format_exact(number: Fraction, places: int = 4) -> str:
    """255.5 or 1,783,400: as many decimals as it has, at most `places`."""
    whole, _, decimals = f"{_rounded(number, places):,f}".partition(".")
    decimals = decimals.rstrip("0")
    return f"{whole}.{decimals}" if decimals else whole


def format_percent(rate: Fraction | None) -> str:
    """19.9%, a dash for the share of nothing, and what is too little to write is said to be less."""
    if rate is None:
        return "—"
    rounded = _rounded(rate, 1)
    return f"{rounded}%" if rounded or not rate else "<0.1%"


def worth(points: int, terms: ProgramTerms) -> str:
    """What points cost, at the program's rate."""
    return format_money(points * 100 // terms.points_per_currency_unit, terms.currency)


def _figures(health: Health, terms: ProgramTerms) -> list[dict[str, Any]]:
    redemption, accrual = health.redemption_rate, health.accrual_rate
    too_little = redemption is not None and redemption < REDEMPTION_FLOOR
    too_much = redemption is not None and redemption > REDEMPTION_LIMIT
    bounds = {"low": REDEMPTION_FLOOR, "high": REDEMPTION_LIMIT}
    return [
        {
            "label": gettext(N_("Points liability")),
            "figure": worth(health.outstanding, terms),
            "fine": count_message(N_("%(points)s points"), points=health.outstanding),
            "href": "#expiry",
        },
        {
            "label": gettext(N_("Accrual rate")),
            "figure": format_percent(accrual),
            "fine": count_message(N_("limit %(limit)s%%"), limit=ACCRUAL_LIMIT),
            "tone": "down" if accrual is not None and accrual > ACCRUAL_LIMIT else "",
            "href": "#rates",
        },
        {
            "label": gettext(N_("Redemption rate, 12 months")),
            "figure": format_percent(redemption),
            "fine": count_message(N_("healthy between %(low)s and %(high)s%%"), **bounds),
            "tone": "down" if too_little or too_much else "",
            "href": "#rates",
        },
        {
            "label": gettext(N_("Points owed by members")),
            "figure": format_points(health.debt),
            "fine": gettext(N_("paid off by what comes next")) if health.debt else "",
            "href": "/console/books",
        },
    ]


def _movements(health: Health) -> list[tuple[str, str]]:
    taken_back = sum(month.taken_back for month in health.months)
    lapsed = f"{format_points(health.lapsed)} · {format_percent(health.lapse_rate)}"
    return [
        (gettext(N_("Issued")), format_points(health.issued)),
        (gettext(N_("Spent")), format_points(health.spent)),
        (gettext(N_("Lapsed")), lapsed),
        (gettext(N_("Taken back after returns")), format_points(taken_back)),
        (gettext(N_("Usable today")), format_points(health.usable)),
        (gettext(N_("Pending")), format_points(health.pending)),
        (gettext(N_("Owed by members")), format_points(health.debt)),
        (gettext(N_("Members with points")), f"{health.holders:,} / {health.members:,}"),
    ]


def _month_row(health: Health, number: int) -> dict[str, Any]:
    row = health.months[number]
    label = format_year_month(row.month, current_locale())
    return {"label": label, "period": f"{row.month:%Y-%m}", "row": row}


def _lapse_rows(health: Health, terms: ProgramTerms) -> list[dict[str, Any]]:
    most = max((row.points for row in health.lapses), default=1)
    return [_lapse_row(row, terms, most) for row in health.lapses]


def _lapse_row(row: LapseMonth, terms: ProgramTerms, most: int) -> dict[str, Any]:
    label = format_year_month(row.month, current_locale()) if row.month else gettext(N_("Never lapse"))
    return {"label": label, "points": row.points, "money": worth(row.points, terms), "lots": row.lots, "most": most}


def _source_row(source: SourceRate) -> dict[str, Any]:
    rate = source.rate
    values = {"cap": source.cap, "earned": source.earned, "possible": source.possible}
    return {
        "name": text_of(source, "name"),
        "rate": format_percent(rate),
        "value": min(float(rate or 0), 100.0),
        "tone": "red" if rate is not None and rate > ACCRUAL_LIMIT else "",
        "left": translate(Message(N_("%(earned)s of %(possible)s possible points"), values)),
        "right": translate(Message(N_("%(cap)s a member and year"), values)),
    }


def _rates(health: Health) -> list[dict[str, Any]]:
    earned, possible = sum(s.earned for s in health.sources), sum(s.possible for s in health.sources)
    both = [
        (N_("Accrual rate"), health.accrual_rate, ACCRUAL_LIMIT, earned, possible,
         N_("Earned, of what the yearly caps allow for the days of membership"), ""),
        (N_("Redemption rate"), health.redemption_rate, REDEMPTION_LIMIT, health.spent, health.issued,
         N_("Spent, of what was issued; cancelled redemptions are taken off"), "gold"),
    ]  # fmt: skip
    return [
        {
            "name": gettext(name),
            "figure": f"{format_percent(rate)} / {limit}%",
            "value": min(float(rate or 0), 100.0),
            "tone": "red" if rate is not None and rate > limit else tone,
            "left": gettext(words),
            "right": f"{part:,} / {whole:,}",
        }
        for name, rate, limit, part, whole, words, tone in both
    ]


def _estimate_rows(estimate: CostEstimate, currency: str) -> dict[str, Any]:
    symbol = format_money(0, currency).partition("\N{THIN SPACE}")[0]

    def money(amount: Fraction) -> str:
        return f"{symbol}\N{THIN SPACE}{format_exact(amount)}"

    return {
        "lines": [
            {
                "name": gettext(SOURCE_NAMES[source.name]),
                "reckoning": f"{_plain(source.cap)} × {_plain(source.percent)}%",
                "points": format_exact(source.points),
            }
            for source in estimate.sources
        ],
        "points": format_exact(estimate.points),
        "face_value": money(estimate.face_value),
        "face_reckoning": f"{format_exact(estimate.points)} ÷ {_plain(estimate.points_per_unit)}",
        "cost": money(estimate.cost),
        "cost_reckoning": f"{money(estimate.face_value)} × {_plain(estimate.redeemed_percent)}%",
        "total": money(estimate.total),
        "members": estimate.members,
    }


def _own_figures(health: Health | None, terms: ProgramTerms, default: dict[str, str]) -> str | None:
    """The estimate with what the program measures instead of the customer's guesses."""
    if health is None:
        return None
    own = dict(default) | {"points_per_unit": str(terms.points_per_currency_unit)}
    for source in health.sources:
        if source.type in SOURCE_NAMES and source.rate is not None:
            own |= {
                f"{source.type}_cap": str(source.cap),
                f"{source.type}_rate": _plain(_rounded(min(source.rate, Fraction(100)), 2)),
            }
    if health.redemption_rate is not None:
        own["redeemed"] = _plain(_rounded(min(health.redemption_rate, Fraction(100)), 2))
    return address(PAGE, **own) + "#cost"


ROUTES = [show_health, count_now]
