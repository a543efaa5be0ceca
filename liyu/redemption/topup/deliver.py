"""Carrying top-ups out: one message at a time, the same id for every attempt, and an outcome that may be unknown.

Before a message leaves, the top-up is `unknown`: whatever happens to us from then on, the points do not go back while the other
side may have credited it (docs/algorithms/orders.md).
"""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import structlog
from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.database import fetch_one
from liyu.core.outgoing import Answered, UnansweredError, UnreachedError, post, sign
from liyu.core.sealing import unseal
from liyu.members.notices import NoticeRow, tell_members
from liyu.redemption.cancel import cancel_redemption, lock_redemption
from liyu.redemption.fulfil import write_step
from liyu.redemption.topup.endpoints import SECRET_PURPOSE

SYSTEM = "system"
DELIVERED_TOPIC, GIVEN_BACK_TOPIC = "order_topped_up", "order_given_back"
MESSAGE = "top_up.requested"
PAUSES = tuple(timedelta(seconds=one) for one in (30, 120, 600, 1_800, 7_200, 21_600, 43_200))
"""How long after each attempt the next one follows; after the last there is none."""
LEASE = timedelta(minutes=5)
"""So long a worker has for one attempt; when it dies, another takes the top-up over."""
MOST_AT_ONCE = 200

CERTAIN = ("failed", "refused")
"""Results after which it is certain that nothing was credited."""

log = structlog.get_logger()


class DueTopUp(Struct):
    """A top-up of which an attempt has begun."""

    id: int
    number: str
    member: str
    member_id: int
    sku: str
    quantity: int
    phone: str | None
    attempts: int
    ordered_at: datetime
    url: str | None
    secret: bytes | None
    name_zh: str
    name_en: str


class Outcome(Struct, frozen=True):
    """What came of an attempt: `delivered`, `refused` for good, `failed` before it was heard, `pending`, or `unknown`."""

    result: str
    detail: str
    status: int | None = None
    milliseconds: int = 0


class _Said(Struct):
    """The other side's answer."""

    status: str
    reason: str = ""


_DUE = "SELECT redemption_id FROM top_up WHERE next_at <= %s ORDER BY next_at, redemption_id LIMIT %s"
_LOCK = "SELECT state FROM redemption WHERE id = %s FOR UPDATE"
_BEGIN = """
    UPDATE top_up t SET state = 'unknown', attempts = attempts + 1, next_at = %(lease)s, changed_at = %(now)s
    FROM redemption r JOIN member m ON m.id = r.member_id JOIN item i ON i.id = r.item_id
    LEFT JOIN top_up_item x ON x.item_id = i.id LEFT JOIN top_up_endpoint e ON e.id = x.endpoint_id AND e.active
    WHERE t.redemption_id = %(order)s AND t.next_at <= %(now)s AND r.id = t.redemption_id
    RETURNING r.id, r.number, m.external_id AS member, m.id AS member_id, i.sku, r.quantity, t.phone, t.attempts, t.ordered_at,
        e.url, e.secret, i.name_zh, i.name_en"""
_LEAVE_TO_PEOPLE = """
    UPDATE top_up SET state = 'waiting', attempts = attempts - 1, next_at = NULL, changed_at = %s WHERE redemption_id = %s"""
_NOTE = """
    INSERT INTO top_up_attempt (redemption_id, result, status, detail, milliseconds, at) VALUES (%s, %s, %s, %s, %s, %s)"""
# An attempt that nobody noted was cut short: what it did is not known either.
_IS_CERTAIN = """
    SELECT count(*) FILTER (WHERE a.result = ANY(%(certain)s)) = t.attempts FROM top_up t
    LEFT JOIN top_up_attempt a ON a.redemption_id = t.redemption_id WHERE t.redemption_id = %(order)s GROUP BY t.attempts"""


async def carry_out_due(
    connection: AsyncConnection[Any], *, secret_key: str, allow_private: bool, now: datetime, zone: ZoneInfo
) -> int:
    """Make an attempt for every top-up that is due; how many. The connection is in autocommit."""
    found = await (await connection.execute(_DUE, (now, MOST_AT_ONCE))).fetchall()
    done = 0
    for (redemption_id,) in found:
        due = await _begin(connection, redemption_id, now)
        if due is None:
            continue
        outcome = await _attempt(due, secret_key, now, allow_private=allow_private)
        async with connection.transaction():
            await _note_outcome(connection, due, outcome, now, zone)
        log.info("top_up_attempted", order=due.number, attempt=due.attempts, result=outcome.result)
        done += 1
    return done


