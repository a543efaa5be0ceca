"""Earning events: one, or up to a thousand at once; each type and reference counts once for ever."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from litestar import Request, post
from psycopg import AsyncConnection
from psycopg.errors import DeadlockDetected, UniqueViolation
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.errors import DomainError, InvalidInputError
from liyu.core.i18n import N_, Message
from liyu.members.errors import MemberClosedError, UnknownMemberError
from liyu.members.points.events import Event, Posted, check_event, check_source
from liyu.members.points.post import post_events
from liyu.web.api.auth import caller_of
from liyu.web.api.bodies import convert_fields, decode_json, find_faults, is_storable
from liyu.web.api.calls import Call, route
from liyu.web.api.event_schemas import (
    EventAnswer,
    EventBatchAnswer,
    EventBatchBody,
    EventBody,
    EventRowAnswer,
    LineAnswer,
)
from liyu.web.api.idempotency import answer_once
from liyu.web.api.problems import problem_locale
from liyu.web.formats import use_zone
from liyu.web.i18n import translate
from liyu.web.pages import Page
from liyu.web.services import Services, services_of

ApiRequest = Request[Any, Any, Any]
Faults = dict[str, Message]

INVALID = "invalid_event"
_TAG = "Events"
_LINE = {
    "rule": "purchase",
    "version": 1,
    "points": 128,
    "growth": 128,
    "multiplier_basis_points": 10000,
    "capped_from": None,
}
_ROW = {
    "member": "M-20871",
    "type": "purchase",
    "reference": "A-1001",
    "points": 128,
    "growth": 128,
    "lines": [_LINE],
}


class ReferenceConflictError(DomainError):
    """Type and reference were used for another event, or the purchase of a return is another member's."""

    code = "reference_conflict"

    def __init__(self, message: Message) -> None:
        self._words = message
        super().__init__()

    @property
    def text(self) -> Message:
        """Which of the two it is."""
        return self._words


@post(
    "/events",
    **route(
        Call(
            tag=_TAG,
            scope="events:write",
            summary="Post an event",
            description=(
                "Gives points by the rules in force when it occurred, or takes them back for a return. 201 for a new event; "
                "200 with the first answer for the same one again."
            ),
            body=EventBody,
            idempotency_key=False,
            answers={201: EventAnswer, 200: EventAnswer},
            problems={
                400: ["invalid_json"],
                404: ["unknown_member"],
                409: ["reference_conflict", "member_closed", "idempotency_conflict"],
                422: ["invalid_input"],
            },
            example={"status": "ok", **_ROW},
        )
    ),
)
async def post_event(request: ApiRequest) -> Page:
    """Post one event."""
    services = services_of(request.app)
    event = _read_event(decode_json(await request.body()), services)
    if not isinstance(event, Event):
        raise InvalidInputError.of_fields(event)

    async def work(session: AsyncSession) -> tuple[int, dict[str, Any]]:
        (posted,) = await _post(await driver_connection(session), [event], request, services)
        if posted.status == "failed":
            raise _refusal_of(posted)
        answer = EventAnswer(
            posted.status, event.member, event.type, event.reference, posted.points, posted.growth, _lines_of(posted)
        )
        return 201 if posted.status == "ok" else 200, msgspec.to_builtins(answer)

    return await answer_once(request, work, required=False)


