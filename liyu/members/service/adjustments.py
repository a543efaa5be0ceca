"""Adjustments by one person up to the program's limit for a day, and by two above it: asked for by one, decided by another.

The points move only with the approval. That the two are not the same is held by a CHECK, that a request is decided once by a
conditional update, that it moves points once by the key of the transfer.
"""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.clock import local_date, start_of_day
from liyu.core.database import fetch_all
from liyu.core.errors import IdempotencyConflictError, NotFoundError
from liyu.members.leads import PERSON, follow, lock_members
from liyu.members.personal.locking import lock_open_member
from liyu.members.points.adjust import adjust_points, adjust_points_once, check_adjustment, check_enough
from liyu.members.points.history import TRANSFERS
from liyu.members.program import load_terms
from liyu.members.service.errors import DecidedAlreadyError, OwnRequestError

DONE = "done"
REPEATED = "repeated"
REQUESTED = "requested"


class Adjusted(Struct, frozen=True):
    """What became of a wish to move points: `done`, `requested`, or `repeated` when it was known already.

    `request_id` and `state` are those of the request for a second person, where there is one.
    """

    outcome: str
    request_id: int | None = None
    state: str | None = None


class RequestLine(Struct, frozen=True):
    """An adjustment that two people make. `balance` is what the member has now."""

    id: int
    external_id: str
    name: str | None
    balance: int
    points: int
    reason: str
    requested_by: str
    requested_at: datetime
    state: str
    decided_by: str | None
    decided_at: datetime | None
    decision: str


class RequestLines(Struct, frozen=True):
    """One page of requests; `next` is the id behind which the following page begins."""

    lines: list[RequestLine]
    next: int | None


_MOVED_TODAY = f"""
    WITH mine AS (SELECT id FROM account WHERE member_id IN {PERSON})
    SELECT coalesce(sum(t.amount), 0)::bigint FROM ({TRANSFERS}) AS t
    WHERE t.event = 'adjust' AND t.actor = %(actor)s AND t.at >= %(since)s AND t.key NOT LIKE 'adjust:request:%%'"""

_KNOWN = "SELECT EXISTS (SELECT FROM transfer WHERE key IN (%(key)s, %(repay)s))"

_ASK = """
    INSERT INTO adjustment_request (key, member_id, points, reason, requested_by, requested_at, state, decision)
    VALUES (%s, %s, %s, %s, %s, %s, 'requested', '') ON CONFLICT (key) DO NOTHING RETURNING id"""

_ASKED = "SELECT member_id, points, reason, id, state FROM adjustment_request WHERE key = %s"

_MEANT = """
    SELECT m.external_id, r.requested_by FROM adjustment_request r JOIN member k ON k.id = r.member_id
    JOIN member m ON m.id = coalesce(k.merged_into, k.id) WHERE r.id = %s"""

_DECIDE = """
    UPDATE adjustment_request SET state = %(state)s, decided_by = %(actor)s, decided_at = %(now)s, decision = %(decision)s
    WHERE id = %(id)s AND state = 'requested' RETURNING points, reason"""

_LINES = """
    SELECT r.id, m.external_id, m.name, a.balance, r.points, r.reason, r.requested_by, r.requested_at, r.state, r.decided_by,
        r.decided_at, r.decision
    FROM adjustment_request r JOIN member k ON k.id = r.member_id JOIN member m ON m.id = coalesce(k.merged_into, k.id)
    JOIN account a ON a.member_id = m.id AND a.kind = 'member_points'
    WHERE (%(state)s::text IS NULL OR r.state = %(state)s) AND (%(member)s::bigint IS NULL OR m.id = %(member)s)
        AND (%(after)s::bigint IS NULL OR r.id < %(after)s)
    ORDER BY r.id DESC LIMIT %(most)s"""


