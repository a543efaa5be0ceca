"""The systems that carry top-ups out: their addresses, their secrets, and the items that are theirs."""

import secrets
from base64 import b64encode
from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.errors import UniqueViolation

from liyu.core.database import fetch_all, fetch_one
from liyu.core.errors import InvalidInputError, NotFoundError
from liyu.core.i18n import N_, Message
from liyu.core.outgoing import SECRET_PREFIX, is_web_address
from liyu.core.sealing import seal

SECRET_PURPOSE = "top-up"  # noqa: S105 - what the key is for
_SECRET_BYTES = 32


class Endpoint(Struct, frozen=True):
    """A system, with the items that it carries out and what is open there."""

    id: int
    name: str
    url: str
    active: bool
    skus: list[str]
    open: int
    changed_at: datetime


class EndpointDraft(Struct, frozen=True):
    """What an operator says of a system."""

    name: str
    url: str
    skus: list[str]
    active: bool = True


_LIST = """
    SELECT e.id, e.name, e.url, e.active, e.changed_at,
        ARRAY(SELECT i.sku FROM top_up_item x JOIN item i ON i.id = x.item_id WHERE x.endpoint_id = e.id ORDER BY i.sku) AS skus,
        (SELECT count(*) FROM top_up t JOIN redemption r ON r.id = t.redemption_id
            JOIN top_up_item x ON x.item_id = r.item_id AND x.endpoint_id = e.id
            WHERE t.state IN ('waiting', 'unknown')) AS open
    FROM top_up_endpoint e WHERE %(id)s::bigint IS NULL OR e.id = %(id)s ORDER BY e.name"""
_ITEMS = """
    INSERT INTO top_up_item (item_id, endpoint_id) SELECT id, %s FROM item WHERE sku = ANY(%s) AND kind = 'top_up'
    ON CONFLICT (item_id) DO UPDATE SET endpoint_id = excluded.endpoint_id"""
# What was left to people because no system was there is tried now.
_TAKE_UP = """
    UPDATE top_up t SET next_at = %(now)s FROM redemption r JOIN top_up_item x ON x.item_id = r.item_id
    WHERE r.id = t.redemption_id AND x.endpoint_id = %(id)s AND t.state = 'waiting' AND t.next_at IS NULL AND t.attempts = 0"""


async def list_endpoints(connection: AsyncConnection[Any]) -> list[Endpoint]:
    """All systems, by name."""
    return await fetch_all(connection, Endpoint, _LIST, {"id": None})


async def load_endpoint(connection: AsyncConnection[Any], endpoint_id: int) -> Endpoint:
    """One system. Raises NotFoundError."""
    found = await fetch_one(connection, Endpoint, _LIST, {"id": endpoint_id})
    if found is None:
        raise NotFoundError
    return found


async def save_endpoint(
    connection: AsyncConnection[Any],
    draft: EndpointDraft,
    *,
    endpoint_id: int | None,
    secret_key: str,
    allow_private: bool,
    now: datetime,
) -> tuple[int, str | None]:
    """Add or change a system in the caller's transaction: its id, and for a new one its secret, which is shown this once.

    Raises InvalidInputError that names every faulty field, or NotFoundError.
    """
    await _check(connection, draft, allow_private=allow_private)
    secret = None if endpoint_id is not None else make_secret()
    try:
        async with connection.transaction():
            if endpoint_id is None:
                assert secret is not None
                found = await connection.execute(
                    "INSERT INTO top_up_endpoint (name, url, secret, active, changed_at) VALUES (%s, %s, %s, %s, %s) RETURNING id",
                    (draft.name, draft.url, seal(secret_key, SECRET_PURPOSE, secret), draft.active, now),
                )
            else:
                found = await connection.execute(
                    "UPDATE top_up_endpoint SET name = %s, url = %s, active = %s, changed_at = %s WHERE id = %s RETURNING id",
                    (draft.name, draft.url, draft.active, now, endpoint_id),
                )
    except UniqueViolation:
        raise InvalidInputError.of_fields({"name": Message(N_("There is one of this name already."))}) from None
    row = await found.fetchone()
    if row is None:
        raise NotFoundError
    await connection.execute("DELETE FROM top_up_item WHERE endpoint_id = %s", (row[0],))
    await connection.execute(_ITEMS, (row[0], draft.skus))
    await connection.execute(_TAKE_UP, {"id": row[0], "now": now})
    return int(row[0]), secret


async def renew_secret(connection: AsyncConnection[Any], endpoint_id: int, *, secret_key: str, now: datetime) -> str:
    """Give a system another secret, which is shown this once; the old one signs nothing from now on. Raises NotFoundError."""
    secret = make_secret()
    changed = await connection.execute(
        "UPDATE top_up_endpoint SET secret = %s, changed_at = %s WHERE id = %s",
        (seal(secret_key, SECRET_PURPOSE, secret), now, endpoint_id),
    )
    if not changed.rowcount:
        raise NotFoundError
    return secret


def make_secret() -> str:
    """A secret as Standard Webhooks writes them."""
    return SECRET_PREFIX + b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


async def _check(connection: AsyncConnection[Any], draft: EndpointDraft, *, allow_private: bool) -> None:
    faults: dict[str, Message] = {}
    if not is_web_address(draft.url, allow_private=allow_private):
        faults["url"] = Message(N_("Enter an address that begins with https://."))
    found = await connection.execute(
        "SELECT s FROM unnest(%s::text[]) AS s WHERE NOT EXISTS (SELECT FROM item WHERE sku = s AND kind = 'top_up')",
        (draft.skus,),
    )
    unknown = [row[0] for row in await found.fetchall()]
    if unknown:
        faults["skus"] = Message(N_("No top-up has the number %(skus)s."), {"skus": ", ".join(unknown)})
    if faults:
        raise InvalidInputError.of_fields(faults)
