"""Importing codes: every row is answered, faulty ones harm no others, and whoever waits for a replacement is served first.

Memory is bounded by `MOST_CODES` short texts; codes are sealed and written portion by portion.
"""

import asyncio
import hmac
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import datetime
from hashlib import sha256
from typing import Any, Literal

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.catalog.notify import announce_items
from liyu.catalog.pools.replace import replace_codes
from liyu.catalog.pools.stock import find_pool, follow_pool, lock_pool
from liyu.core.sealing import derive_key, seal
from liyu.partners.scope import EVERY_PARTNER, PartnerScope

SEALING = "pool code"
HASHING = "pool code hash"
LONGEST_CODE = 500
PORTION = 5_000

CodeStatus = Literal["ok", "failed", "existing", "duplicate"]
Fault = Literal["empty", "too_long", "unreadable", "number", "columns"]


class GivenCode(Struct, frozen=True):
    """A code as somebody gave it; rows are counted as a spreadsheet does."""

    row: int
    text: str
    fault: Fault | None = None
    """What the reader of the file found."""


class CodesImported(Struct, frozen=True):
    """How many codes got which answer.

    `ok`: in the pool now. `failed`: empty, too long or unreadable. `existing`: in this or another pool already.
    `duplicate`: stands in the file more than once, and this is not the first place.
    """

    import_id: int
    ok: int
    failed: int
    existing: int
    duplicate: int
    replaced: int
    """Codes that went to members who waited for a replacement."""
    total: int
    """The item's stock now: units taken and codes that are free."""


class _Row(Struct):
    """A row with its answer; `digest` is None for those that cannot be a code."""

    given: GivenCode
    digest: bytes | None
    status: CodeStatus
    fault: Fault | None = None


async def import_codes(
    connection: AsyncConnection[Any],
    sku: str,
    codes: Iterable[GivenCode],
    *,
    secret_key: str,
    actor: str,
    now: datetime,
    file_name: str = "",
    scope: PartnerScope = EVERY_PARTNER,
) -> CodesImported:
    """Add codes to the pool of an item; its stock follows in the same transaction. The same codes again change nothing.

    Raises ItemNotFoundError, also for another partner's, or NotACodeItemError for an item of another kind.
    """
    item = await find_pool(scope, connection, sku)
    rows = await asyncio.to_thread(_judge, codes, derive_key(secret_key, HASHING))
    async with connection.transaction():
        import_id = await _begin(connection, item.id, file_name, actor, now)
        # In the order of the hashes: two imports of the same codes then wait for each other and cannot deadlock.
        wanted = sorted((row for row in rows if row.status == "ok"), key=lambda row: row.digest or b"")
        for portion in _portions(wanted):
            await _add(connection, item.id, import_id, portion, secret_key)
        await _note_faults(connection, import_id, [row for row in rows if row.status != "ok"], secret_key)
        counts: dict[str, int] = {status: sum(row.status == status for row in rows) for status in _COUNTED}
        await connection.execute(_FINISH, {**counts, "id": import_id})
        await lock_pool(connection, item.id)
        replaced = await replace_codes(connection, item.id, now=now)
        if counts["ok"]:
            await announce_items(connection, [item.id])
        total = await follow_pool(connection, item.id)
    return CodesImported(import_id=import_id, replaced=replaced, total=total, **counts)


def split_codes(text: str) -> list[GivenCode]:
    """Codes that were pasted, one a line; empty lines are none."""
    lines = ((number, line.strip()) for number, line in enumerate(text.splitlines(), 1))
    return [GivenCode(number, line) for number, line in lines if line]


def hash_code(text: str, key: bytes) -> bytes:
    """The keyed hash by which a code is found without being readable; `key` is derived for `HASHING`."""
    return hmac.digest(key, text.strip().encode(), sha256)


_COUNTED: tuple[CodeStatus, ...] = ("ok", "failed", "existing", "duplicate")
_FINISH = """
    UPDATE pool_import SET ok = %(ok)s, failed = %(failed)s, existing = %(existing)s, duplicate = %(duplicate)s
    WHERE id = %(id)s"""
_ADD = """
    INSERT INTO pool_code (item_id, import_id, secret, secret_hash)
    SELECT %s, %s, r.secret, r.hash FROM unnest(%b::bytea[], %b::bytea[]) AS r(secret, hash)
    ON CONFLICT (secret_hash) DO NOTHING RETURNING secret_hash"""
_NOTE = """
    INSERT INTO pool_import_fault (import_id, row, status, fault, secret, other_item_id)
    SELECT %s, r.row, r.status, r.fault, r.secret, c.item_id
    FROM unnest(%b::bigint[], %b::text[], %b::text[], %b::bytea[], %b::bytea[]) AS r(row, status, fault, secret, hash)
    LEFT JOIN pool_code c ON c.secret_hash = r.hash AND r.status = 'existing'"""


def _judge(codes: Iterable[GivenCode], key: bytes) -> list[_Row]:
    """What can be said of each row without the database."""
    rows, seen = [], set()
    for given in codes:
        fault = given.fault or _fault_of(given.text.strip())
        if fault is not None:
            rows.append(_Row(given, None, "failed", fault))
            continue
        digest = hash_code(given.text, key)
        rows.append(_Row(given, digest, "duplicate" if digest in seen else "ok"))
        seen.add(digest)
    return rows


def _fault_of(text: str) -> Fault | None:
    if not text:
        return "empty"
    if len(text) > LONGEST_CODE:
        return "too_long"
    return "unreadable" if any(unicodedata.category(one) in ("Cc", "Cs") for one in text) else None


def _portions(rows: list[_Row]) -> Iterator[list[_Row]]:
    return (rows[start : start + PORTION] for start in range(0, len(rows), PORTION))


async def _begin(connection: AsyncConnection[Any], item_id: int, file_name: str, actor: str, now: datetime) -> int:
    found = await connection.execute(
        "INSERT INTO pool_import (item_id, file_name, ok, failed, existing, duplicate, made_by, made_at) "
        "VALUES (%s, %s, 0, 0, 0, 0, %s, %s) RETURNING id",
        (item_id, file_name, actor, now),
    )
    return int((await found.fetchone() or (0,))[0])


async def _add(
    connection: AsyncConnection[Any], item_id: int, import_id: int, rows: list[_Row], secret_key: str
) -> None:
    """Write a portion; those that a pool has already become `existing`."""
    sealed = await asyncio.to_thread(_seal, rows, secret_key)
    found = await connection.execute(_ADD, (item_id, import_id, sealed, [row.digest for row in rows]))
    added = {bytes(digest) for (digest,) in await found.fetchall()}
    for row in rows:
        if row.digest not in added:
            row.status = "existing"


async def _note_faults(connection: AsyncConnection[Any], import_id: int, rows: list[_Row], secret_key: str) -> None:
    for portion in _portions(rows):
        sealed = await asyncio.to_thread(_seal, portion, secret_key)
        columns = [
            [row.given.row for row in portion], [row.status for row in portion], [row.fault for row in portion], sealed,
            [row.digest for row in portion],
        ]  # fmt: skip
        await connection.execute(_NOTE, (import_id, *columns))


def _seal(rows: list[_Row], secret_key: str) -> list[bytes]:
    # What cannot be a code is kept as far as it can be kept, so that it can be found in the file.
    texts = (row.given.text.strip()[:LONGEST_CODE].encode(errors="replace").decode() for row in rows)
    return [seal(secret_key, SEALING, text) for text in texts]
