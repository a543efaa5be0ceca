"""Taking a verification back 反核销: in the program's window, by the voucher's own partner, with a reason (rule 12).

The window of a use that a till took without a network begins when it came in: nobody could take it back before.
"""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.clock import local_date
from liyu.core.database import fetch_one
from liyu.core.errors import InvalidInputError
from liyu.core.i18n import N_, Message
from liyu.core.webhooks.messages import make_event, write_messages
from liyu.partners.settlement.accrue import reverse_use
from liyu.vouchers.errors import AlreadyUndoneError, SecondPersonNeededError, UndoTooLateError, UnknownVerificationError
from liyu.vouchers.states import state_after
from liyu.vouchers.tokens import Tokens


class Undone(Struct):
    """A verification that was taken back; the voucher has `uses_left` again and is in `state`."""

    verification_id: int
    voucher_id: int
    state: str
    uses_left: int


class _Found(Struct):
    id: int
    voucher_id: int
    redemption_id: int | None
    item_id: int
    member_id: int | None
    store_id: int | None
    partner_id: int | None
    partner: str | None
    verifier: str
    """Who verified; of what a device took without a network, whoever it was set up by."""
    verified_at: datetime
    known_at: datetime
    """When the books heard of it: from then on it can be taken back."""
    undone_at: datetime | None
    needs_another: bool
    """Whether somebody else than the verifier must take it back."""


_OVER = ("expired", "cancelled")

_FIND = """
    SELECT f.id, f.voucher_id, v.redemption_id, v.item_id, coalesce(v.holder_id, v.member_id) AS member_id, f.store_id,
        f.partner_id, o.code AS partner, coalesce('staff:' || l.staff_id, f.verifier) AS verifier,
        f.verified_at, coalesce(u.received_at, f.verified_at) AS known_at, f.undone_at,
        coalesce(i.value_minor > p.undo_alone_minor, false) AS needs_another
    FROM verification f JOIN voucher v ON v.id = f.voucher_id JOIN item i ON i.id = v.item_id
    LEFT JOIN till_policy p ON p.id = 1 LEFT JOIN partner o ON o.id = f.partner_id
    LEFT JOIN offline_use u ON u.verification_id = f.id LEFT JOIN offline_lease l ON l.id = u.lease_id
    WHERE (%(partner)s::bigint IS NULL OR f.partner_id = %(partner)s)
        AND (%(verification)s::bigint IS NULL OR f.id = %(verification)s)
        AND (%(voucher)s::bigint IS NULL OR (f.voucher_id = %(voucher)s AND v.generation = %(generation)s))
    ORDER BY f.undone_at IS NULL DESC, f.id DESC LIMIT 1"""

_MARK = """
    UPDATE verification SET undone_at = %(now)s, undone_by = %(actor)s, undo_reason = %(reason)s
    WHERE id = %(verification)s AND undone_at IS NULL"""

# One that ran out or was cancelled meanwhile gets its use back too, so that the books are right, but stays what it is.
_GIVE_BACK = """
    UPDATE voucher SET uses = uses - 1,
        state = CASE WHEN state = ANY(%(over)s) THEN state WHEN uses = 1 THEN 'issued' ELSE 'partly_used' END
    WHERE id = %(voucher)s RETURNING state, uses, uses_allowed"""

# Locked in the order in which tills count, so that the two cannot wait for each other.
_COUNT_BACK = """
    WITH counts AS MATERIALIZED (
        SELECT item_id, counted, day FROM till_day_use
        WHERE item_id = %(item)s AND counted = ANY(%(counted)s) AND day = %(day)s AND used > 0
        ORDER BY counted FOR UPDATE)
    UPDATE till_day_use d SET used = d.used - 1 FROM counts c
    WHERE d.item_id = c.item_id AND d.counted = c.counted AND d.day = c.day"""

_KEEP_TRANSITION = """
    INSERT INTO voucher_transition (voucher_id, from_state, to_state, reason, actor, at)
    VALUES (%(voucher)s, %(from_state)s, %(to_state)s, %(reason)s, %(actor)s, %(now)s)"""


async def undo(
    connection: AsyncConnection[Any],
    *,
    verification_id: int | None = None,
    text: str | None = None,
    reason: str,
    actor: str,
    partner_id: int | None,
    now: datetime,
    zone: ZoneInfo,
    window_minutes: int,
    tokens: Tokens,
) -> Undone:
    """Take back a verification by its id, or the last one of the voucher that `text` shows; given both, they must agree.

    `partner_id` None is the operator. The partner's account is set right in the same transaction or savepoint. Raises
    InvalidInputError without a reason, UnknownVerificationError (also for another partner's), AlreadyUndoneError,
    UndoTooLateError, and SecondPersonNeededError when whoever verified takes back more than the program's policy lets them.
    """
    reason = reason.strip()
    if not reason:
        raise InvalidInputError.of_fields({"reason": Message(N_("Please give a reason."))})
    presented = tokens.read(text, now) if text is not None else None
    if presented is None and (text is not None or verification_id is None):
        raise UnknownVerificationError
    values = {
        "verification": verification_id,
        "voucher": presented.voucher_id if presented else None,
        "generation": presented.generation if presented else None,
        "partner": partner_id,
        "reason": reason,
        "actor": actor,
        "now": now,
    }
    async with connection.transaction():
        found = await _find(connection, values)
        values |= {"verification": found.id, "voucher": found.voucher_id}
        if found.undone_at is not None:
            raise AlreadyUndoneError
        if now >= found.known_at + timedelta(minutes=window_minutes):
            raise UndoTooLateError(minutes=window_minutes)
        if found.needs_another and found.verifier == actor:
            raise SecondPersonNeededError
        await connection.execute("SELECT FROM redemption WHERE id = %s FOR UPDATE", (found.redemption_id,))
        await connection.execute("SELECT FROM voucher WHERE id = %s FOR UPDATE", (found.voucher_id,))
        marked = await connection.execute(_MARK, values)
        if not marked.rowcount:
            raise AlreadyUndoneError
        undone = await _give_back(connection, found, values)
        counted = [f"voucher:{found.voucher_id}", f"member:{found.member_id}", f"store:{found.store_id}"]
        day = local_date(found.verified_at, zone)
        await connection.execute(_COUNT_BACK, {"item": found.item_id, "counted": counted, "day": day})
        await reverse_use(connection, source=f"verification:{found.id}", at=now, actor=actor)
        data = {
            "verification": found.id, "partner": found.partner, "reason": reason, "undone_at": now, "status": undone.state,
            "uses_left": undone.uses_left,
        }  # fmt: skip
        event = make_event("voucher.undone", f"undone:{found.id}", found.partner_id, now, data)
        await write_messages(connection, [event], now)
    return undone


async def _find(connection: AsyncConnection[Any], values: dict[str, Any]) -> _Found:
    found = await fetch_one(connection, _Found, _FIND, values)
    if found is None:
        raise UnknownVerificationError
    return found


async def _give_back(connection: AsyncConnection[Any], found: _Found, values: dict[str, Any]) -> Undone:
    given = await connection.execute(_GIVE_BACK, values | {"over": list(_OVER)})
    row = await given.fetchone()
    assert row is not None
    state, uses, uses_allowed = row
    before = state_after(uses + 1, uses_allowed)
    if state not in (*_OVER, before):
        await connection.execute(_KEEP_TRANSITION, values | {"from_state": before, "to_state": state})
    return Undone(found.id, found.voucher_id, state, uses_allowed - uses)
