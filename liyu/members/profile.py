"""Writing a member's record: enrolling, changing what is known of them, freezing and closing."""

import re
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import phonenumbers
from msgspec import UNSET, Struct, UnsetType
from psycopg import AsyncConnection
from psycopg.errors import UniqueViolation

from liyu.core.clock import local_date
from liyu.core.errors import InvalidInputError
from liyu.core.i18n import N_, Message
from liyu.core.settings import LOCALES
from liyu.members.enrol import NewMember, enrol_members
from liyu.members.errors import MemberClosedError, PhoneTakenError, StateNotPossibleError
from liyu.members.leads import follow, lock_members
from liyu.members.personal.locking import lock_member
from liyu.members.points.expiry import PRE_REGISTERED
from liyu.members.points.expiry_order import begin_validity
from liyu.members.service.index import index_members
from liyu.members.states import may_become
from liyu.members.tiers.service import begin_tier_validity

REGION = "CN"
"""The country of phone numbers that do not say theirs."""

LONGEST_ID = 200
LONGEST_TEXT = 100
LONGEST_EMAIL = 254
LONGEST_REASON = 200
FIRST_BIRTH_YEAR = 1900
WANTED_STATES = (PRE_REGISTERED, "active", "frozen", "closed")
"""States that a host may ask for; pre-registered for those who are new."""

_EMAIL = re.compile(r"[^\s@]+@[^\s@.]+(\.[^\s@.]+)+")
_PLAIN_FIELDS = ("phone", "email", "name", "birthday", "city", "locale")
_TEXT = str | None | UnsetType


class MemberChanges(Struct, kw_only=True):
    """What a host wants to be known of a member: what is not set stays, None clears."""

    phone: _TEXT = UNSET
    email: _TEXT = UNSET
    name: _TEXT = UNSET
    birthday: date | UnsetType | None = UNSET
    city: _TEXT = UNSET
    locale: _TEXT = UNSET
    state: str | UnsetType = UNSET
    reason: str = ""
    """Why the state changes."""


def parse_phone(text: str) -> str | None:
    """A phone number in E.164 (`+8613800138000`); None for what cannot be one."""
    try:
        number = phonenumbers.parse(text, REGION)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def is_email(text: str) -> bool:
    """Whether a text has the shape of an e-mail address."""
    return _EMAIL.fullmatch(text) is not None


async def save_member(
    connection: AsyncConnection[Any],
    external_id: str,
    changes: MemberChanges,
    *,
    actor: str,
    now: datetime,
    zone: ZoneInfo,
) -> bool:
    """Enrol or change a member, in the caller's transaction; whether they are new.

    Raises InvalidInputError with every faulty field, PhoneTakenError or MemberClosedError.
    """
    values = _check(external_id, changes, local_date(now, zone))
    for is_last_try in (False, True):
        try:
            async with connection.transaction():
                return await _save(connection, external_id, values, changes, actor, now, zone)
        except UniqueViolation as fault:
            if fault.diag.constraint_name == "uq_member_phone":
                raise PhoneTakenError from None
            # Someone else has enrolled the same member a moment ago, and is seen now.
            if is_last_try:
                raise
    raise AssertionError("unreachable")


async def activate_member(
    connection: AsyncConnection[Any], member_id: int, *, reason: str, actor: str, now: datetime, zone: ZoneInfo
) -> bool:
    """Begin the membership of somebody who is pre-registered, in the caller's transaction; whether it did.

    From now on their points and their tier have a last day. In any other state nothing changes: who was frozen
    meanwhile stays frozen. Raises NotFoundError.
    """
    if (await lock_member(connection, member_id)).state != PRE_REGISTERED:
        return False
    await _change_state(connection, member_id, "active", reason, actor, now, zone)
    return True


def _check(external_id: str, changes: MemberChanges, today: date) -> dict[str, Any]:
    """The fields that are set, ready to be stored. Raises InvalidInputError."""
    faults: dict[str, Message] = {}
    if not external_id.strip() or len(external_id) > LONGEST_ID:
        faults["external_id"] = Message(N_("Must have 1 to %(most)s characters."), {"most": LONGEST_ID})
    values = {name: value for name in _PLAIN_FIELDS if (value := getattr(changes, name)) is not UNSET}
    for name, value in values.items():
        if value is None:
            continue
        values[name] = value.strip() if isinstance(value, str) else value
        fault = fault_of(name, values, today)
        if fault is not None:
            faults[name] = fault
    if changes.state is not UNSET and changes.state not in WANTED_STATES:
        faults["state"] = Message(N_("Must be one of %(known)s."), {"known": ", ".join(WANTED_STATES)})
    if len(changes.reason) > LONGEST_REASON:
        faults["reason"] = Message(N_("Use at most %(maximum)s characters."), {"maximum": LONGEST_REASON})
    if faults:
        raise InvalidInputError.of_fields(faults)
    return values


