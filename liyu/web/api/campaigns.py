"""Campaigns from the host: an item for a list, a segment, a tag or a tier, given in the background."""

from typing import Annotated, Any

import msgspec
from litestar import Request, get, post
from litestar.params import FromPath
from msgspec import Meta, Struct
from psycopg import AsyncConnection
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.clock import local_date
from liyu.core.database import driver_connection
from liyu.core.errors import InvalidInputError
from liyu.core.i18n import N_, Message
from liyu.redemption.campaigns.people import choose, list_of
from liyu.redemption.campaigns.preview import preview
from liyu.redemption.campaigns.records import Campaign, count_reasons, load_campaign
from liyu.redemption.campaigns.service import Draft, draft_campaign, start_campaign
from liyu.redemption.giving import LARGEST_QUANTITY
from liyu.web.api.auth import caller_of
from liyu.web.api.bodies import read_body
from liyu.web.api.calls import Call, route
from liyu.web.api.idempotency import answer_once
from liyu.web.api.problems import json_answer
from liyu.web.api.schemas import Text
from liyu.web.pages import Page
from liyu.web.services import services_of

ApiRequest = Request[Any, Any, Any]
_MOST_MEMBERS = 10_000
_TAG = "Campaigns"
_EXAMPLE = {
    "id": 12,
    "name": "2026 双十二回馈",
    "status": "issuing",
    "members": 1840,
    "given": 0,
    "waiting": 1840,
    "left_out": 0,
    "expected": 1822,
    "reasons": {"member_frozen": 18},
    "unknown": ["M-99"],
}


class CampaignBody(Struct, forbid_unknown_fields=True):
    """What is to be given to whom: exactly one of `members`, `segment`, `tag` and `tier`."""

    name: Annotated[Text, Meta(description="No other campaign has it: it is what gives to nobody twice.")]
    sku: Annotated[Text, Meta(examples=["COF-LATTE"])]
    reason: Annotated[Text, Meta(description="What members read in the notice.")]
    quantity: Annotated[int, Meta(ge=1, le=LARGEST_QUANTITY, description="Units for each member.")] = 1
    members: Annotated[list[Text], Meta(max_length=_MOST_MEMBERS)] | None = None
    segment: Annotated[str, Meta(min_length=1, max_length=100, description="A segment's name.")] | None = None
    tag: Annotated[str, Meta(min_length=1, max_length=100, description="A tag's code.")] | None = None
    tier: Annotated[str, Meta(min_length=1, max_length=100, description="A tier's code.")] | None = None
    skip_holders: Annotated[bool, Meta(description="Leave out who holds a usable voucher of the item.")] = False


class CampaignAnswer(Struct):
    """A campaign, and what became of its members."""

    id: int
    name: str
    status: Annotated[
        str,
        Meta(description="`asked` waits for a second person in the console; then issuing, stopped, finished, refused."),
    ]
    members: int
    given: int
    waiting: int
    left_out: int
    expected: Annotated[int, Meta(description="Of those who wait, who would get it as things are now.")]
    reasons: Annotated[dict[str, int], Meta(description="Why members are or would be left out.")]
    unknown: Annotated[list[str], Meta(description="Numbers sent that are nobody's, closed, or sent twice.")] = []


_CHOSEN_BY = {"members": "list", "segment": "segment", "tag": "tag", "tier": "tier"}
_body = msgspec.json.Decoder(CampaignBody)


@post(
    "/campaigns",
    **route(
        Call(
            tag=_TAG,
            scope="campaigns:write",
            summary="Give an item to many members",
            description=(
                "Each gets it once, for no points, in the background. Stock is never exceeded and the item's limits for each "
                "member hold; who is left out is listed with the reason. What is more than one key may give away in a day waits "
                "for somebody in the console."
            ),
            body=CampaignBody,
            answers={202: CampaignAnswer},
            idempotency_key=True,
            problems={
                400: ["invalid_json", "idempotency_key_required"],
                404: ["unknown_item"],
                409: ["name_taken", "item_does_not_fit", "nobody_meant", "too_many_people", "idempotency_conflict"],
                422: ["invalid_input"],
            },
            example=_EXAMPLE,
        )
    ),
)
async def post_campaign(request: ApiRequest) -> Page:
    """Draft and start a campaign."""
    services, caller = services_of(request.app), caller_of(request).reference
    body = await read_body(request, _body)
    now, zone = services.clock.now(), services.settings.timezone
    how = _how(body)
    chosen_name = getattr(body, how, "")

    async def work(session: AsyncSession) -> tuple[int, dict[str, Any]]:
        connection = await driver_connection(session)
        draft = Draft(
            name=body.name, sku=body.sku, reason=body.reason, quantity=body.quantity, skips_holders=body.skip_holders,
            chosen=await choose(connection, how, chosen_name),
        )  # fmt: skip
        listed = list_of(body.members) if body.members else None
        made, faults = await draft_campaign(connection, draft, actor=caller, now=now, zone=zone, listed=listed)
        await start_campaign(connection, made, actor=caller, now=now, zone=zone)
        answer = await _answer(connection, await load_campaign(connection, made), services.clock, zone)
        answer.unknown = [one.given[0] for one in faults]
        content: dict[str, Any] = msgspec.to_builtins(answer)
        return 202, content

    return await answer_once(request, work)


@get(
    "/campaigns/{campaign_id:int}",
    **route(
        Call(
            tag=_TAG,
            scope="campaigns:read",
            summary="Read a campaign",
            description="How far it has come, and why members were left out.",
            path={"campaign_id": "The campaign's id."},
            answers={200: CampaignAnswer},
            problems={404: ["unknown_campaign"]},
            example=_EXAMPLE | {"status": "finished", "given": 1822, "waiting": 0, "left_out": 18, "expected": 0},
        )
    ),
)
async def get_campaign(request: ApiRequest, campaign_id: FromPath[int]) -> Page:
    """One campaign."""
    services = services_of(request.app)
    async with services.sessions() as session:
        connection = await driver_connection(session)
        found = await load_campaign(connection, campaign_id)
        return json_answer(await _answer(connection, found, services.clock, services.settings.timezone))


def _how(body: CampaignBody) -> str:
    """By what the members are chosen. Raises InvalidInputError."""
    given = [how for name, how in _CHOSEN_BY.items() if getattr(body, name)]
    if len(given) != 1:
        raise InvalidInputError.of_fields(
            {"members": Message(N_("Send exactly one of members, segment, tag and tier."))}
        )
    return given[0]


async def _answer(connection: AsyncConnection[Any], found: Campaign, clock: Any, zone: Any) -> CampaignAnswer:
    now = clock.now()
    seen = await preview(connection, found, now=now, today=local_date(now, zone), zone=zone)
    reasons = dict(await count_reasons(connection, found.id))
    for reason, members in seen.left_out:
        reasons[reason] = reasons.get(reason, 0) + members
    return CampaignAnswer(
        found.id,
        found.name,
        found.state,
        found.people,
        found.given,
        found.waiting,
        found.left_out,
        max(seen.get_it, 0),
        reasons,
    )


CALLS = [post_campaign, get_campaign]
