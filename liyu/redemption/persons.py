"""Memberships of one natural person 同一自然人: an item's limit for each person counts over all of them.

One membership stands for the person, and the others lead to it. A host that knows who is behind its members says so; a merge
makes the two the same person.
"""

from typing import Any

from psycopg import AsyncConnection

from liyu.core.errors import InvalidInputError
from liyu.core.i18n import N_, Message
from liyu.redemption.errors import UnknownMemberError

# The desk reads who stands for whom after it has locked the member's account, so whoever holds the accounts of all memberships
# of both persons may change it.
_LOCK_ACCOUNTS = """
    SELECT id FROM account WHERE kind = 'member_points' AND member_id IN (
        SELECT m.id FROM member m JOIN member one ON one.id = ANY(%(members)s)
        WHERE coalesce(m.person_id, m.id) = coalesce(one.person_id, one.id))
    ORDER BY id FOR UPDATE"""

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
    await join_persons(connection, members[external_id], members[same_as])


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