async def settle_top_up(
    connection: AsyncConnection[Any],
    number: str,
    redemption_id: int,
    *,
    delivered: bool,
    actor: str,
    reason: str,
    now: datetime,
    zone: ZoneInfo,
) -> None:
    """Decide a top-up, in the caller's transaction: it was credited, or its points go back into their lots.

    Nothing changes when it was decided already. Raises NotCancellableError when the order cannot be given back any more.
    """
    # The desk's order of locks, since the points may go back: account, stock, order.
    state = (await lock_redemption(connection, number, None, zone)).state
    wanted = "delivered" if delivered else "given_up"
    decided = await connection.execute(
        "UPDATE top_up SET state = %s, next_at = NULL, changed_at = %s "
        "WHERE redemption_id = %s AND state IN ('waiting', 'unknown')",
        (wanted, now, redemption_id),
    )
    if not decided.rowcount:
        return
    if delivered:
        await write_step(connection, redemption_id, state, "completed", reason, actor, now)
    else:
        await cancel_redemption(connection, number, member_id=None, reason=reason, actor=actor, now=now, zone=zone)


async def _begin(connection: AsyncConnection[Any], redemption_id: int, now: datetime) -> DueTopUp | None:
    """Begin an attempt; None when another worker has, when the order was given back, or when no system carries it out."""
    async with connection.transaction():
        state = await (await connection.execute(_LOCK, (redemption_id,))).fetchone()
        if state != ("confirmed",):
            await connection.execute("UPDATE top_up SET next_at = NULL WHERE redemption_id = %s", (redemption_id,))
            return None
        due = await fetch_one(connection, DueTopUp, _BEGIN, {"order": redemption_id, "now": now, "lease": now + LEASE})
        if due is not None and due.url is None:
            await connection.execute(_LEAVE_TO_PEOPLE, (now, redemption_id))
            return None
    return due


async def _attempt(due: DueTopUp, secret_key: str, now: datetime, *, allow_private: bool) -> Outcome:
    assert due.url is not None
    assert due.secret is not None
    data = {
        "number": due.number, "member": due.member, "phone": due.phone, "sku": due.sku, "quantity": due.quantity,
    }  # fmt: skip
    body = msgspec.json.encode({"type": MESSAGE, "timestamp": due.ordered_at, "data": data})
    headers = sign(unseal(secret_key, SECRET_PURPOSE, due.secret), f"topup_{due.number}", body, now)
    try:
        answered = await post(due.url, body, headers, allow_private=allow_private)
    except UnreachedError as fault:
        return Outcome("failed", str(fault)[:200])
    except UnansweredError as fault:
        return Outcome("unknown", str(fault)[:200])
    return read_outcome(answered)


def read_outcome(answered: Answered) -> Outcome:
    """What an answer means. Only what says so in so many words is credited or refused; a server's fault is unknown."""
    try:
        said = msgspec.json.decode(answered.body, type=_Said)
    except msgspec.MsgspecError:
        said = _Said("")
    if 200 <= answered.status < 300 and said.status in ("delivered", "refused", "pending"):
        result = said.status
    elif answered.status == 429 or (400 <= answered.status < 500 and answered.status not in (408, 409, 425)):
        result = "failed"
    else:
        result = "unknown"
    return Outcome(result, said.reason.replace("\0", "")[:200], answered.status, answered.milliseconds)


async def _note_outcome(
    connection: AsyncConnection[Any], due: DueTopUp, outcome: Outcome, now: datetime, zone: ZoneInfo
) -> None:
    await connection.execute(_NOTE, (due.id, outcome.result, outcome.status, outcome.detail, outcome.milliseconds, now))
    if outcome.result == "delivered":
        await _decide(connection, due, "topped_up", now, zone, delivered=True)
    elif outcome.result == "refused":
        await _decide(connection, due, "top_up_refused", now, zone, delivered=False)
    else:
        await _wait(connection, due, now, zone)


async def _wait(connection: AsyncConnection[Any], due: DueTopUp, now: datetime, zone: ZoneInfo) -> None:
    """Try again later; or, after the last attempt, give up what was certainly not credited and leave the rest to people."""
    row = await (await connection.execute(_IS_CERTAIN, {"order": due.id, "certain": list(CERTAIN)})).fetchone()
    is_certain, is_last = row == (True,), due.attempts > len(PAUSES)
    if is_certain and is_last:
        await _decide(connection, due, "top_up_failed", now, zone, delivered=False)
        return
    await connection.execute(
        "UPDATE top_up SET state = %s, next_at = %s, changed_at = %s "
        "WHERE redemption_id = %s AND state IN ('waiting', 'unknown')",
        ("waiting" if is_certain else "unknown", None if is_last else now + PAUSES[due.attempts - 1], now, due.id),
    )


async def _decide(
    connection: AsyncConnection[Any], due: DueTopUp, reason: str, now: datetime, zone: ZoneInfo, *, delivered: bool
) -> None:
    await settle_top_up(
        connection, due.number, due.id, delivered=delivered, actor=SYSTEM, reason=reason, now=now, zone=zone
    )
    topic = DELIVERED_TOPIC if delivered else GIVEN_BACK_TOPIC
    names = {"item": {"zh": due.name_zh, "en": due.name_en}}
    await tell_members(connection, [NoticeRow(due.member_id, topic, due.number, names, now)])