async def adjust_or_ask(
    connection: AsyncConnection[Any],
    external_id: str,
    points: int,
    *,
    reason: str,
    key: str,
    actor: str,
    now: datetime,
    zone: ZoneInfo,
) -> Adjusted:
    """Move points at once, or ask for a second person when the actor would move more than the limit for this member today.

    The same key with the same figures does nothing more. What is more than there is cannot be asked for either.

    Raises InvalidInputError, UnknownMemberError, MemberClosedError, NotEnoughToTakeError, or IdempotencyConflictError when the key
    stands for something else.
    """
    check_adjustment(points, reason)
    await lock_members(connection, [external_id])
    external_id, member_id = await follow(connection, external_id)
    before = await (await connection.execute(_ASKED, (key,))).fetchone()
    if before is not None:
        *figures, request_id, state = before
        if figures != [member_id, points, reason]:
            raise IdempotencyConflictError
        return Adjusted(REPEATED, request_id, state)
    terms = await load_terms(connection)
    since = start_of_day(local_date(now, zone), zone)
    values = {
        "member": member_id, "actor": actor, "since": since, "key": f"adjust:{key}", "repay": f"adjust:{key}:repay",
    }  # fmt: skip
    (known,) = await (await connection.execute(_KNOWN, values)).fetchone() or (False,)
    (moved,) = await (await connection.execute(_MOVED_TODAY, values)).fetchone() or (0,)
    if not known and moved + abs(points) > terms.adjustment_limit:
        await lock_open_member(connection, member_id)
        if points < 0:
            await check_enough(connection, member_id, points)
        asked = await (await connection.execute(_ASK, (key, member_id, points, reason, actor, now))).fetchone()
        if asked is None:  # The same key for another member, in this very moment.
            raise IdempotencyConflictError
        return Adjusted(REQUESTED, asked[0], REQUESTED)
    done = await adjust_points_once(
        connection, external_id, points, reason=reason, key=key, actor=actor, now=now, zone=zone
    )
    return Adjusted(DONE if done else REPEATED)


async def approve(
    connection: AsyncConnection[Any], request_id: int, *, actor: str, decision: str, now: datetime, zone: ZoneInfo
) -> str:
    """Approve a request, which moves its points; returns whose they are.

    Raises NotFoundError, OwnRequestError, DecidedAlreadyError or NotEnoughToTakeError; then the request stays open.
    """
    external_id, points, reason = await _decide(connection, request_id, "approved", actor, decision, now)
    await adjust_points(
        connection, external_id, points, reason=reason, key=f"request:{request_id}", actor=actor, now=now, zone=zone
    )
    return external_id


async def refuse(connection: AsyncConnection[Any], request_id: int, *, actor: str, decision: str, now: datetime) -> str:
    """Refuse a request, with a reason; nothing moves. Returns whose it was. Raises as `approve`."""
    external_id, _, _ = await _decide(connection, request_id, "refused", actor, decision, now)
    return external_id


async def _decide(
    connection: AsyncConnection[Any], request_id: int, state: str, actor: str, decision: str, now: datetime
) -> tuple[str, int, str]:
    found = await (await connection.execute(_MEANT, (request_id,))).fetchone()
    if found is None:
        raise NotFoundError
    if found[1] == actor:
        raise OwnRequestError
    # The lock of the member comes before that of the request, as everywhere.
    leads = await lock_members(connection, [found[0]])
    values = {"id": request_id, "state": state, "actor": actor, "decision": decision, "now": now}
    decided = await (await connection.execute(_DECIDE, values)).fetchone()
    if decided is None:
        raise DecidedAlreadyError
    return leads[found[0]], decided[0], decided[1]


async def list_requests(
    connection: AsyncConnection[Any],
    *,
    state: str | None = None,
    member_id: int | None = None,
    after: int | None = None,
    size: int = 50,
) -> RequestLines:
    """One page of requests, the newest first."""
    values = {"state": state, "member": member_id, "after": after, "most": size + 1}
    lines = await fetch_all(connection, RequestLine, _LINES, values)
    return RequestLines(lines[:size], lines[size - 1].id if len(lines) > size else None)


async def count_waiting(connection: AsyncConnection[Any]) -> int:
    """How many requests wait for somebody."""
    found = await connection.execute("SELECT count(*) FROM adjustment_request WHERE state = 'requested'")
    return int((await found.fetchone() or (0,))[0])
