"""Memberships of one natural person 同一自然人: an item's limit for each person counts over all of them.

One membership stands for the person, and the others lead to it. A host that knows who is behind its members says so; a merge
makes the two the same person.
"""

from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.database import fetch_all
from liyu.core.errors import DomainError, InvalidInputError
from liyu.core.i18n import N_, Message
from liyu.redemption.errors import UnknownMemberError
from liyu.redemption.states import GIVEN_BACK

MEMBERSHIPS = """
    WITH heads AS (SELECT coalesce(person_id, id) AS id FROM member WHERE id = ANY(%(members)s))
    SELECT id FROM heads UNION SELECT m.id FROM member m JOIN heads ON m.person_id = heads.id"""
"""In SQL: all memberships of the persons behind some (`%(members)s`), those that were merged among them."""

# The desk reads who stands for whom after it has locked the member's account, so whoever holds the accounts of all memberships
# of both persons may change it.
_LOCK_ACCOUNTS = f"""
    SELECT id FROM account WHERE kind = 'member_points' AND member_id IN ({MEMBERSHIPS}) ORDER BY id FOR UPDATE"""

_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtext('liyu:persons'))"
_LEAD = "UPDATE member SET person_id = %(lead)s WHERE (id = %(led)s OR person_id = %(led)s) AND id <> %(lead)s"
_BECOME_LEAD = "UPDATE member SET person_id = NULL WHERE id = %(lead)s"

# Together they have used what both have used, also where that is more than the limit: then nothing is left.
_ADD_USES = """
    WITH gone AS (DELETE FROM limit_use WHERE member_id = %(led)s AND period = 'person' RETURNING item_id, period, used, cap)
    INSERT INTO limit_use AS mine (item_id, member_id, period, used, cap)
    SELECT item_id, %(lead)s, period, used, cap FROM gone
    ON CONFLICT (item_id, member_id, period) DO UPDATE
    SET used = mine.used + excluded.used, cap = greatest(mine.cap, excluded.cap, mine.used + excluded.used)"""


_LIST = f"""
    SELECT o.id, o.external_id, o.name, o.state FROM member o
    WHERE o.id IN ({MEMBERSHIPS}) AND o.id <> ALL(%(members)s) AND o.merged_into IS NULL ORDER BY o.id"""
# What the one who goes has had of each limit goes along; never more than was counted.
_USES = """
    SELECT u.item_id, u.used, u.cap, least(u.used, coalesce((
        SELECT sum(r.quantity) FROM redemption r JOIN item i ON i.id = r.item_id
        WHERE r.member_id = %(member)s AND coalesce(i.variant_of, i.id) = u.item_id AND r.state <> ALL(%(given_back)s)), 0))::bigint
    FROM limit_use u WHERE u.member_id = %(head)s AND u.period = 'person' ORDER BY u.item_id"""
_STAND_ALONE = "UPDATE member SET person_id = nullif(%(member)s, id) WHERE id = %(member)s OR merged_into = %(member)s"
_FOLLOW = "UPDATE member SET person_id = nullif(%(lead)s, id) WHERE (id = %(head)s OR person_id = %(head)s) AND id <> %(member)s"
_FORGET_USES = "DELETE FROM limit_use WHERE member_id = %s AND period = 'person'"
_NOTE_USE = "INSERT INTO limit_use (item_id, member_id, period, used, cap) VALUES (%s, %s, 'person', %s, %s)"


class NoOtherMembershipError(DomainError):
    """A membership that stands alone cannot be separated from others."""

    code = "no_other_membership"
    message = N_("Nobody else is noted as the same person.")


class Membership(Struct, frozen=True):
    """Another membership of the same natural person."""

    id: int
    external_id: str
    name: str | None
    state: str


async def list_memberships(connection: AsyncConnection[Any], member_id: int) -> list[Membership]:
    """The other memberships of the natural person behind this one."""
    return await fetch_all(connection, Membership, _LIST, {"members": [member_id]})


async def name_same_person(connection: AsyncConnection[Any], external_id: str, same_as: str) -> None:
    """Note that two memberships are one natural person's, in the caller's transaction.

    Raises UnknownMemberError for the first, InvalidInputError for the second.
    """
    found = await connection.execute(
        "SELECT external_id, coalesce(merged_into, id) FROM member WHERE external_id IN (%s, %s)",
        (external_id, same_as),
    )
    members = dict(await found.fetchall())
    if external_id not in members:
        raise UnknownMemberError
    if same_as not in members:
        raise InvalidInputError.of_fields({"same_person_as": Message(N_("No member has this number."))})
    if members[external_id] == members[same_as]:
        raise InvalidInputError.of_fields({"same_person_as": Message(N_("That is this very membership."))})
    await join_persons(connection, members[external_id], members[same_as])


async def part_from_person(connection: AsyncConnection[Any], member_id: int) -> None:
    """Let a membership stand for a person of its own again, in the caller's transaction: what it has had of limits goes with it.

    Raises NoOtherMembershipError.
    """
    await connection.execute(_ONE_AT_A_TIME)
    await connection.execute(_LOCK_ACCOUNTS, {"members": [member_id]})
    others = await list_memberships(connection, member_id)
    if not others:
        raise NoOtherMembershipError
    found = await connection.execute("SELECT coalesce(person_id, id) FROM member WHERE id = %s", (member_id,))
    head = (await found.fetchone() or (member_id,))[0]
    lead = others[0].id if head == member_id else head
    values = {"member": member_id, "head": head, "lead": lead, "given_back": list(GIVEN_BACK)}
    uses = await (await connection.execute(_USES, values)).fetchall()
    await connection.execute(_FOLLOW, values)
    await connection.execute(_STAND_ALONE, values)
    await connection.execute(_FORGET_USES, (head,))
    rows = [(item, lead, used - own, cap) for item, used, cap, own in uses]
    rows += [(item, member_id, own, cap) for item, _, cap, own in uses]
    async with connection.cursor() as cursor:
        await cursor.executemany(_NOTE_USE, [row for row in rows if row[2]])


async def join_persons(connection: AsyncConnection[Any], member_id: int, target_id: int) -> None:
    """Make the person of one membership that of another: all memberships of both lead to the target's from now on."""
    await connection.execute(_ONE_AT_A_TIME)
    await connection.execute(_LOCK_ACCOUNTS, {"members": [member_id, target_id]})
    found = await connection.execute(
        "SELECT id, coalesce(person_id, id) FROM member WHERE id IN (%s, %s)", (member_id, target_id)
    )
    heads = dict(await found.fetchall())
    # Who is merged away must not go on to stand for anybody, so a target that was led by the other takes its place.
    lead = target_id if heads[target_id] == member_id else heads[target_id]
    if lead == target_id:
        await connection.execute(_BECOME_LEAD, {"lead": lead})
    for led in {heads[member_id], heads[target_id], member_id} - {lead}:
        await connection.execute(_LEAD, {"lead": lead, "led": led})
        await connection.execute(_ADD_USES, {"lead": lead, "led": led})
