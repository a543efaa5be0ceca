"""What a device must know to judge a paper voucher by itself: the partner's items, and which vouchers are no good any more.

Vouchers travel as keyed hashes of 48 bits of the letters that stand for them in their QR codes. The key is the device's own, so
a list tells nothing to anybody else, and whoever has it can make no voucher.
"""

import hmac
from base64 import b64encode
from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from typing import Any

from msgspec import Struct, structs
from psycopg import AsyncConnection

from liyu.core.database import fetch_all
from liyu.core.sealing import derive_key
from liyu.vouchers.serials import serial_of
from liyu.vouchers.states import OPEN
from liyu.vouchers.tokens import Tokens

HASH_BYTES = 6
PAGE = 5_000
LONGEST_DELTA = 20_000
"""With more changes since, the device begins its list anew."""
_OVERLAP = 1_000
"""Changes that are read once more: one with a lower number may have been committed later."""


class OfflineItem(Struct):
    """An item whose paper vouchers a device may meet; `here` tells whether its store takes them. Value in fen.

    A limit for each day cannot be kept `alone`, nor can the holder's word be asked.
    """

    id: int
    name_zh: str
    name_en: str
    rules_zh: list[str]
    rules_en: list[str]
    value_minor: int
    here: bool
    alone: bool
    coupon: bool
    """Several of them on one bill are compared where there is a network; alone a device takes one."""
    usable_from: datetime | None


class Changes(Struct):
    """A part of the list: serial numbers that are no good, those that are good again, and where to go on."""

    gone: list[int]
    back: list[int]
    cursor: str
    more: bool
    anew: bool
    """This is the first part: what the device knew before is to be forgotten."""


_ITEMS = """
    SELECT i.id, i.name_zh, i.name_en, i.rules_zh, i.rules_en, i.value_minor,
        coalesce(r.uses_a_day, r.member_uses_a_day, r.store_uses_a_day) IS NULL AND r.paper_confirmed IS NOT TRUE AS alone,
        i.kind = 'coupon' AS coupon, r.usable_from,
        NOT EXISTS (SELECT FROM item_store t WHERE t.item_id = i.id)
            OR EXISTS (SELECT FROM item_store t WHERE t.item_id = i.id AND t.store_id = %(store)s) AS here
    FROM item i LEFT JOIN till_rule r ON r.item_id = i.id
    WHERE i.partner_id = %(partner)s AND i.kind IN ('partner_right', 'coupon', 'pick_up') ORDER BY i.id"""

_MARKS = """
    SELECT coalesce((SELECT max(id) FROM voucher_transition), 0), coalesce((SELECT max(id) FROM voucher_change), 0),
        coalesce((SELECT max(id) FROM member_state_change), 0), coalesce((SELECT max(id) FROM voucher_run), 0)"""

_IS_OPEN = "(v.state = ANY(%(open)s) AND v.frozen_at IS NULL AND m.state IS DISTINCT FROM 'frozen')"
_HOLDER = "LEFT JOIN member m ON m.id = coalesce(v.holder_id, v.member_id)"

_ALL = f"""
    SELECT v.id, v.generation, {_IS_OPEN} FROM voucher v {_HOLDER}
    WHERE v.partner_id = %(partner)s AND v.id > %(after)s AND v.expires_at > %(now)s
        AND (v.generation > 0 OR NOT {_IS_OPEN})
    ORDER BY v.id LIMIT %(page)s"""

_CHANGED = f"""
    SELECT v.id, v.generation, {_IS_OPEN}
    FROM (
        SELECT voucher_id AS id FROM voucher_transition WHERE id > %(transition)s
        UNION SELECT voucher_id FROM voucher_change WHERE id > %(change)s
        UNION SELECT o.id FROM member_state_change c JOIN voucher o ON o.member_id = c.member_id WHERE c.id > %(member)s
        UNION SELECT o.id FROM member_state_change c JOIN voucher o ON o.holder_id = c.member_id WHERE c.id > %(member)s
        UNION SELECT o.id FROM voucher o WHERE o.run_id > %(run)s
    ) AS t JOIN voucher v ON v.id = t.id {_HOLDER}
    WHERE v.partner_id = %(partner)s AND v.expires_at > %(now)s ORDER BY v.id"""


