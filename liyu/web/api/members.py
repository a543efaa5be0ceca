"""Members: create or change, read, their points ledger, manual adjustments."""

from typing import Any

import msgspec
from litestar import Request, get, post, put
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection, unit_of_work
from liyu.core.errors import InvalidInputError
from liyu.core.i18n import N_, Message
from liyu.members.errors import UnknownMemberError
from liyu.members.points.history import Movement, list_movements
from liyu.members.profile import MemberChanges, save_member
from liyu.members.queries import find_member_id, read_member
from liyu.members.service.adjustments import adjust_or_ask
from liyu.redemption.persons import name_same_person
from liyu.web.api.auth import caller_of
from liyu.web.api.bodies import is_storable, read_body, read_query
from liyu.web.api.calls import Call, route
from liyu.web.api.cursors import read_cursor, write_cursor
from liyu.web.api.event_schemas import LineAnswer
from liyu.web.api.idempotency import answer_once, idempotency_key
from liyu.web.api.member_schemas import (
    AdjustmentAnswer,
    AdjustmentBody,
    LedgerAnswer,
    LedgerEntryAnswer,
    LotAnswer,
    MemberAnswer,
    MemberBody,
)
from liyu.web.api.problems import json_answer
from liyu.web.api.schemas import CursorQuery
from liyu.web.pages import Page
from liyu.web.services import services_of

ApiRequest = Request[Any, Any, Any]

_TAG = "Members"
_PATH = {"external_id": "The host's own id of the member."}
_EXAMPLE = {
    "external_id": "M-20871",
    "state": "active",
    "tier": "gold",
    "balance": 12850,
    "pending": 300,
    "debt": 0,
    "lots": [{"expires_on": "2026-12-31", "remaining": 2850}, {"expires_on": "2027-12-31", "remaining": 10000}],
    "growth": 4120,
    "tier_until": "2027-11-30",
    "card_number": "60283917465502",
    "name": "林岚",
    "phone": "+8613800138000",
    "email": None,
    "birthday": "1992-05-20",
    "city": None,
    "locale": "zh_CN",
    "joined_at": "2025-03-08T02:11:00Z",
}

_STATES = {None: "done", "approved": "done", "requested": "pending", "refused": "refused"}
"""What an adjustment is called here, by the state of its request for a second person."""

_put_body = msgspec.json.Decoder(MemberBody)
_adjustment_body = msgspec.json.Decoder(AdjustmentBody)


@put(
    "/members/{external_id:str}",
    **route(
        Call(
            tag=_TAG,
            scope="members:write",
            summary="Create or change a member",
            description=(
                "Fields that are left out stay as they are; null clears. 201 when the member is new. Freezing stops "
                "redemptions; a closed membership stays closed."
            ),
            path=_PATH,
            body=MemberBody,
            answers={200: MemberAnswer, 201: MemberAnswer},
            problems={
                400: ["invalid_json"],
                409: ["phone_taken", "member_closed", "state_not_possible"],
                422: ["invalid_input"],
            },
            example=_EXAMPLE,
        )
    ),
)
async def put_member(request: ApiRequest, external_id: FromPath[str]) -> Page:
    """Create or change a member."""
    services = services_of(request.app)
    body = await read_body(request, _put_body)
    if not is_storable(external_id):
        raise InvalidInputError.of_fields(
            {"external_id": Message(N_("This contains a character that cannot be stored."))}
        )
    changes = MemberChanges(**{name: getattr(body, name) for name in MemberChanges.__struct_fields__})
    async with unit_of_work(services.sessions) as session:
        connection = await driver_connection(session)
        created = await save_member(
            connection,
            external_id,
            changes,
            actor=caller_of(request).reference,
            now=services.clock.now(),
            zone=services.settings.timezone,
        )
        if body.same_person_as is not msgspec.UNSET:
            await name_same_person(connection, external_id, body.same_person_as)
        answer = await _member_answer(session, external_id)
    return json_answer(answer, status=201 if created else 200)


