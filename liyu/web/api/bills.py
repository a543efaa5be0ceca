"""Several coupons on one bill for tills: used all at once, or none of them."""

from typing import Annotated, Any

import msgspec
from litestar import Request, post
from msgspec import Meta, Struct

from liyu.core.database import driver_connection, unit_of_work
from liyu.core.errors import Reason
from liyu.redemption.fulfil import complete_when_used_up
from liyu.vouchers.bills import LARGEST_BILL, Bill, CouponsRefusedError, verify_together
from liyu.vouchers.stacking import MOST_TOGETHER
from liyu.web.api.bodies import read_body
from liyu.web.api.calls import Call, route
from liyu.web.api.problems import json_answer
from liyu.web.api.schemas import Code, Pin, StoreCode
from liyu.web.api.vouchers import wish_of
from liyu.web.coupon_words import objection_message
from liyu.web.pages import Page
from liyu.web.services import Services, services_of

ApiRequest = Request[Any, Any, Any]


class BillCoupon(Struct, forbid_unknown_fields=True):
    """A coupon that a customer shows."""

    code: Code
    pin: Pin | None = None


class BillBody(Struct, forbid_unknown_fields=True):
    """The coupons of one sale, and its amount. The same nonce gives the first answer again."""

    coupons: Annotated[list[BillCoupon], Meta(min_length=1, max_length=MOST_TOGETHER)]
    amount_minor: Annotated[int, Meta(gt=0, le=LARGEST_BILL, examples=[12_800], description="In minor units.")]
    nonce: Annotated[
        str, Meta(min_length=1, max_length=200, examples=["7f1c2a"], description="The till's own, new for each sale.")
    ]
    store: StoreCode | None = None


class UsedCoupon(Struct):
    """A coupon in its turn, with what it can be taken back by."""

    place: Annotated[int, Meta(description="Which of the coupons sent, from 0.")]
    verification: int
    saved_minor: int


class BillAnswer(Struct):
    """All coupons are used, and what their partner is owed is booked."""

    result: Annotated[str, Meta(description="verified")]
    bill: int
    saved_minor: int
    coupons: list[UsedCoupon]


_body = msgspec.json.Decoder(BillBody)


@post(
    "/vouchers/bills",
    **route(
        Call(
            tag="Vouchers",
            scope="vouchers:verify",
            summary="Use several coupons on one bill",
            description=(
                "All are verified in one transaction if each is accepted and their items' rules let them go together; otherwise "
                "none is, and each reason says by `place` whose it is. The same nonce with the same coupons and amount gets the "
                "first answer again. Each is a verification of its own, which `/vouchers/undo` takes back."
            ),
            body=BillBody,
            answers={200: BillAnswer},
            problems={
                400: ["invalid_json"],
                409: ["coupons_refused", "idempotency_conflict"],
                422: ["invalid_input"],
                429: ["too_many_requests"],
            },
            example={
                "result": "verified",
                "bill": 17,
                "saved_minor": 1200,
                "coupons": [
                    {"place": 0, "verification": 4711, "saved_minor": 600},
                    {"place": 1, "verification": 4712, "saved_minor": 600},
                ],
            },
        ),
        for_partners=True,
    ),
)
async def post_bill(request: ApiRequest) -> Page:
    """Use several coupons."""
    services, body = services_of(request.app), await read_body(request, _body)
    places = _places(services, body)
    wishes = [wish_of(request, one.code, body.store, pin=one.pin) for one in body.coupons]
    bill: Bill | CouponsRefusedError
    async with unit_of_work(services.sessions) as session:
        try:
            bill = await verify_together(
                await driver_connection(session), wishes, nonce=body.nonce, amount_minor=body.amount_minor,
                now=services.clock.now(), zone=services.settings.timezone, tokens=services.tokens,
                on_used_up=complete_when_used_up,
            )  # fmt: skip
        except CouponsRefusedError as refusal:
            # Committed all the same: attempts and wrong PINs stay.
            bill = refusal
    if isinstance(bill, CouponsRefusedError):
        bill.reasons = _reasons(bill, places, services.program.current(services.sessions).currency)
        raise bill
    used = [UsedCoupon(places[one.voucher_id], one.verification_id, one.saved_minor) for one in bill.uses]
    return json_answer(BillAnswer("verified", bill.id, bill.saved_minor, used))


def _places(services: Services, body: BillBody) -> dict[int, int]:
    """Which place each voucher has among those sent."""
    now = services.clock.now()
    read = [services.tokens.read(one.code, now) for one in body.coupons]
    return {presented.voucher_id: place for place, presented in enumerate(read) if presented is not None}


def _reasons(refusal: CouponsRefusedError, places: dict[int, int], currency: str) -> list[Reason]:
    """Every reason with the place of the coupon that it speaks against."""
    refused = [
        Reason(one.code, one.text, {**(one.reasons[0].details if one.reasons else {}), "place": place})
        for place, one in sorted(refusal.refused.items())
    ]
    return refused + [
        Reason(one.reason, objection_message(one, currency), {"place": places[one.coupon.voucher_id]})
        for one in refusal.objections
    ]


CALLS = [post_bill]
