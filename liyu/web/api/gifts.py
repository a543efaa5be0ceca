"""Gifts for host systems: offering a member's voucher, taking it back, accepting it for another member."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Request, post
from msgspec import Meta, Struct

from liyu.core.database import driver_connection, unit_of_work
from liyu.members.queries import find_member_id
from liyu.vouchers.gifts.errors import NotGiftableError
from liyu.vouchers.gifts.queries import open_gift
from liyu.vouchers.gifts.service import LONGEST_WORDS, GiftLinks, accept_gift, offer_gift, take_back_gift
from liyu.vouchers.queries import voucher_of_member
from liyu.vouchers.serials import serial_of
from liyu.web.api.auth import caller_of
from liyu.web.api.bodies import read_body
from liyu.web.api.calls import Call, route
from liyu.web.api.problems import json_answer
from liyu.web.api.vouchers import find_held
from liyu.web.pages import Page
from liyu.web.services import services_of

ApiRequest = Request[Any, Any, Any]
_TAG = "Gifts"
_SCOPE = "redemptions:write"
_LINK = "https://mall.example.com/gift/0kVtqQ8mYt2nq3Yb1uQJ0mZ4mB8lq1n2k3Jx7cWfQ9s"

Name = Annotated[str, Meta(min_length=1, max_length=200, description="The host's own id of the member.")]
Code = Annotated[str, Meta(min_length=1, max_length=300, description="The voucher's code, as the member has it.")]


class GiftBody(Struct, forbid_unknown_fields=True):
    """A voucher that a member gives away."""

    member: Name
    voucher: Code
    words: Annotated[str, Meta(max_length=LONGEST_WORDS, description="What whoever has the link reads.")] = ""


class TakeBackBody(Struct, forbid_unknown_fields=True):
    """A voucher on its way that its member wants back."""

    member: Name
    voucher: Code


class AcceptBody(Struct, forbid_unknown_fields=True):
    """A gift, and the member whose it becomes."""

    member: Name
    token: Annotated[str, Meta(min_length=1, max_length=100, description="The last part of the link.")]


class GiftAnswer(Struct):
    """A gift on its way: its link is good once, until it runs out."""

    status: str
    link: str
    token: str
    expires_at: datetime


class TakenBackAnswer(Struct):
    """The voucher can be used again."""

    status: str
    voucher: str


class AcceptedAnswer(Struct):
    """The voucher has a code of its own from now on; the giver's is no voucher's any more."""

    status: str
    voucher: str


_gift_body = msgspec.json.Decoder(GiftBody)
_take_back_body = msgspec.json.Decoder(TakeBackBody)
_accept_body = msgspec.json.Decoder(AcceptBody)


@post(
    "/vouchers/gifts",
    **route(
        Call(
            tag=_TAG,
            scope=_SCOPE,
            summary="Offer a voucher as a gift",
            description=(
                "The answer has a link for whoever is to get it. Until it is accepted, taken back or runs out nobody can use the "
                "voucher. Offering it again answers with the same link."
            ),
            body=GiftBody,
            answers={201: GiftAnswer},
            problems={
                400: ["invalid_json"],
                404: ["unknown_member", "unknown_voucher"],
                409: ["not_giftable"],
                422: ["invalid_input"],
                429: ["too_many_gifts"],
            },
            example={"status": "open", "link": _LINK, "token": _LINK[-43:], "expires_at": "2026-11-29T04:00:00Z"},
        )
    ),
)
async def post_gift(request: ApiRequest) -> Page:
    """Offer a voucher."""
    services, body = services_of(request.app), await read_body(request, _gift_body)
    links, settings = GiftLinks(services.settings.secret_key), services.settings
    async with unit_of_work(services.sessions) as session:
        connection = await driver_connection(session)
        member_id, held = await find_held(connection, services, body.member, body.voucher)
        try:
            async with connection.transaction():
                offered = await offer_gift(
                    connection, member_id, held.id, words=body.words, links=links,
                    actor=caller_of(request).reference, now=services.clock.now(), zone=settings.timezone,
                )  # fmt: skip
            token, expires_at = offered.token, offered.expires_at
        except NotGiftableError:
            known = await open_gift(connection, held.id)
            if known is None:
                raise
            token, expires_at = links.token_of(known.id), known.expires_at
    link = f"{settings.base_url.rstrip('/')}/gift/{token}"
    return json_answer(GiftAnswer("open", link, token, expires_at), status=201)


@post(
    "/vouchers/gifts/take-back",
    **route(
        Call(
            tag=_TAG,
            scope=_SCOPE,
            summary="Take a gift back",
            description="The link is dead from then on. Refused once it was accepted.",
            body=TakeBackBody,
            answers={200: TakenBackAnswer},
            problems={
                400: ["invalid_json"],
                404: ["unknown_member", "unknown_voucher"],
                409: ["gift_over"],
                422: ["invalid_input"],
            },
            example={"status": "taken_back", "voucher": "7K3M-P9QX-4TRD"},
        )
    ),
)
async def post_take_back(request: ApiRequest) -> Page:
    """Take a gift back."""
    services, body = services_of(request.app), await read_body(request, _take_back_body)
    async with unit_of_work(services.sessions) as session:
        connection = await driver_connection(session)
        member_id, held = await find_held(connection, services, body.member, body.voucher)
        actor, now = caller_of(request).reference, services.clock.now()
        await take_back_gift(connection, member_id, held.id, actor=actor, now=now)
        facts = await voucher_of_member(connection, member_id, held.id)
    return json_answer(TakenBackAnswer("taken_back", services.codes.code_of(facts.serial)))


@post(
    "/vouchers/gifts/accept",
    **route(
        Call(
            tag=_TAG,
            scope=_SCOPE,
            summary="Accept a gift",
            description="The voucher becomes the member's. The same member again gets the same answer.",
            body=AcceptBody,
            answers={200: AcceptedAnswer},
            problems={
                400: ["invalid_json"],
                404: ["unknown_member", "unknown_gift"],
                409: ["gift_over", "own_gift", "cannot_receive"],
                422: ["invalid_input"],
            },
            example={"status": "accepted", "voucher": "9R2D-W4MK-7QXA"},
        )
    ),
)
async def post_acceptance(request: ApiRequest) -> Page:
    """Accept a gift."""
    services, body = services_of(request.app), await read_body(request, _accept_body)
    async with unit_of_work(services.sessions) as session:
        connection = await driver_connection(session)
        member_id = await find_member_id(connection, body.member)
        accepted = await accept_gift(
            connection, member_id, body.token, actor=caller_of(request).reference, now=services.clock.now()
        )
    code = services.codes.code_of(serial_of(accepted.voucher_id, accepted.generation))
    return json_answer(AcceptedAnswer("accepted", code))


CALLS = [post_gift, post_take_back, post_acceptance]
