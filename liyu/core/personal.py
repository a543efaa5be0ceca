"""What is held about a person, table by table: one list for copying it out and for erasing it, so that they cannot differ.

Each package lists its own tables in `personal_data.py`; a test walks the schema and fails for one that nobody lists.
"""

from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.rows import dict_row

Row = dict[str, Any]


class Person(Struct, frozen=True):
    """A member as these statements know them: `%(members)s`, `%(contacts)s`, `%(actors)s`, `%(external_ids)s`."""

    members: list[int]
    """The member, and those that were merged into them."""
    contacts: list[str]
    """Phone numbers and e-mail addresses that are or were theirs and are nobody else's now."""
    actors: list[str]
    """How ledgers and logs name them: `member:12`."""
    external_ids: list[str]


class PersonalTable(Struct, frozen=True, kw_only=True):
    """One table with data about members; the statements have the fields of `Person` as their values."""

    table: str
    title: str
    """In English, for people; marked for translation."""
    read: str | None
    """The rows that the member gets a copy of; None for a table whose rows are told with those of another."""
    erase: str | None = None
    """What takes the person out of it; None where no row names a person, or where the books need it."""


async def read_personal_data(
    connection: AsyncConnection[Any], tables: list[PersonalTable], person: Person
) -> dict[str, list[Row]]:
    """Everything that is held about a member, by table, in the order of the list."""
    found: dict[str, list[Row]] = {}
    for table in tables:
        if table.read is None:
            continue
        async with connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(table.read, _values(person))
            found[table.table] = await cursor.fetchall()
    return found


async def erase_personal_data(connection: AsyncConnection[Any], tables: list[PersonalTable], person: Person) -> None:
    """Take the person out of all tables."""
    for table in tables:
        if table.erase is not None:
            await connection.execute(table.erase, _values(person))


def _values(person: Person) -> dict[str, Any]:
    return {name: getattr(person, name) for name in person.__struct_fields__}
