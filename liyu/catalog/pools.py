"""Pools of third-party codes: imported once, kept encrypted, revealed to their owner only."""

import hmac
import unicodedata
from collections.abc import Iterable
from hashlib import sha256
from typing import Any, Literal

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.catalog.errors import ItemNotFoundError, NotACodeItemError
from liyu.catalog.notify import announce_items
from liyu.core.errors import NotFoundError
from liyu.core.sealing import derive_key, seal, unseal

SEALING = "pool code"
HASHING = "pool code hash"
LONGEST_CODE = 500

CodeStatus = Literal["ok", "failed", "existing", "duplicate"]


class CodesImported(Struct, frozen=True):
    """What became of each code, in the order of the file, and how many there are of each answer.

    `ok`: in the pool now. `failed`: empty, too long or unreadable. `existing`: in this or another pool already.
    `duplicate`: stands in the file more than once, and this is not the first place.
    """

    statuses: list[CodeStatus]
    total: int
    """Codes that the item has now, given out or not: its stock."""

    def count(self, status: CodeStatus) -> int:
        """How many codes got this answer."""
        return self.statuses.count(status)


async def import_codes(
    connection: AsyncConnection[Any], sku: str, codes: Iterable[str], *, secret_key: str
) -> CodesImported:
    """Add codes to the pool of an item; its stock follows in the same transaction. Faulty codes harm no others.

    Raises ItemNotFoundError, or NotACodeItemError for an item of another kind.
    """
    texts = [code.strip() for code in codes]
    key = derive_key(secret_key, HASHING)
    hashes = [hmac.digest(key, text.encode(), sha256) if _is_readable(text) else None for text in texts]
    # Sealing takes its time: it is done before any lock.
    sealed = {digest: seal(secret_key, SEALING, text) for digest, text in zip(hashes, texts, strict=True) if digest}
    async with connection.transaction():
        item_id = await _lock_code_item(connection, sku)
        added = await _add(connection, item_id, sealed)
        total = await _follow_pool(connection, item_id)
        if added:
            await announce_items(connection, [item_id])
    return CodesImported(_answer(hashes, added), total)


async def reveal(connection: AsyncConnection[Any], member_id: int, redemption_id: int, *, secret_key: str) -> list[str]:
    """The codes that a member got with a redemption of theirs.

    Raises NotFoundError when it is not theirs, has no codes, is not paid yet or was given back.
    """
    return await _reveal(connection, redemption_id, member_id, secret_key)


async def reveal_to_operator(connection: AsyncConnection[Any], redemption_id: int, *, secret_key: str) -> list[str]:
    """The codes of any redemption, for customer service; the caller writes the audit event. Raises NotFoundError."""
    return await _reveal(connection, redemption_id, None, secret_key)


async def _reveal(
    connection: AsyncConnection[Any], redemption_id: int, member_id: int | None, secret_key: str
) -> list[str]:
    found = await connection.execute(
        "SELECT c.secret FROM pool_code c JOIN redemption r ON r.id = c.redemption_id "
        "WHERE r.id = %(redemption)s AND (%(member)s::bigint IS NULL OR r.member_id = %(member)s) "
        "AND r.state IN ('confirmed', 'fulfilling', 'completed') ORDER BY c.id",
        {"redemption": redemption_id, "member": member_id},
    )
    secrets = [unseal(secret_key, SEALING, secret) for (secret,) in await found.fetchall()]
    if not secrets:
        raise NotFoundError
    return secrets


def _is_readable(text: str) -> bool:
    return 0 < len(text) <= LONGEST_CODE and not any(unicodedata.category(one) in ("Cc", "Cs") for one in text)


async def _lock_code_item(connection: AsyncConnection[Any], sku: str) -> int:
    found = await connection.execute(
        "SELECT i.id, i.kind FROM item i JOIN item_stock s ON s.item_id = i.id WHERE i.sku = %s FOR UPDATE OF s", (sku,)
    )
    row = await found.fetchone()
    if row is None:
        raise ItemNotFoundError
    item_id, kind = row
    if kind != "code":
        raise NotACodeItemError
    return int(item_id)


async def _add(connection: AsyncConnection[Any], item_id: int, sealed: dict[bytes, bytes]) -> set[bytes]:
    # In the order of the hashes: two files with the same codes then wait for each other and cannot deadlock.
    digests = sorted(sealed)
    found = await connection.execute(
        "INSERT INTO pool_code (item_id, secret, secret_hash) "
        "SELECT %s, r.secret, r.hash FROM unnest(%s::bytea[], %s::bytea[]) AS r(secret, hash) "
        "ON CONFLICT (secret_hash) DO NOTHING RETURNING secret_hash",
        (item_id, [sealed[digest] for digest in digests], digests),
    )
    return {bytes(digest) for (digest,) in await found.fetchall()}


async def _follow_pool(connection: AsyncConnection[Any], item_id: int) -> int:
    found = await connection.execute(
        "UPDATE item_stock SET total = (SELECT count(*) FROM pool_code WHERE item_id = %(item)s) "
        "WHERE item_id = %(item)s RETURNING total",
        {"item": item_id},
    )
    return int((await found.fetchone() or (0,))[0])


def _answer(hashes: list[bytes | None], added: set[bytes]) -> list[CodeStatus]:
    statuses: list[CodeStatus] = []
    seen: set[bytes] = set()
    for digest in hashes:
        if digest is None:
            statuses.append("failed")
        elif digest in seen:
            statuses.append("duplicate")
        else:
            statuses.append("ok" if digest in added else "existing")
            seen.add(digest)
    return statuses
