"""Changing the phone: the key to the account, so it moves only with proof of both numbers, or by an operator with a reason."""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.errors import UniqueViolation

from liyu.core.clock import local_date
from liyu.core.database import fetch_all
from liyu.core.errors import InvalidInputError
from liyu.core.i18n import N_, Message
from liyu.members.errors import PhoneTakenError
from liyu.members.personal.errors import PhoneChangedRecentlyError, PhoneMovedMeanwhileError, SamePhoneError
from liyu.members.personal.locking import lock_open_member
from liyu.members.profile import parse_phone
from liyu.members.program import load_terms

_LAST_OWN_CHANGE = "SELECT max(at) FROM phone_change WHERE member_id = %s AND actor = %s"
_NOTE = """
    INSERT INTO phone_change (member_id, old_phone, new_phone, reason, actor, at)
    VALUES (%(member)s, %(old)s, %(new)s, %(reason)s, %(actor)s, %(now)s)"""
_END_SESSIONS = "UPDATE session SET revoked_at = %s WHERE member_id = %s AND revoked_at IS NULL"
_FORGET_CODES = "UPDATE login_code SET used_at = %s WHERE phone = ANY(%s) AND used_at IS NULL"


class PhoneChangeLine(Struct, frozen=True):
    """One change of the phone; the numbers are None once the member was erased."""

    old_phone: str | None
    new_phone: str | None
    reason: str
    actor: str
    at: datetime


def purpose_of_code(member_id: int) -> str:
    """What a code for changing a member's phone is good for; it signs nobody in."""
    return f"phone:{member_id}"


async def next_phone_change(
    connection: AsyncConnection[Any], member_id: int, *, now: datetime, zone: ZoneInfo
) -> tuple[date | None, int]:
    """The first day on which the member may change the phone again (None: at once), and the days of the rule."""
    days = (await load_terms(connection)).phone_change_days
    found = await connection.execute(_LAST_OWN_CHANGE, (member_id, f"member:{member_id}"))
    (last,) = await found.fetchone() or (None,)
    day = None if last is None else local_date(last, zone) + timedelta(days=days)
    return (day if day is not None and local_date(now, zone) < day else None), days


async def ensure_may_change(connection: AsyncConnection[Any], member_id: int, *, now: datetime, zone: ZoneInfo) -> None:
    """Raises PhoneChangedRecentlyError when the member changed the phone a short while ago."""
    day, days = await next_phone_change(connection, member_id, now=now, zone=zone)
    if day is not None:
        raise PhoneChangedRecentlyError(days=days, day=day)


async def change_own_phone(
    connection: AsyncConnection[Any], member_id: int, old: str, new: str, *, now: datetime, zone: ZoneInfo
) -> None:
    """Move the account from the number `old` to `new`, both proven by the caller; every session ends.

    Raises PhoneMovedMeanwhileError when `old` is not the number any more, PhoneChangedRecentlyError, PhoneTakenError,
    SamePhoneError or MemberClosedError.
    """
    member = await lock_open_member(connection, member_id)
    if member.phone != old:
        raise PhoneMovedMeanwhileError
    await ensure_may_change(connection, member_id, now=now, zone=zone)
    await _move(connection, member_id, old, new, actor=f"member:{member_id}", reason="", now=now)


async def change_phone_for(
    connection: AsyncConnection[Any], member_id: int, phone: str, *, actor: str, reason: str, now: datetime
) -> str | None:
    """For operators, when a member has lost the number: move the account and return the old number. Every session ends.

    Raises InvalidInputError, PhoneTakenError, SamePhoneError or MemberClosedError.
    """
    new = parse_phone(phone)
    faults = {}
    if new is None:
        faults["phone"] = Message(N_("Enter a mobile number, such as 138 0013 8000."))
    if not reason.strip():
        faults["phone_reason"] = Message(N_("This field is needed."))
    if new is None or faults:
        raise InvalidInputError.of_fields(faults)
    member = await lock_open_member(connection, member_id)
    await _move(connection, member_id, member.phone, new, actor=actor, reason=reason.strip(), now=now)
    return member.phone


async def list_phone_changes(connection: AsyncConnection[Any], member_id: int) -> list[PhoneChangeLine]:
    """A member's changes of the phone, the latest first."""
    return await fetch_all(
        connection,
        PhoneChangeLine,
        "SELECT old_phone, new_phone, reason, actor, at FROM phone_change WHERE member_id = %s ORDER BY id DESC",
        (member_id,),
    )


async def end_sessions(connection: AsyncConnection[Any], member_id: int, now: datetime) -> int:
    """Sign a member out everywhere; returns how many sessions ended."""
    ended = await connection.execute(_END_SESSIONS, (now, member_id))
    return ended.rowcount


async def _move(
    connection: AsyncConnection[Any],
    member_id: int,
    old: str | None,
    new: str,
    *,
    actor: str,
    reason: str,
    now: datetime,
) -> None:
    if new == old:
        raise SamePhoneError
    try:
        # Two members who want one number meet at its unique constraint: the second waits and is then refused.
        async with connection.transaction():
            await connection.execute("UPDATE member SET phone = %s WHERE id = %s", (new, member_id))
    except UniqueViolation:
        raise PhoneTakenError from None
    values = {"member": member_id, "old": old, "new": new, "reason": reason, "actor": actor, "now": now}
    await connection.execute(_NOTE, values)
    await connection.execute(_FORGET_CODES, (now, [phone for phone in (old, new) if phone]))
    await end_sessions(connection, member_id, now)