class _Cursor(Struct):
    """Up to which change of each kind the list is good, and the voucher after which its first reading goes on."""

    transition: int
    change: int
    member: int
    run: int
    """Numbered vouchers come into the world not activated. Runs are made one after the other (`runs/service.py`)."""
    after: int | None = None

    def write(self) -> str:
        rest = [] if self.after is None else [self.after]
        return ".".join(map(str, (self.transition, self.change, self.member, self.run, *rest)))

    @classmethod
    def read(cls, text: str | None) -> "_Cursor | None":
        """The cursor that a device kept; None for none, and for one that this version does not know: its list begins anew."""
        try:
            return cls(*map(int, (text or "").split(".")))
        except (TypeError, ValueError):
            return None


async def fetch_items(connection: AsyncConnection[Any], partner_id: int, store_id: int) -> list[OfflineItem]:
    """The partner's items that have vouchers, as one of its stores sees them."""
    return await fetch_all(connection, OfflineItem, _ITEMS, {"partner": partner_id, "store": store_id})


async def fetch_changes(
    connection: AsyncConnection[Any], partner_id: int, cursor: str | None, *, now: datetime
) -> Changes:
    """The part of the list that follows a cursor; the first part without a good one. Vouchers past their last day are left out."""
    known = _Cursor.read(cursor)
    marks = await (await connection.execute(_MARKS)).fetchone()
    assert marks is not None
    if known is None or (known.after is None and marks[0] - known.transition > LONGEST_DELTA):
        return await _read_all(connection, partner_id, structs.replace(_Cursor(*marks), after=0), now, anew=True)
    if known.after is not None:
        return await _read_all(connection, partner_id, known, now, anew=False)
    values = _values(partner_id, now) | {
        "transition": known.transition - _OVERLAP,
        "change": known.change - _OVERLAP,
        "member": known.member - _OVERLAP,
        "run": known.run,
    }
    changed = await (await connection.execute(_CHANGED, values)).fetchall()
    return _part(changed, _Cursor(*marks), more=False, anew=False)


async def _read_all(
    connection: AsyncConnection[Any], partner_id: int, at: _Cursor, now: datetime, *, anew: bool
) -> Changes:
    """A page of all vouchers that are no good now; what changes meanwhile comes after the last page."""
    found = await connection.execute(_ALL, _values(partner_id, now) | {"after": at.after, "page": PAGE})
    rows = await found.fetchall()
    at.after = rows[-1][0] if len(rows) == PAGE else None
    # The changes since the marks follow at once, so that a lease that is given with the last part knows of them.
    return _part(rows, at, more=True, anew=anew)


def _part(rows: list[tuple[Any, ...]], at: _Cursor, *, more: bool, anew: bool) -> Changes:
    """Codes that were made before a voucher changed hands are no good, whatever became of it since."""
    gone = [serial_of(voucher, earlier) for voucher, generation, _ in rows for earlier in range(generation)]
    gone += [serial_of(voucher, generation) for voucher, generation, is_open in rows if not is_open]
    back = [serial_of(voucher, generation) for voucher, generation, is_open in rows if is_open]
    return Changes(gone, back, at.write(), more, anew)


def _values(partner_id: int, now: datetime) -> dict[str, Any]:
    return {"partner": partner_id, "now": now, "open": list(OPEN)}


def list_key(secret_key: str, device_id: int) -> bytes:
    """The key of a device's lists."""
    return hmac.digest(derive_key(secret_key, "till list"), str(device_id).encode(), sha256)


def hash_vouchers(serials: Iterable[int], tokens: Tokens, key: bytes) -> str:
    """Vouchers, by their serial numbers, as a device knows them: hashes of six bytes each, one after the other, in base64."""
    hashes = (hmac.digest(key, tokens.disguised(serial).encode(), sha256)[:HASH_BYTES] for serial in serials)
    return b64encode(b"".join(hashes)).decode()