@get(
    "/members/{external_id:str}",
    **route(
        Call(
            tag=_TAG,
            scope="members:read",
            summary="Read a member",
            description="Profile, tier, balance, pending points, debt, and the lots by the day on which they lapse.",
            path=_PATH,
            answers={200: MemberAnswer},
            problems={404: ["unknown_member"]},
            example=_EXAMPLE,
        )
    ),
)
async def get_member(request: ApiRequest, external_id: FromPath[str]) -> Page:
    """Read a member."""
    async with services_of(request.app).sessions() as session:
        return json_answer(await _member_answer(session, external_id))


@get(
    "/members/{external_id:str}/ledger",
    **route(
        Call(
            tag=_TAG,
            scope="members:read",
            summary="What moved a member's points",
            description="The newest movement first, 30 on a page, with the rule lines that gave the points.",
            path=_PATH,
            query=CursorQuery,
            answers={200: LedgerAnswer},
            problems={404: ["unknown_member"], 422: ["invalid_input"]},
        )
    ),
)
async def get_ledger(request: ApiRequest, external_id: FromPath[str]) -> Page:
    """One page of movements."""
    before = read_cursor(read_query(request, CursorQuery).cursor)
    async with services_of(request.app).sessions() as session:
        connection = await driver_connection(session)
        history = await list_movements(connection, await find_member_id(connection, _known(external_id)), before)
    entries = [_entry_answer(movement) for movement in history.movements]
    return json_answer(LedgerAnswer(entries, write_cursor(history.next_cursor)))


@post(
    "/members/{external_id:str}/adjustments",
    **route(
        Call(
            tag=_TAG,
            scope="members:write",
            summary="Give or take points by hand",
            description=(
                "Given points pay a debt first, as earnings do. The reason stays in the ledger. What a key would move beyond the "
                "program's limit for a member and a day is pending (202): nothing moves until somebody of the staff approves it."
            ),
            path=_PATH,
            body=AdjustmentBody,
            idempotency_key=True,
            answers={201: AdjustmentAnswer, 202: AdjustmentAnswer},
            problems={
                400: ["invalid_json", "idempotency_key_required"],
                404: ["unknown_member"],
                409: ["not_enough_points", "member_closed", "idempotency_conflict"],
                422: ["invalid_input"],
            },
            example={
                "external_id": "M-20871",
                "points": 200,
                "reason": "Goodwill for a late delivery",
                "state": "done",
                "request": None,
                "balance": 13050,
            },
        )
    ),
)
async def post_adjustment(request: ApiRequest, external_id: FromPath[str]) -> Page:
    """Give or take points."""
    services, caller = services_of(request.app), caller_of(request).reference
    key = idempotency_key(request)
    body = await read_body(request, _adjustment_body)

    async def adjust(session: AsyncSession) -> tuple[int, dict[str, Any]]:
        connection = await driver_connection(session)
        adjusted = await adjust_or_ask(
            connection,
            _known(external_id),
            body.points,
            reason=body.reason,
            key=f"{caller}:{key}",
            actor=caller,
            now=services.clock.now(),
            zone=services.settings.timezone,
        )
        state = _STATES[adjusted.state]
        balance = (await read_member(connection, external_id)).balance
        answer = AdjustmentAnswer(external_id, body.points, body.reason, state, adjusted.request_id, balance)
        return 202 if state == "pending" else 201, msgspec.to_builtins(answer)

    return await answer_once(request, adjust)


CALLS = [put_member, get_member, get_ledger, post_adjustment]


def _known(external_id: str) -> str:
    """The id, unless no member can have it."""
    if not is_storable(external_id):
        raise UnknownMemberError
    return external_id


async def _member_answer(session: AsyncSession, external_id: str) -> MemberAnswer:
    record = await read_member(await driver_connection(session), _known(external_id))
    lots = [LotAnswer(lot.expires_on, lot.remaining) for lot in record.lots]
    values = {name: getattr(record, name) for name in MemberAnswer.__struct_fields__ if name != "lots"}
    return MemberAnswer(**values, lots=lots)


def _entry_answer(movement: Movement) -> LedgerEntryAnswer:
    names = [name for name in LedgerEntryAnswer.__struct_fields__ if name != "lines"]
    lines = [
        LineAnswer(line.rule, line.version, line.points, line.growth, line.multiplier_basis_points, line.capped_from)
        for line in movement.lines
    ]
    return LedgerEntryAnswer(**{name: getattr(movement, name) for name in names}, lines=lines)