def fault_of(name: str, values: dict[str, Any], today: date) -> Message | None:
    """What is wrong with one field; phone numbers and locales take their stored form in `values`."""
    value = values[name]
    match name:
        case "phone":
            values[name] = parse_phone(value)
            return None if values[name] else Message(N_("Enter a mobile number, such as 138 0013 8000."))
        case "email":
            fits = len(value) <= LONGEST_EMAIL and is_email(value)
            return None if fits else Message(N_("Enter an e-mail address, such as name@example.com."))
        case "birthday":
            possible = value.year >= FIRST_BIRTH_YEAR and value <= today
            return None if possible else Message(N_("Nobody can be born on this day."))
        case "locale":
            values[name] = value.replace("-", "_")
            return (
                None
                if values[name] in LOCALES
                else Message(N_("Must be one of %(known)s."), {"known": ", ".join(LOCALES)})
            )
        case _:
            fits = 0 < len(value) <= LONGEST_TEXT
            return None if fits else Message(N_("Must have 1 to %(most)s characters."), {"most": LONGEST_TEXT})


async def _save(
    connection: AsyncConnection[Any],
    external_id: str,
    values: dict[str, Any],
    changes: MemberChanges,
    actor: str,
    now: datetime,
    zone: ZoneInfo,
) -> bool:
    # Two requests that enrol the same member come one after the other, so that one is told that the member is new.
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"member:{external_id}",))
    # Whoever moves this member's points or state holds the lock of the points account, the desk included.
    leads = await lock_members(connection, [external_id])
    if external_id not in leads:
        state = PRE_REGISTERED if changes.state == PRE_REGISTERED else "active"
        newcomer = NewMember(external_id=external_id, state=state, **values)
        member_id = (await enrol_members(connection, [newcomer], actor=actor, now=now))[external_id]
    else:
        _, member_id = await follow(connection, external_id)
    # Also for newcomers: an import may have been quicker, and then only the host's id is known.
    await _change_fields(connection, member_id, values)
    if changes.state is not UNSET:
        await _change_state(connection, member_id, changes.state, changes.reason, actor, now, zone)
    return external_id not in leads


async def _change_fields(connection: AsyncConnection[Any], member_id: int, values: dict[str, Any]) -> None:
    if values:
        columns = ", ".join(f"{name} = %({name})s" for name in values)
        # A number of somebody who was merged into this member is this member's.
        await connection.execute(
            "UPDATE member SET phone = NULL WHERE merged_into = %s AND phone = %s", (member_id, values.get("phone"))
        )
        await connection.execute(f"UPDATE member SET {columns} WHERE id = %(id)s", {**values, "id": member_id})
        await index_members(connection, [member_id])


async def _change_state(
    connection: AsyncConnection[Any],
    member_id: int,
    wanted: str,
    reason: str,
    actor: str,
    now: datetime,
    zone: ZoneInfo,
) -> None:
    found = await connection.execute("SELECT state, activated_at FROM member WHERE id = %s", (member_id,))
    state, activated_at = await found.fetchone() or ("", None)
    if state == wanted:
        return
    if not may_become(state, wanted):
        raise MemberClosedError if state == "closed" else StateNotPossibleError
    await connection.execute(
        "UPDATE member SET state = %(state)s, activated_at = CASE WHEN %(state)s = 'active' "
        "THEN coalesce(activated_at, %(now)s) ELSE activated_at END WHERE id = %(id)s",
        {"state": wanted, "now": now, "id": member_id},
    )
    await connection.execute(
        "INSERT INTO member_state_change (member_id, from_state, to_state, reason, actor, at) VALUES (%s, %s, %s, %s, %s, %s)",
        (member_id, state, wanted, reason, actor, now),
    )
    if wanted == "active" and activated_at is None:
        await begin_validity(connection, member_id, actor=actor, now=now, zone=zone)
        await begin_tier_validity(connection, member_id, now=now, zone=zone)
