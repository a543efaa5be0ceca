"""Coupons on one bill for tills: whether those that are shown go together, what they take off, and the best of them."""

from typing import Annotated, Any

import msgspec
from litestar import Request, post
from msgspec import Meta, Struct

from liyu.core.database import driver_connection
from liyu.core.errors import DomainError
from liyu.vouchers.bills import LARGEST_BILL, NoCouponError, ShownTwiceError
from liyu.vouchers.check import check_at_till
from liyu.vouchers.coupons import coupons_by_id
from liyu.vouchers.errors import UnknownVoucherError, WrongPartnerError
from liyu.vouchers.stacking import Combination, Coupon, Objection, check, find_best
from liyu.web.api.bodies import read_body
from liyu.web.api.calls import Call, route
from liyu.web.api.problems import json_answer, problem_locale
from liyu.web.api.schemas import Code, StoreCode
from liyu.web.api.vouchers import wish_of
from liyu.web.coupon_words import objection_message
from liyu.web.i18n import ENGLISH, translate
from liyu.web.pages import Page
from liyu.web.services import services_of

ApiRequest = Request[Any, Any, Any]

_MOST_CODES = 12


class CombineBody(Struct, forbid_unknown_fields=True):
    """The coupons that a customer shows, and the bill."""

    codes: Annotated[list[Code], Meta(min_length=1, max_length=_MOST_CODES)]
    amount_minor: Annotated[int, Meta(ge=0, le=LARGEST_BILL, examples=[12_800], description="In minor units.")]
    store: StoreCode | None = None


class CombinedCoupon(Struct):
    """A coupon in its turn."""

    place: Annotated[int, Meta(description="Which of the codes sent, from 0.")]
    name: str
    saved_minor: int


class CombineObjection(Struct):
    """Why one of them cannot be on the bill with the others."""

    place: Annotated[int, Meta(description="Which of the codes sent, from 0.")]
    reason: Annotated[str, Meta(examples=["not_together"])]
    message: str
    other: Annotated[int | None, Meta(description="The one it cannot stand beside, from 0.")] = None


class CombineAnswer(Struct):
    """Whether all go together, and the best choice of them. Nothing is used."""

    together: bool
    saved_minor: Annotated[int, Meta(description="What all of them take off; 0 when they do not go together.")]
    coupons: list[CombinedCoupon]
    objections: list[CombineObjection]
    best: list[CombinedCoupon]
    best_saved_minor: int


_body = msgspec.json.Decoder(CombineBody)


@post(
    "/vouchers/combine",
    **route(
        Call(
            tag="Vouchers",
            scope="vouchers:verify",
            summary="See which coupons go together on a bill",
            description=(
                "Whether the coupons go together by the rules of their items, what they take off in their turns, why others do "
                "not fit, and the best choice. Uses none of them: verify each afterwards. A code that no voucher has ends it, "
                "and is counted as in checking."
            ),
            body=CombineBody,
            answers={200: CombineAnswer},
            problems={
                400: ["invalid_json"],
                404: ["unknown_voucher"],
                409: ["wrong_partner"],
                422: ["invalid_input"],
                429: ["too_many_requests"],
            },
            example={
                "together": False,
                "saved_minor": 0,
                "coupons": [],
                "objections": [
                    {"place": 1, "reason": "not_together", "message": "不能与“满100减20券”叠加使用。", "other": 0}
                ],
                "best": [{"place": 0, "name": "满100减20券", "saved_minor": 2000}],
                "best_saved_minor": 2000,
            },
        ),
        for_partners=True,
    ),
)
async def post_combination(request: ApiRequest) -> Page:
    """See which go together."""
    services = services_of(request.app)
    body = await read_body(request, _body)
    now, zone, locale = services.clock.now(), services.settings.timezone, problem_locale(request)
    places: dict[int, int] = {}
    objections: list[CombineObjection] = []
    for place, code in enumerate(body.codes):
        wish = wish_of(request, code, body.store)
        found = await check_at_till(services.sessions, wish, now=now, zone=zone, tokens=services.tokens)
        if isinstance(found.refusal, UnknownVoucherError | WrongPartnerError):
            raise found.refusal
        if found.refusal is not None:
            objections.append(_refused(place, found.refusal, locale))
        elif found.voucher_id in places:
            objections.append(_refused(place, ShownTwiceError(), locale))
        else:
            places[found.voucher_id] = place
    async with services.sessions() as session:
        coupons = await coupons_by_id(await driver_connection(session), list(places), now)
    known = {one.voucher_id for one in coupons}
    objections += [
        _refused(place, NoCouponError(), locale) for voucher, place in places.items() if voucher not in known
    ]
    currency = services.program.current(services.sessions).currency
    together = check(coupons, body.amount_minor)
    best = find_best(coupons, body.amount_minor)
    if isinstance(together, Combination):
        used = _coupons(together, places, locale)
    else:
        used = []
        objections += [_against(one, places, currency, locale) for one in together]
    fits = not objections
    answer = CombineAnswer(
        together=fits,
        saved_minor=sum(one.saved_minor for one in used) if fits else 0,
        coupons=used if fits else [],
        objections=sorted(objections, key=lambda one: one.place),
        best=_coupons(best, places, locale),
        best_saved_minor=best.saved_minor,
    )
    return json_answer(answer)


def _coupons(found: Combination, places: dict[int, int], locale: str) -> list[CombinedCoupon]:
    return [
        CombinedCoupon(places[one.coupon.voucher_id], _name(one.coupon, locale), one.saved_minor) for one in found.used
    ]


def _name(coupon: Coupon, locale: str) -> str:
    return (locale == ENGLISH and coupon.name_en) or coupon.name_zh


def _against(found: Objection, places: dict[int, int], currency: str, locale: str) -> CombineObjection:
    words = translate(objection_message(found, currency), locale)
    other = places[found.other.voucher_id] if found.other else None
    return CombineObjection(places[found.coupon.voucher_id], found.reason, words, other)


def _refused(place: int, refusal: DomainError, locale: str) -> CombineObjection:
    return CombineObjection(place, refusal.code, translate(refusal.text, locale))


CALLS = [post_combination]
