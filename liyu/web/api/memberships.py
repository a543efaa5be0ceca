"""Paid memberships that the host system sells: telling of a sale, giving one back, and what a member has."""

from typing import Any

import msgspec
from litestar import Request, get, post
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.members.errors import UnknownMemberError
from liyu.members.paid.errors import UnknownPeriodError
from liyu.members.paid.queries import Period, list_periods
from liyu.members.paid.service import Sale, return_membership, sell_membership
from liyu.members.queries import find_member_id
from liyu.web.api.auth import caller_of
from liyu.web.api.bodies import is_storable, read_body
from liyu.web.api.calls import Call, route
from liyu.web.api.idempotency import answer_once
from liyu.web.api.member_schemas import MembershipAnswer, MembershipBody, MembershipReturnBody, MembershipsAnswer
from liyu.web.api.problems import json_answer
from liyu.web.pages import Page
from liyu.web.services import services_of

ApiRequest = Request[Any, Any, Any]

_TAG = "Paid memberships"
_PATH = {"external_id": "The host's own id of the member."}
_EXAMPLE = {
    "reference": "VIP-2026-118",
    "plan": "gold-month",
    "begins_on": "2026-11-22",
    "ends_on": "2026-12-21",
    "days": 30,
    "points": 0,
    "paid_minor": 3000,
    "returned_at": None,
    "returned_points": None,
    "returned_minor": None,
}

_sale_body = msgspec.json.Decoder(MembershipBody)
_return_body = msgspec.json.Decoder(MembershipReturnBody)


@get(
    "/members/{external_id:str}/memberships",
    **route(
        Call(
            tag=_TAG,
            scope="members:read",
            summary="What a member has bought",
            description="The paid memberships of a member, the latest first.",
            path=_PATH,
            answers={200: MembershipsAnswer},
            problems={404: ["unknown_member"]},
            example={"memberships": [_EXAMPLE]},
        )
    ),
)
async def get_memberships(request: ApiRequest, external_id: FromPath[str]) -> Page:
    """The paid memberships of a member."""
    async with services_of(request.app).sessions() as session:
        connection = await driver_connection(session)
        periods = await list_periods(connection, await find_member_id(connection, _known(external_id)))
    return json_answer(MembershipsAnswer([_answer(one) for one in periods]))


@post(
    "/members/{external_id:str}/memberships",
    **route(
        Call(
            tag=_TAG,
            scope="members:write",
            summary="Tell of a sale",
            description=(
                "The tier of the plan holds from today, or from the day after the membership of the same tier that the member "
                "has, through the last day. It ends by itself: to go on, sell another one. The reference is the sale's own number; "
                "the same sale again answers as before."
            ),
            path=_PATH,
            body=MembershipBody,
            idempotency_key=True,
            answers={201: MembershipAnswer},
            problems={
                400: ["invalid_json", "idempotency_key_required"],
                404: ["unknown_member", "unknown_plan"],
                409: ["membership_not_possible", "idempotency_conflict"],
                422: ["invalid_input"],
            },
            example=_EXAMPLE,
        )
    ),
)
async def post_membership(request: ApiRequest, external_id: FromPath[str]) -> Page:
    """Tell of a sale."""
    services, body = services_of(request.app), await read_body(request, _sale_body)

    async def sell(session: AsyncSession) -> tuple[int, dict[str, Any]]:
        sold = await sell_membership(
            await driver_connection(session),
            Sale(_known(external_id), body.plan, body.reference, body.paid_minor),
            actor=caller_of(request).reference,
            now=services.clock.now(),
            zone=services.settings.timezone,
        )
        return 201, msgspec.to_builtins(_answer(sold))

    return await answer_once(request, sell)


@post(
    "/memberships/{reference:str}/return",
    **route(
        Call(
            tag=_TAG,
            scope="members:write",
            summary="Give a membership back",
            description=(
                "It ends at once. `returned_minor` is what the seller owes by the stated rule: everything within the plan's days "
                "for a member's first one, otherwise the share of the days that are left; points go back by themselves."
            ),
            path={"reference": "The number of the sale."},
            body=MembershipReturnBody,
            idempotency_key=True,
            answers={200: MembershipAnswer},
            problems={
                400: ["invalid_json", "idempotency_key_required"],
                404: ["unknown_membership"],
                409: ["membership_not_returnable", "idempotency_conflict"],
                422: ["invalid_input"],
            },
            example=_EXAMPLE
            | {
                "ends_on": "2026-11-21",
                "returned_at": "2026-11-22T08:00:00Z",
                "returned_points": 0,
                "returned_minor": 3000,
            },
        )
    ),
)
async def post_membership_return(request: ApiRequest, reference: FromPath[str]) -> Page:
    """Give a membership back."""
    services, body = services_of(request.app), await read_body(request, _return_body)
    if not is_storable(reference):
        raise UnknownPeriodError

    async def give_back(session: AsyncSession) -> tuple[int, dict[str, Any]]:
        sold = await return_membership(
            await driver_connection(session),
            reference,
            reason=body.reason,
            actor=caller_of(request).reference,
            now=services.clock.now(),
            zone=services.settings.timezone,
        )
        return 200, msgspec.to_builtins(_answer(sold))

    return await answer_once(request, give_back)


CALLS = [get_memberships, post_membership, post_membership_return]


def _known(external_id: str) -> str:
    if not is_storable(external_id):
        raise UnknownMemberError
    return external_id


def _answer(sold: Period) -> MembershipAnswer:
    return MembershipAnswer(**{name: getattr(sold, name) for name in MembershipAnswer.__struct_fields__})
