"""The PIN of a voucher: what its holder says at the till where paper and typed codes need their word.

Made from the serial number and the uses so far, with a key of its own: nothing is stored, and whoever heard it can do nothing with
it once the voucher is used, or has changed hands. It stands in the wallet only, never on paper.
"""

import hmac
from collections.abc import Sequence
from hashlib import blake2b

from liyu.core.limits import Subject
from liyu.core.sealing import derive_key
from liyu.vouchers.alphabet import tidy
from liyu.vouchers.keys import KeyRing, VoucherKey

DIGITS = 6
"""Of which one may try five an hour: in the thirty days of a voucher a guesser finds one in 277."""
LIMIT = "voucher_pin"


class Pins:
    """Makes and compares the PINs of one installation."""

    def __init__(self, secret_key: str, later_keys: Sequence[VoucherKey] = ()) -> None:
        self._keys = KeyRing(secret_key, later_keys, lambda secret: derive_key(secret, "voucher pin"))

    def pin_of(self, serial: int, uses: int) -> str:
        """The PIN for the next use of a voucher that was used so often."""
        digest = blake2b(f"{serial} {uses}".encode(), key=self._keys.of(serial), digest_size=8).digest()
        return f"{int.from_bytes(digest, 'big') % 10**DIGITS:0{DIGITS}}"

    def fits(self, serial: int, uses: int, typed: str) -> bool:
        """Whether it was typed, however it is spaced; takes as long for every wrong one."""
        return hmac.compare_digest(tidy(typed).encode(), self.pin_of(serial, uses).encode())


def tries_of(voucher_id: int) -> Subject:
    """Under which limit wrong PINs of a voucher are counted."""
    return LIMIT, str(voucher_id)
