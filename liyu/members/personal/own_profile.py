"""The profile as its member fills it in: the plain fields, the operator's questions, and the reward for a complete one."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.clock import local_date
from liyu.core.errors import InvalidInputError
from liyu.core.i18n import Message
from liyu.members.personal.errors import BirthdayFixedError
from liyu.members.personal.fields import ANSWER, ProfileQuestion, list_fields, read_answer
from liyu.members.personal.locking import MemberFacts, lock_member, lock_open_member
from liyu.members.points.events import Event
from liyu.members.points.post import post_events
from liyu.members.profile import fault_of
from liyu.members.program import load_terms

EVENT_TYPE = "profile"
"""The event that a complete profile posts, once for each member; the rules of this type say what it is worth."""
PLAIN_FIELDS = ("name", "birthday", "email", "city")
"""What every program asks and what counts in every program."""


class OwnProfile(Struct, kw_only=True):
    """What the member says of themselves; an empty answer takes it back."""

    name: str | None
    birthday: date | None
    email: str | None
    city: str | None
    locale: str | None
    answers: Mapping[str, str]
    """By the question's key, as typed."""


class Completeness(Struct, frozen=True):
    """How much of the profile is there."""

    done: int
    total: int
    missing: list[str]
    """Names of plain fields and keys of questions."""

    @property
    def is_complete(self) -> bool:
        """Whether nothing that counts is missing."""
        return not self.missing


_CHANGE = """
    UPDATE member SET name = %(name)s, birthday = %(birthday)s, email = %(email)s, city = %(city)s, locale = %(locale)s,
        birthday_changed_at = %(birthday_changed_at)s WHERE id = %(id)s"""
_ANSWER = """
    INSERT INTO profile_value (member_id, field_id, value) VALUES (%(member)s, %(field)s, %(value)s)
    ON CONFLICT (member_id, field_id) DO UPDATE SET value = excluded.value"""
_REWARD = """
    SELECT coalesce(sum(points), 0)::bigint FROM earning_rule
    WHERE event_type = %(type)s AND per_minor IS NULL AND valid_from <= %(now)s AND (valid_to IS NULL OR valid_to > %(now)s)"""


async def load_answers(connection: AsyncConnection[Any], member_id: int) -> dict[str, str]:
    """A member's answers by the question's key."""
    found = await connection.execute(
        "SELECT f.key, v.value FROM profile_value v JOIN profile_field f ON f.id = v.field_id WHERE v.member_id = %s",
        (member_id,),
    )
    return dict(await found.fetchall())


def completeness_of(member: Any, questions: list[ProfileQuestion], answers: Mapping[str, str]) -> Completeness:
    """What counts and what of it is missing; `member` has the plain fields as attributes."""
    counted = [question.key for question in questions if question.counts]
    missing = [name for name in PLAIN_FIELDS if not getattr(member, name)]
    missing += [key for key in counted if not answers.get(key)]
    total = len(PLAIN_FIELDS) + len(counted)
    return Completeness(total - len(missing), total, missing)


async def completeness_reward(connection: AsyncConnection[Any], now: datetime) -> int:
    """The points that the rules in force promise for a complete profile; 0 when there is no such rule."""
    row = await (await connection.execute(_REWARD, {"type": EVENT_TYPE, "now": now})).fetchone()
    assert row is not None
    return int(row[0])


async def was_rewarded(connection: AsyncConnection[Any], member_id: int) -> bool:
    """Whether the member has had the points for a complete profile."""
    found = await connection.execute(
        "SELECT FROM earning_event WHERE member_id = %s AND type = %s LIMIT 1", (member_id, EVENT_TYPE)
    )
    return found.rowcount > 0


def next_birthday_change(changed_at: datetime | None, days: int, zone: ZoneInfo) -> date | None:
    """The first day on which the birthday may be changed again; None when it may at once."""
    return None if changed_at is None else local_date(changed_at, zone) + timedelta(days=days)


