"""The wallet's own QR code: a member in disguise for a minute, so that a till lists which of their vouchers it may take."""

import hmac
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.sealing import derive_key
from liyu.vouchers.alphabet import read_letters, tidy, write_letters
from liyu.vouchers.disguise import Disguise
from liyu.vouchers.facts import VoucherFacts, fetch_facts
from liyu.vouchers.queries import HELD
from liyu.vouchers.states import OPEN
from liyu.vouchers.tokens import GRACE_WINDOWS, WINDOW_SECONDS

MOST_LISTED = 50

_MARK = "M1"
_MEMBER, _TIME, _MAC = 11, 6, 16
_LENGTH = len(_MARK) + _MEMBER + _TIME + _MAC
_MAC_BYTES = 10

_HERE = f"""
    WHERE {HELD} AND v.partner_id = %(partner)s AND v.state = ANY(%(open)s) AND v.frozen_at IS NULL
        AND greatest(v.issued_at, rule.usable_from) <= %(now)s AND %(now)s < v.expires_at
        AND (NOT EXISTS (SELECT FROM item_store t WHERE t.item_id = v.item_id)
            OR EXISTS (SELECT FROM item_store t WHERE t.item_id = v.item_id AND t.store_id = %(store)s))
    ORDER BY v.expires_at, v.id LIMIT {MOST_LISTED}"""


class ShownWallet(Struct, frozen=True):
    """A wallet as it was shown at a till; `stale` is a screenshot, most likely."""

    member_id: int
    stale: bool


class WalletCodes:
    """Makes and reads the wallet codes of one installation. They tell neither who the member is nor how many there are."""

    def __init__(self, secret_key: str) -> None:
        self._disguise = Disguise(derive_key(secret_key, "wallet code"))
        self._key = derive_key(secret_key, "wallet code window")

    def write(self, member_id: int, now: datetime) -> str:
        """The code of a member's wallet at this instant: good until its window of 30 s and one more have passed."""
        letters = write_letters(self._disguise.hide(member_id), _MEMBER) + write_letters(_window_of(now), _TIME)
        return _MARK + letters + write_letters(int.from_bytes(self._mac(letters), "big"), _MAC)

    def read(self, text: str, now: datetime) -> ShownWallet | None:
        """The wallet behind what was shown; None for everything that is not one of ours."""
        letters = tidy(text)
        if not letters.startswith(_MARK) or len(letters) != _LENGTH:
            return None
        head, shown_mac = letters[len(_MARK) : -_MAC], read_letters(letters[-_MAC:])
        hidden, window = read_letters(head[:_MEMBER]), read_letters(head[_MEMBER:])
        if shown_mac is None or hidden is None or window is None:
            return None
        if not hmac.compare_digest(shown_mac.to_bytes(_MAC_BYTES, "big"), self._mac(head)):
            return None
        member_id = self._disguise.find(hidden)
        if member_id is None:
            return None
        return ShownWallet(member_id, stale=not 0 <= _window_of(now) - window <= GRACE_WINDOWS)

    def _mac(self, letters: str) -> bytes:
        return blake2b(letters.encode(), key=self._key, digest_size=_MAC_BYTES).digest()


async def vouchers_here(
    connection: AsyncConnection[Any], partner_id: int, store_id: int, member_id: int, now: datetime
) -> list[VoucherFacts]:
    """What a store of a partner may take of a member's wallet now, by the day it runs out; up to 50."""
    values = {"partner": partner_id, "store": store_id, "member": member_id, "now": now, "open": list(OPEN)}
    return await fetch_facts(connection, _HERE, values)


def _window_of(instant: datetime) -> int:
    return int(instant.astimezone(UTC).timestamp()) // WINDOW_SECONDS
