"""Gift codes from the host's own app: a member typed one in there."""

from typing import Annotated, Any

import msgspec
from litestar import Request, post
from msgspec import Meta, Struct
from psycopg import AsyncConnection

from liyu.redemption.giftcodes.errors import UnknownGiftCodeError
from liyu.redemption.giftcodes.redeem import redeem_gift_code
from liyu.web.api.auth import caller_of
from liyu.web.api.bodies import read_body
from liyu.web.api.calls import Call, route
from liyu.web.api.problems import json_answer
from liyu.web.api.schemas import Text
from liyu.web.limits import guessing
from liyu.web.pages import Page
from liyu.web.services import services_of

GUESSES = "gift_code_address"


class GiftCodeBody(Struct, forbid_unknown_fields=True):
    """A code as the member typed it."""

    member: Annotated[Text, Meta(examples=["M-20871"], description="The member's number.")]
    code: Annotated[Text, Meta(examples=["7K3M-P9QX-4TRD-H2VF"])]


class GiftCodeAnswer(Struct):
    """What the code gave."""

    batch: Annotated[str, Meta(description="The name of its batch.")]
    points: Annotated[int | None, Meta(description="Points, when it gives points.")]
    sku: Annotated[str | None, Meta(description="The item, when it gives one.")]
    quantity: int | None
    redemption: Annotated[str | None, Meta(description="The redemption that the item became.")]
    repeated: Annotated[
        bool, Meta(description="Whether this member had redeemed it before; then nothing was given again.")
    ]


_body = msgspec.json.Decoder(GiftCodeBody)


@post(
    "/gift-codes/redeem",
    **route(
        Call(
            tag="Gift codes",
            scope="redemptions:write",
            summary="Redeem a gift code",
            description=(
                "Gives a member what a code is good for, once. The same code for the same member again gives the first answer. "
                "There is one answer for all codes that there are not; too many of them lock the key out for a while."
            ),
            body=GiftCodeBody,
            answers={200: GiftCodeAnswer},
            problems={
                400: ["invalid_json"],
                404: ["unknown_gift_code", "unknown_member"],
                409: [
                    "gift_code_used",
                    "gift_code_too_early",
                    "gift_code_over",
                    "limit_reached",
                    "sold_out",
                    "not_on_sale",
                    "member_frozen",
                    "member_not_active",
                    "member_closed",
                    "no_address",
                    "not_sent_there",
                ],
                422: ["invalid_input", "mistyped_code"],
                429: ["too_many_requests"],
            },
            example={
                "batch": "2026 新春礼品卡",
                "points": 500,
                "sku": None,
                "quantity": None,
                "redemption": None,
                "repeated": False,
            },
        )
    ),
)
async def post_gift_code(request: Request[Any, Any, Any]) -> Page:
    """Redeem a code for a member."""
    services, caller = services_of(request.app), caller_of(request).reference
    body = await read_body(request, _body)
    assert services.settings.database_url is not None
    async with (
        guessing(services, ((GUESSES, caller),), UnknownGiftCodeError),
        await AsyncConnection.connect(
            services.settings.database_url, autocommit=True, options="-c timezone=UTC -c lock_timeout=5s"
        ) as own,
    ):
        got = await redeem_gift_code(
            own,
            body.code,
            body.member,
            secret_key=services.settings.secret_key,
            actor=caller,
            now=services.clock.now(),
            zone=services.settings.timezone,
        )
    return json_answer(GiftCodeAnswer(got.batch, got.points, got.sku, got.quantity, got.order, got.repeated))


CALLS = [post_gift_code]