@post(
    "/events/batch",
    **route(
        Call(
            tag=_TAG,
            scope="events:write",
            summary="Post up to 1,000 events",
            description=(
                'Takes `{"events": [...]}` or the bare array. Rows are posted in their order and answered in their order: ok, '
                "duplicate or failed; a failed row changes nothing and harms no other."
            ),
            body=EventBatchBody,
            body_is_list_of=EventBody,
            idempotency_key=False,
            answers={200: EventBatchAnswer},
            problems={400: ["invalid_json"], 409: ["idempotency_conflict"], 422: ["invalid_input"]},
            example={
                "ok": 1,
                "failed": 0,
                "duplicate": 0,
                "results": [{"status": "ok", **_ROW, "code": None, "message": None, "fields": {}}],
            },
        )
    ),
)
async def post_batch(request: ApiRequest) -> Page:
    """Post many events."""
    services = services_of(request.app)
    content = decode_json(await request.body())
    wrapped = {"events": content} if isinstance(content, list) else content
    # A row with an unstorable text is that row's fault, not the batch's.
    rows = convert_fields(wrapped, EventBatchBody, storable=False).events
    events = [_read_event(row, services) for row in rows]
    locale = problem_locale(request)
    use_zone(services.settings.timezone)

    async def work(session: AsyncSession) -> tuple[int, dict[str, Any]]:
        good = [event for event in events if isinstance(event, Event)]
        posted = iter(await _post(await driver_connection(session), good, request, services))
        outcomes = [
            next(posted) if isinstance(event, Event) else Posted("failed", code=INVALID, faults=event)
            for event in events
        ]
        results = [_row_answer(row, outcome, locale) for row, outcome in zip(rows, outcomes, strict=True)]
        counts = Counter(outcome.status for outcome in outcomes)
        answer = EventBatchAnswer(counts["ok"], counts["failed"], counts["duplicate"], results)
        return 200, msgspec.to_builtins(answer)

    return await answer_once(request, work, required=False)


CALLS = [post_event, post_batch]


def _read_event(content: Any, services: Services) -> Event | Faults:
    """An event, or every fault of it: those of its form and, where the form allows to tell, those of its meaning."""
    if not isinstance(content, Mapping):
        return {"": Message(N_("Must be a JSON object."))}
    currency, now = services.program.current(services.sessions).currency, services.clock.now()
    try:
        event = msgspec.convert(msgspec.convert(content, EventBody), Event, from_attributes=True)
    except msgspec.ValidationError:
        return _find_all_faults(content, currency, now)
    return check_event(event, currency, now) | check_source(event) or event


def _find_all_faults(content: Mapping[Any, Any], currency: str, now: datetime) -> Faults:
    """The faults of a form that cannot be read as a whole, and those of the meaning of what can."""
    faults = find_faults(content, EventBody)
    readable = {name: content[name] for name in EventBody.__struct_fields__ if name in content and name not in faults}
    instead = {"member": "-", "type": "check_in", "reference": "-", "occurred_at": now}
    event = msgspec.convert(instead | readable, Event)
    return check_event(event, currency, now) | check_source(event) | faults


async def _post(
    connection: AsyncConnection[Any], events: list[Event], request: ApiRequest, services: Services
) -> list[Posted]:
    """Post events in a savepoint, twice if need be: the same reference may be on its way in another request."""
    for is_last_try in (False, True):
        try:
            async with connection.transaction():
                return await post_events(
                    connection,
                    events,
                    actor=caller_of(request).reference,
                    now=services.clock.now(),
                    zone=services.settings.timezone,
                )
        except (UniqueViolation, DeadlockDetected):
            if is_last_try:
                raise
    raise AssertionError("unreachable")


def _refusal_of(posted: Posted) -> DomainError:
    match posted.code:
        case "unknown_member":
            return UnknownMemberError()
        case "member_closed":
            return MemberClosedError()
        case "reference_conflict":
            return ReferenceConflictError(posted.faults["reference"])
        case _:
            return InvalidInputError.of_fields(posted.faults)


def _row_answer(content: Any, posted: Posted, locale: str) -> EventRowAnswer:
    given = content if isinstance(content, Mapping) else {}
    fields = {name: translate(fault, locale) for name, fault in posted.faults.items()}
    return EventRowAnswer(
        posted.status,
        member=_text_in(given, "member"),
        type=_text_in(given, "type"),
        reference=_text_in(given, "reference"),
        points=posted.points,
        growth=posted.growth,
        lines=_lines_of(posted),
        code=posted.code,
        message=next(iter(fields.values()), None),
        fields=fields,
    )


def _text_in(content: Mapping[Any, Any], name: str) -> str | None:
    value = content.get(name)
    return value if isinstance(value, str) and is_storable(value) else None


def _lines_of(posted: Posted) -> list[LineAnswer]:
    return [
        LineAnswer(line.rule, line.version, line.points, line.growth, line.multiplier_basis_points, line.capped_from)
        for line in posted.lines
    ]
