"""Who stands behind the references that ledgers and logs keep (`staff:3`, `member:12`, `key:7`)."""

from collections.abc import Iterable
from typing import Any

from psycopg import AsyncConnection

_NAMES = """
    SELECT 'staff:' || id, name FROM staff WHERE id = ANY(%(staff)s)
    UNION ALL SELECT 'staff:' || email, name FROM staff WHERE email = ANY(%(emails)s)
    UNION ALL SELECT 'member:' || id, coalesce(name, external_id) FROM member WHERE id = ANY(%(members)s)
    UNION ALL SELECT 'key:' || id, name FROM api_key WHERE id = ANY(%(keys)s)"""


async def name_actors(connection: AsyncConnection[Any], references: Iterable[str]) -> dict[str, str]:
    """The names of staff, members and keys by reference, in one query; those of nobody are left out."""
    numbers: dict[str, list[int]] = {"staff": [], "member": [], "key": []}
    emails = []
    for reference in set(references):
        kind, _, rest = reference.partition(":")
        if kind in numbers and rest.isascii() and rest.isdigit() and len(rest) < 19:
            numbers[kind].append(int(rest))
        elif kind == "staff":
            emails.append(rest)
    if not emails and not any(numbers.values()):
        return {}
    found = await connection.execute(
        _NAMES,
        {"staff": numbers["staff"], "emails": emails, "members": numbers["member"], "keys": numbers["key"]},
    )
    return dict(await found.fetchall())
