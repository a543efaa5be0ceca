"""Membership cards: a lost one is blocked at once and for ever, and another number takes its place.

`member.card_number` is the one valid card, so that whoever looks for a card finds valid ones only; the database refuses a
number that was ever blocked.
"""

from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.errors import UniqueViolation

from liyu.core.database import fetch_all
from liyu.core.errors import DomainError, InvalidInputError, NotFoundError
from liyu.core.i18n import N_, Message
from liyu.core.ids import make_number
from liyu.members.leads import PERSON

PREFIX = "6"
LONGEST_REASON = 200
BLOCKED = "blocked"
ISSUED = "issued"
_ENDED = ("closed", "merged")


class NoCardToBlockError(DomainError):
    """The card is blocked already."""

    code = "card_already_blocked"
    message = N_("The card is blocked already. A new one can be issued.")


class CardStillValidError(DomainError):
    """A second card would be valid beside the first."""

    code = "card_still_valid"
    message = N_("The card is still valid. Report it lost first.")


class CardOfEndedMemberError(DomainError):
    """A closed membership has no card."""

    code = "member_closed"
    message = N_("The membership is closed.")


class CardLine(Struct, frozen=True):
    """One change of a member's cards."""

    number: str
    change: str
    reason: str
    actor: str
    at: datetime


async def block_card(
    connection: AsyncConnection[Any], member_id: int, *, reason: str, actor: str, now: datetime
) -> str:
    """Report the card lost: its number stops being valid at once. Returns it.

    Raises InvalidInputError without a reason, NoCardToBlockError or CardOfEndedMemberError.
    """
    if not reason.strip() or len(reason) > LONGEST_REASON:
        words = Message(N_("Must have 1 to %(most)s characters."), {"most": LONGEST_REASON})
        raise InvalidInputError.of_fields({"reason": words})
    number = await _lock(connection, member_id)
    if number is None:
        raise NoCardToBlockError
    await connection.execute("UPDATE member SET card_number = NULL WHERE id = %s", (member_id,))
    await _note(connection, member_id, number, BLOCKED, reason.strip(), actor, now)
    return number


async def issue_card(connection: AsyncConnection[Any], member_id: int, *, actor: str, now: datetime) -> str:
    """Issue a card with a new number in the place of a blocked one, and return it.

    Raises CardStillValidError or CardOfEndedMemberError.
    """
    if await _lock(connection, member_id) is not None:
        raise CardStillValidError
    number = await _give_number(connection, member_id)
    await _note(connection, member_id, number, ISSUED, "", actor, now)
    return number


async def list_card_changes(connection: AsyncConnection[Any], member_id: int) -> list[CardLine]:
    """The changes of a member's cards, the newest first; empty while the first card is valid."""
    return await fetch_all(
        connection,
        CardLine,
        f"SELECT number, change, reason, actor, at FROM card_change WHERE member_id IN {PERSON} ORDER BY id DESC",
        {"member": member_id},
    )


async def _lock(connection: AsyncConnection[Any], member_id: int) -> str | None:
    """Lock the member as everybody does, by the points account, and return the valid card."""
    await connection.execute(
        "SELECT FROM account WHERE member_id = %s AND kind = 'member_points' FOR UPDATE", (member_id,)
    )
    found = await connection.execute("SELECT card_number, state FROM member WHERE id = %s", (member_id,))
    row = await found.fetchone()
    if row is None:
        raise NotFoundError
    if row[1] in _ENDED:
        raise CardOfEndedMemberError
    number: str | None = row[0]
    return number


async def _give_number(connection: AsyncConnection[Any], member_id: int) -> str:
    """A number that nobody has; one that happens to be taken is drawn again."""
    while True:
        number = make_number(PREFIX)
        try:
            async with connection.transaction():
                await connection.execute("UPDATE member SET card_number = %s WHERE id = %s", (number, member_id))
        except UniqueViolation:
            continue
        return number


async def _note(
    connection: AsyncConnection[Any], member_id: int, number: str, change: str, reason: str, actor: str, now: datetime
) -> None:
    await connection.execute(
        "INSERT INTO card_change (member_id, number, change, reason, actor, at) VALUES (%s, %s, %s, %s, %s, %s)",
        (member_id, number, change, reason, actor, now),
    )
