"""Once only: the same key with the same body gets the first answer, with another body a conflict (docs/rules.md 8)."""

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from litestar import Request
from psycopg.errors import UniqueViolation
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import unit_of_work
from liyu.core.errors import DomainError, IdempotencyConflictError, InvalidInputError
from liyu.core.i18n import N_, Message
from liyu.core.idempotency import IdempotentAnswer, hash_body
from liyu.web.api.auth import caller_of
from liyu.web.api.problems import json_answer, problem_document, problem_locale
from liyu.web.pages import Page
from liyu.web.services import services_of
from liyu.web.visit import visit_of

Work = Callable[[AsyncSession], Awaitable[tuple[int, dict[str, Any]]]]
"""What a handler does in the unit of work: the status and the content of the answer."""

HEADER = b"idempotency-key"
REPLAYED = (b"idempotent-replayed", b"true")
"""Tells that an answer is the first one once more."""
LONGEST_KEY = 200
_KEPT_REFUSALS = {404, 409}


class IdempotencyKeyRequiredError(DomainError):
    """The route needs the header and it is not there."""

    status = 400
    code = "idempotency_key_required"
    message = N_("Send an Idempotency-Key header with this request.")


def idempotency_key(request: Request[Any, Any, Any], *, required: bool = True) -> str | None:
    """The request's key. Raises IdempotencyKeyRequiredError, or InvalidInputError for one that is too long."""
    key = visit_of(request).header(HEADER).strip()
    if not key and required:
        raise IdempotencyKeyRequiredError
    if len(key) > LONGEST_KEY:
        fault = Message(N_("Use at most %(maximum)s characters."), {"maximum": LONGEST_KEY})
        raise InvalidInputError.of_fields({"Idempotency-Key": fault})
    if key and not key.isprintable():
        raise InvalidInputError.of_fields({"Idempotency-Key": Message(N_("Use letters, digits and signs only."))})
    return key or None


async def answer_once(request: Request[Any, Any, Any], work: Work, *, required: bool = True) -> Page:
    """Do the work in one unit of work of its own and keep its answer with it; or give the first answer again.

    Refusals for the state of things (404, 409) are kept too. Raises what the work raises.
    """
    services = services_of(request.app)
    key = idempotency_key(request, required=required)
    if key is None:
        async with unit_of_work(services.sessions) as session:
            status, content = await work(session)
        return json_answer(content, status=status)
    # The desk keeps its answers under `key:3` in a form of its own; these stand beside them.
    scope = f"{caller_of(request).reference}:calls"
    body_hash = await _fingerprint(request)
    now = services.clock.now()
    for is_last_try in (False, True):
        try:
            async with unit_of_work(services.sessions) as session:
                first = await session.get(IdempotentAnswer, (scope, key))
                if first is not None:
                    return _repeat(first, body_hash)
                status, content = await work(session)
                session.add(
                    IdempotentAnswer(scope=scope, key=key, body_hash=body_hash, status=status, answer=content, at=now)
                )
                await session.flush()
        except (IntegrityError, UniqueViolation):
            # Someone else was quicker with the same key: our work is rolled back, theirs is the first answer.
            if is_last_try:
                raise
        except DomainError as error:
            if error.status in _KEPT_REFUSALS and not isinstance(error, IdempotencyConflictError):
                content = problem_document(error, problem_locale(request))
                async with unit_of_work(services.sessions) as session:
                    await _keep_refusal(session, scope, key, body_hash, error.status, content, now)
            raise
        else:
            return json_answer(content, status=status)
    raise AssertionError("unreachable")


async def _fingerprint(request: Request[Any, Any, Any]) -> str:
    """What tells two requests apart: where they go, and what they say, whatever its spacing and the order of its fields."""
    body = await request.body()
    # The work itself refuses what is no JSON.
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        body = msgspec.json.encode(msgspec.json.decode(body), order="sorted")
    return hash_body(f"{request.method} {visit_of(request).path}\n".encode() + body)


async def _keep_refusal(
    session: AsyncSession, scope: str, key: str, body_hash: str, status: int, content: dict[str, Any], now: Any
) -> None:
    await session.execute(
        insert(IdempotentAnswer)
        .values(scope=scope, key=key, body_hash=body_hash, status=status, answer=content, at=now)
        .on_conflict_do_nothing()
    )


def _repeat(first: IdempotentAnswer, body_hash: str) -> Page:
    if first.body_hash != body_hash:
        raise IdempotencyConflictError
    media_type = b"application/problem+json" if first.status >= 400 else b"application/json"
    answer = json_answer(first.answer, status=first.status, headers=[REPLAYED])
    answer.raw_headers[0] = (b"content-type", media_type)
    return answer
