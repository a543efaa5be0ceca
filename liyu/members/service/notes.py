"""Notes of the staff about a member: written once, with author and time, never changed."""

from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.database import fetch_all
from liyu.core.errors import InvalidInputError
from liyu.core.i18n import N_, Message
from liyu.members.leads import PERSON, follow

LONGEST_NOTE = 1_000


class NoteLine(Struct, frozen=True):
    """One note."""

    text: str
    author: str
    at: datetime


_LIST = f"SELECT text, author, at FROM member_note WHERE member_id IN {PERSON} ORDER BY id DESC LIMIT %(most)s"


async def add_note(
    connection: AsyncConnection[Any], external_id: str, text: str, *, author: str, now: datetime
) -> None:
    """Write a note down. Raises UnknownMemberError or InvalidInputError."""
    text = text.strip()
    if not text or len(text) > LONGEST_NOTE:
        words = Message(N_("Must have 1 to %(most)s characters."), {"most": LONGEST_NOTE})
        raise InvalidInputError.of_fields({"text": words})
    _, member_id = await follow(connection, external_id)
    await connection.execute(
        "INSERT INTO member_note (member_id, text, author, at) VALUES (%s, %s, %s, %s)", (member_id, text, author, now)
    )


async def list_notes(connection: AsyncConnection[Any], member_id: int, most: int) -> list[NoteLine]:
    """The latest notes, the newest first; those about members who were merged into this one are among them."""
    return await fetch_all(connection, NoteLine, _LIST, {"member": member_id, "most": most})
