"""Coupons for a bill: what may be used together, the best choice, and why others are left in the wallet."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from litestar import get
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.clock import local_date
from liyu.core.database import driver_connection
from liyu.core.i18n import N_, Message
from liyu.vouchers.coupons import PartnerName, coupons_of_member, partner_names
from liyu.vouchers.stacking import Combination, Coupon, check, explain_others, find_best, order_of
from liyu.web.actor import actor_of
from liyu.web.coupon_words import name_of, say_benefit, say_objection
from liyu.web.formats import current_zone
from liyu.web.forms import Form, IntegerField, MoneyField
from liyu.web.i18n import text_of
from liyu.web.mall.member import AnyRequest, member_id_of, now_of
from liyu.web.pages import Page, page
from liyu.web.visit import visit_of

HOUSE = 0
"""Stands for the brand itself where a partner's id would stand."""
LARGEST_BILL = 100_000_000
MOST_CHOSEN = 20


class BillForm(Form):
    amount = MoneyField(required=False)
    where = IntegerField(required=False, minimum=HOUSE, maximum=2**62)

    def check(self) -> Iterable[tuple[str, Message]]:
        if self.amount == 0:
            yield "amount", Message(N_("Enter an amount, such as 128.50."))
        if (self.amount or 0) > LARGEST_BILL:
            yield "amount", Message(N_("Enter a smaller amount."))


@get("/wallet/combine")
async def show_combinations(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """What one's coupons take off a bill; with some of them ticked also whether these go together."""
    form = BillForm.parse(request.query_params.dict())
    services = visit_of(request).services
    connection = await driver_connection(session)
    coupons = await coupons_of_member(connection, member_id_of(actor_of(request)), now_of(request))
    places = sorted({one.partner_id or HOUSE for one in coupons})
    names = await partner_names(connection, [place for place in places if place])
    where = _where(form, coupons, places)
    here = sorted((one for one in coupons if (one.partner_id or HOUSE) == where), key=order_of)
    currency = services.program.current(services.sessions).currency
    amount = form.amount if form.is_valid else None
    result: dict[str, Any] = {"best": None, "checked": None}
    ticked = _ticked(request, here)
    if amount is not None:
        # A wallet full of coupons that all go together takes its time: nobody else waits for it.
        best = await asyncio.to_thread(find_best, here, amount)
        result = _result(best, here, ticked, amount, currency)
    return page(
        request,
        "mall/combine.html",
        tab="wallet",
        status=200 if form.is_valid else 422,
        form=form,
        amount=amount,
        currency=currency,
        where=where,
        places=[(place, _place_name(place, names)) for place in places],
        coupons=[
            {
                "one": one,
                "name": name_of(one),
                "line": say_benefit(one, currency),
                "last_day": local_date(one.expires_at - timedelta(microseconds=1), current_zone()),
            }
            for one in here
        ],
        ticked={one.voucher_id for one in ticked},
        **result,
    )


def _result(best: Combination, here: list[Coupon], ticked: list[Coupon], amount: int, currency: str) -> dict[str, Any]:
    others = Counter((name_of(one.coupon), say_objection(one, currency)) for one in explain_others(here, best, amount))
    checked: dict[str, Any] | None = None
    if ticked:
        found = check(ticked, amount)
        if isinstance(found, Combination):
            checked = {"fits": True, "rows": _rows(found, currency), "saved": found.saved_minor}
        else:
            against = [(name_of(one.coupon), say_objection(one, currency)) for one in found]
            checked = {"fits": False, "against": against}
    return {
        "best": {"rows": _rows(best, currency), "saved": best.saved_minor, "pay": amount - best.saved_minor},
        "others": [(name, reason, coupons) for (name, reason), coupons in others.items()],
        "checked": checked,
    }


def _rows(found: Combination, currency: str) -> list[dict[str, Any]]:
    return [
        {
            "id": used.coupon.voucher_id,
            "name": name_of(used.coupon),
            "line": say_benefit(used.coupon, currency),
            "saved": used.saved_minor,
        }
        for used in found.used
    ]


def _ticked(request: AnyRequest, here: list[Coupon]) -> list[Coupon]:
    sent = set(request.query_params.getall("use", [])[:MOST_CHOSEN])
    return [one for one in here if str(one.voucher_id) in sent]


def _where(form: BillForm, coupons: list[Coupon], places: list[int]) -> int:
    """The seller that was chosen, or the one for whom there are most coupons."""
    if form.is_valid and form.where in places:
        return int(form.where)
    counts = {place: sum((one.partner_id or HOUSE) == place for one in coupons) for place in places}
    return max(places, key=lambda place: counts[place], default=HOUSE)


def _place_name(place: int, names: dict[int, PartnerName]) -> str:
    return text_of(names[place], "name") if place in names else ""


ROUTES = [show_combinations]