async def save_own_profile(
    connection: AsyncConnection[Any],
    member_id: int,
    wanted: OwnProfile,
    *,
    now: datetime,
    zone: ZoneInfo,
) -> int:
    """Save what the member says, in the caller's transaction; returns the points that a now complete profile brought.

    Raises InvalidInputError with every fault, BirthdayFixedError or MemberClosedError.
    """
    member = await lock_open_member(connection, member_id)
    questions = await list_fields(connection, hold=True)
    plain, answers = _check(wanted, questions, local_date(now, zone))
    changed_at = await _when_birthday_changed(connection, member, plain["birthday"], now, zone)
    await connection.execute(_CHANGE, plain | {"birthday_changed_at": changed_at, "id": member_id})
    for question in questions:
        await _save_answer(connection, member_id, question, answers.get(question.key, ""))
    return await reward_completeness(connection, member_id, now=now, zone=zone)


async def set_birthday(connection: AsyncConnection[Any], member_id: int, birthday: date, today: date) -> None:
    """For operators: correct a birthday whenever it is needed. Raises InvalidInputError or MemberClosedError.

    The member's own next change waits as long as before: who was helped gains nothing by it.
    """
    fault = fault_of("birthday", {"birthday": birthday}, today)
    if fault is not None:
        raise InvalidInputError.of_fields({"birthday": fault})
    await lock_open_member(connection, member_id)
    await connection.execute("UPDATE member SET birthday = %s WHERE id = %s", (birthday, member_id))


async def reward_completeness(
    connection: AsyncConnection[Any], member_id: int, *, now: datetime, zone: ZoneInfo
) -> int:
    """Give the points for a complete profile, unless they were given or no rule promises any; returns the points.

    The event's reference is the member's own, so that the database itself refuses a second one.
    """
    member = await lock_member(connection, member_id)
    questions, answers = await list_fields(connection), await load_answers(connection, member_id)
    if not completeness_of(member, questions, answers).is_complete or await was_rewarded(connection, member_id):
        return 0
    if not await completeness_reward(connection, now):
        return 0
    event = Event(
        member=member.external_id, type=EVENT_TYPE, reference=f"profile-of-member-{member_id}", occurred_at=now
    )
    (posted,) = await post_events(connection, [event], actor=f"member:{member_id}", now=now, zone=zone)
    return posted.points


def _check(wanted: OwnProfile, questions: list[ProfileQuestion], today: date) -> tuple[dict[str, Any], dict[str, str]]:
    """Plain fields and answers in their stored form. Raises InvalidInputError."""
    faults: dict[str, Message] = {}
    plain: dict[str, Any] = {name: getattr(wanted, name) for name in (*PLAIN_FIELDS, "locale")}
    for name, value in plain.items():
        plain[name] = (value.strip() or None) if isinstance(value, str) else value
        fault = fault_of(name, plain, today) if plain[name] is not None else None
        if fault is not None:
            faults[name] = fault
    answers = {}
    for question in questions:
        text = wanted.answers.get(question.key, "").strip()
        answers[question.key], fault = read_answer(question, text)
        if fault is not None:
            faults[f"{ANSWER}{question.key}"] = fault
    if faults:
        raise InvalidInputError.of_fields(faults)
    return plain, answers


async def _when_birthday_changed(
    connection: AsyncConnection[Any], member: MemberFacts, birthday: date | None, now: datetime, zone: ZoneInfo
) -> datetime | None:
    """When the birthday was last changed, this change included. Raises BirthdayFixedError when it comes too early."""
    if birthday == member.birthday:
        return member.birthday_changed_at
    days = (await load_terms(connection)).birthday_change_days
    next_day = next_birthday_change(member.birthday_changed_at, days, zone)
    if next_day is not None and local_date(now, zone) < next_day:
        raise BirthdayFixedError(days=days, day=next_day)
    return now


async def _save_answer(connection: AsyncConnection[Any], member_id: int, question: ProfileQuestion, value: str) -> None:
    if value:
        await connection.execute(_ANSWER, {"member": member_id, "field": question.id, "value": value})
    else:
        await connection.execute(
            "DELETE FROM profile_value WHERE member_id = %s AND field_id = %s", (member_id, question.id)
        )
