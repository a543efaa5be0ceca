"""Webhooks: who subscribes hears of events, signed as Standard Webhooks says; a partner's key hears of the partner's own."""

from typing import Annotated, Any

import msgspec
from litestar import Request, delete, get, post
from litestar.params import FromPath
from msgspec import Meta, Struct

from liyu.core.database import driver_connection, unit_of_work
from liyu.core.errors import NotFoundError
from liyu.core.webhooks import subscriptions
from liyu.core.webhooks.subscriptions import EVENTS
from liyu.web.api.auth import caller_of
from liyu.web.api.bodies import read_body
from liyu.web.api.calls import Call, route
from liyu.web.api.problems import json_answer
from liyu.web.api.schemas import Instant
from liyu.web.pages import Page
from liyu.web.services import services_of

ApiRequest = Request[Any, Any, Any]

_TAG = "Webhooks"
_SCOPE = "webhooks:write"
_PATH = {"number": "The subscription's number."}
_LARGEST = 2**62
_KNOWN = ", ".join(EVENTS)
_EXAMPLE = {
    "id": 7, "url": "https://till.example.com/liyu", "events": ["voucher.verified"], "made_at": "2026-11-22T02:00:00Z",
}  # fmt: skip


class WebhookBody(Struct, forbid_unknown_fields=True):
    """An address and what it wants to hear of."""

    url: Annotated[str, Meta(max_length=2_000, description="Begins with https://.")]
    events: Annotated[list[str], Meta(min_length=1, max_length=20, description=f"Of {_KNOWN}.")]


class WebhookAnswer(Struct):
    """A subscription."""

    id: int
    url: str
    events: list[str]
    made_at: Instant


class NewWebhookAnswer(WebhookAnswer):
    """A new subscription with the secret that signs its messages."""

    secret: Annotated[str, Meta(description="Shown this once.")]


class WebhooksAnswer(Struct):
    """All subscriptions that the key may see."""

    webhooks: list[WebhookAnswer]


class WebhookMessageAnswer(Struct):
    """A message and what became of it."""

    id: int
    type: str
    status: Annotated[str, Meta(description="delivered, waiting or given_up")]
    attempts: int
    created_at: Instant
    delivered_at: Instant | None
    last_status: int | None
    last_error: str | None


class WebhookMessagesAnswer(Struct):
    """The newest hundred messages."""

    messages: list[WebhookMessageAnswer]


class WebhookDoneAnswer(Struct):
    """What was done."""

    result: str


_body = msgspec.json.Decoder(WebhookBody)


@post(
    "/webhooks",
    **route(
        Call(
            tag=_TAG,
            scope=_SCOPE,
            summary="Subscribe to events",
            description=(
                f"Events: {_KNOWN}. Each message is a POST of type, timestamp and data, signed as Standard Webhooks says; after an "
                "answer other than 2xx it is tried again for two days. The webhook-id of a message stays the same."
            ),
            body=WebhookBody,
            answers={201: NewWebhookAnswer},
            problems={400: ["invalid_json"], 422: ["invalid_input"]},
            example=_EXAMPLE | {"secret": "whsec_…"},
        ),
        for_partners=True,
    ),
)
async def post_webhook(request: ApiRequest) -> Page:
    """Subscribe."""
    services, caller = services_of(request.app), caller_of(request)
    body = await read_body(request, _body)
    async with unit_of_work(services.sessions) as session:
        made, secret = await subscriptions.subscribe(
            await driver_connection(session),
            url=body.url,
            events=body.events,
            partner_id=caller.partner_id,
            secret_key=services.settings.secret_key,
            allow_private=services.settings.is_development,
            actor=caller.reference,
            now=services.clock.now(),
        )
    return json_answer(NewWebhookAnswer(made.id, made.url, made.events, made.made_at, secret), status=201)


@get(
    "/webhooks",
    **route(
        Call(
            tag=_TAG,
            scope=_SCOPE,
            summary="List subscriptions",
            description="A partner's key sees its own.",
            answers={200: WebhooksAnswer},
            example={"webhooks": [_EXAMPLE]},
        ),
        for_partners=True,
    ),
)
async def get_webhooks(request: ApiRequest) -> Page:
    """List subscriptions."""
    async with services_of(request.app).sessions() as session:
        found = await subscriptions.list_subscriptions(await driver_connection(session), caller_of(request).partner_id)
    return json_answer(WebhooksAnswer([WebhookAnswer(one.id, one.url, one.events, one.made_at) for one in found]))


@delete(
    "/webhooks/{number:str}",
    status_code=200,
    **route(
        Call(
            tag=_TAG,
            scope=_SCOPE,
            summary="End a subscription",
            description="What still waits for it is not sent.",
            path=_PATH,
            answers={200: WebhookDoneAnswer},
            problems={404: ["not_found"]},
            example={"result": "ended"},
        ),
        for_partners=True,
    ),
)
async def delete_webhook(request: ApiRequest, number: FromPath[str]) -> Page:
    """End a subscription."""
    services = services_of(request.app)
    async with unit_of_work(services.sessions) as session:
        await subscriptions.unsubscribe(
            await driver_connection(session),
            _number(number),
            partner_id=caller_of(request).partner_id,
            now=services.clock.now(),
        )
    return json_answer(WebhookDoneAnswer("ended"))


@get(
    "/webhooks/{number:str}/messages",
    **route(
        Call(
            tag=_TAG,
            scope=_SCOPE,
            summary="List messages of a subscription",
            description="The newest first, with what became of them.",
            path=_PATH,
            answers={200: WebhookMessagesAnswer},
            problems={404: ["not_found"]},
        ),
        for_partners=True,
    ),
)
async def get_messages(request: ApiRequest, number: FromPath[str]) -> Page:
    """List messages."""
    async with services_of(request.app).sessions() as session:
        found = await subscriptions.list_messages(
            await driver_connection(session), _number(number), partner_id=caller_of(request).partner_id
        )
    lines = [WebhookMessageAnswer(**msgspec.structs.asdict(one)) for one in found]
    return json_answer(WebhookMessagesAnswer(lines))


@post(
    "/webhooks/{number:str}/messages/{message:str}/resend",
    status_code=200,
    **route(
        Call(
            tag=_TAG,
            scope=_SCOPE,
            summary="Send a message once more",
            description="With the same webhook-id, within a minute.",
            path=_PATH | {"message": "The message's number."},
            answers={200: WebhookDoneAnswer},
            problems={404: ["not_found"]},
            example={"result": "waiting"},
        ),
        for_partners=True,
    ),
)
async def post_resend(request: ApiRequest, number: FromPath[str], message: FromPath[str]) -> Page:
    """Send a message once more."""
    services = services_of(request.app)
    async with unit_of_work(services.sessions) as session:
        await subscriptions.resend(
            await driver_connection(session),
            _number(number),
            _number(message),
            partner_id=caller_of(request).partner_id,
            now=services.clock.now(),
        )
    return json_answer(WebhookDoneAnswer("waiting"))


def _number(text: str) -> int:
    """A number in an address. Raises NotFoundError for what is none."""
    if not text.isdecimal() or not text.isascii() or int(text) > _LARGEST:
        raise NotFoundError
    return int(text)


CALLS = [post_webhook, get_webhooks, delete_webhook, get_messages, post_resend]
