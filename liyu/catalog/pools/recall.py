"""Recalling bad codes: free ones are given to nobody, those that members hold are replaced, in one transaction.

A code that is known to have been used stays as it is. Whoever cannot be served keeps the claim: the next codes that come into
the pool are theirs before anybody can redeem them.
"""

from datetime import datetime
from typing import Any

from msgspec import Struct, field
from psycopg import AsyncConnection

from liyu.catalog.errors import NothingToRecallError
from liyu.catalog.notify import announce_items
from liyu.catalog.pools.imports import HASHING, GivenCode, hash_code
from liyu.catalog.pools.replace import KEPT, RECALLED, WAITS, Holder, replace_codes, tell_holders
from liyu.catalog.pools.stock import find_pool, follow_pool, lock_pool
from liyu.core.database import fetch_all
from liyu.core.errors import InvalidInputError, NotFoundError
from liyu.core.i18n import N_, Message
from liyu.core.sealing import derive_key
from liyu.partners.scope import EVERY_PARTNER, PartnerScope

MOST_LINES_NAMED = 10

_IS_ITS_IMPORT = "SELECT EXISTS (SELECT FROM pool_import WHERE id = %(import)s AND item_id = %(item)s)"
_KNOWN = "SELECT secret_hash FROM pool_code WHERE item_id = %s AND secret_hash = ANY(%s)"
_BEGIN = """
    INSERT INTO pool_recall (item_id, import_id, reason, made_by, made_at)
    VALUES (%(item)s, %(import)s, %(reason)s, %(actor)s, %(now)s) RETURNING id"""
_MARK_USED = """
    UPDATE pool_code SET used_at = %(now)s
    WHERE item_id = %(item)s AND secret_hash = ANY(%(used)s) AND used_at IS NULL AND redemption_id IS NOT NULL"""
_RECALL = f"""
    UPDATE pool_code c SET recall_id = %(recall)s
    WHERE c.item_id = %(item)s AND c.recall_id IS NULL AND c.used_at IS NULL
        AND (c.import_id = %(import)s OR c.secret_hash = ANY(%(recalled)s))
        AND (c.redemption_id IS NULL OR EXISTS (SELECT FROM redemption r WHERE r.id = c.redemption_id AND {KEPT}))
    RETURNING c.redemption_id IS NOT NULL"""
_WAITING = f"""
    SELECT r.member_id, r.number, i.name_zh, i.name_en, count(*) AS codes
    FROM pool_code c JOIN redemption r ON r.id = c.redemption_id JOIN item i ON i.id = r.item_id
    WHERE c.recall_id = %s AND {WAITS} AND {KEPT} GROUP BY r.id, i.id"""


class Recall(Struct, frozen=True):
    """Which codes are bad: those of an import, or single ones; and which of them are known to have been used."""

    reason: str
    import_id: int | None = None
    codes: list[GivenCode] = field(default_factory=list)
    used: list[GivenCode] = field(default_factory=list)


class Recalled(Struct, frozen=True):
    """What a recall did."""

    recall_id: int
    withdrawn: int
    """Free codes that nobody will get."""
    replaced: int
    """Codes for which their members have another one now."""
    waiting: int
    """Codes whose members get the next ones of the pool."""
    total: int


async def recall_codes(
    connection: AsyncConnection[Any],
    sku: str,
    recall: Recall,
    *,
    secret_key: str,
    actor: str,
    now: datetime,
    scope: PartnerScope = EVERY_PARTNER,
) -> Recalled:
    """Take bad codes back and replace those that members hold; their members are told.

    Raises ItemNotFoundError, NotFoundError for an import of another pool, InvalidInputError when a code is not of this pool, or
    NothingToRecallError when all of them are used, given back or recalled already.
    """
    item = await find_pool(scope, connection, sku)
    values: dict[str, Any] = {
        "item": item.id, "import": recall.import_id, "reason": recall.reason, "actor": actor, "now": now,
        **await _find(connection, item.id, {"recalled": recall.codes, "used": recall.used}, secret_key),
    }  # fmt: skip
    if recall.import_id is not None and await _value(connection, _IS_ITS_IMPORT, values) is not True:
        raise NotFoundError
    async with connection.transaction():
        await lock_pool(connection, item.id)
        values["recall"] = recall_id = await _value(connection, _BEGIN, values)
        await connection.execute(_MARK_USED, values)
        held = [is_held for (is_held,) in await (await connection.execute(_RECALL, values)).fetchall()]
        if not held:
            raise NothingToRecallError
        # Who has waited since an earlier recall comes first; they are not among those who hold codes of this one.
        await replace_codes(connection, item.id, now=now)
        holders = await fetch_all(connection, Holder, _WAITING, (recall_id,))
        await tell_holders(connection, holders, RECALLED, now)
        total = await follow_pool(connection, item.id)
        await announce_items(connection, [item.id])
    waiting = sum(one.codes for one in holders)
    return Recalled(recall_id, held.count(False), held.count(True) - waiting, waiting, total)


async def _find(
    connection: AsyncConnection[Any], item_id: int, named: dict[str, list[GivenCode]], secret_key: str
) -> dict[str, list[bytes]]:
    """The hashes of codes that were named, by field. Raises InvalidInputError with the lines that are not of this pool."""
    key = derive_key(secret_key, HASHING)
    digests = {name: [hash_code(one.text, key) for one in given] for name, given in named.items()}
    found = await connection.execute(_KNOWN, (item_id, [one for given in digests.values() for one in given]))
    known = {bytes(digest) for (digest,) in await found.fetchall()}
    faults = {}
    for name, given in named.items():
        unknown = [one.row for one, digest in zip(given, digests[name], strict=True) if digest not in known]
        if unknown:
            lines = ", ".join(map(str, unknown[:MOST_LINES_NAMED])) + (" …" if len(unknown) > MOST_LINES_NAMED else "")
            faults[name] = Message(N_("Not in this pool: line %(lines)s."), {"lines": lines})
    if faults:
        raise InvalidInputError.of_fields(faults)
    return digests


async def _value(connection: AsyncConnection[Any], query: str, values: dict[str, Any]) -> Any:
    return (await (await connection.execute(query, values)).fetchone() or (None,))[0]
