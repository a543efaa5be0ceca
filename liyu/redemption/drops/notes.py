"""The log of why: what happened to a member at a drop, in words that are made when it is read."""

from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.bulk import encode_rows, insert_of
from liyu.core.i18n import N_

WORDS: dict[str, str] = {
    "joined": N_("Joined the waiting list at place %(place)s"),
    "left": N_("Left the waiting list"),
    "offered": N_("A released unit was kept for you: %(units)s, until %(deadline)s"),
    "taken": N_("Redeemed what was kept for you"),
    "lapsed": N_("What was kept was not redeemed in time and went to the next in line"),
    "declined": N_("Declined what was kept; it went to the next in line"),
    "served": N_("Left the waiting list with something redeemed"),
    "over": N_("The drop ended before your place came up"),
    "called_off": N_("The drop was called off: %(reason)s"),
    "too_many_requests": N_("Held back %(count)s times within a minute: too many taps"),
    "attention_missing": N_("Held back %(count)s times within a minute: the question was not answered"),
    "attention_wrong": N_("Held back %(count)s times within a minute: the question was answered wrongly"),
}
"""What a note says, by `what`; the last ones come from the tally."""


class NoteRow(Struct, frozen=True):
    """A note to be written."""

    drop_id: int
    member_id: int
    what: str
    details: dict[str, Any]
    at: datetime


async def write_notes(connection: AsyncConnection[Any], rows: list[NoteRow]) -> None:
    """Write notes, in the caller's transaction."""
    if rows:
        await connection.execute(insert_of("drop_note", NoteRow), (encode_rows(rows),))
