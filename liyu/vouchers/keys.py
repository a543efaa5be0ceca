"""Which secret a voucher's code and QR codes are made from: each secret holds from one voucher id on, to the next one's.

A voucher keeps its secret for life, so its code never changes, and a new secret harms no voucher that is out. The id says which
secret it is, so nothing more is stored, and every process makes the same codes (docs/adr/0026).
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from liyu.vouchers.serials import split_serial

VoucherKey = tuple[int, str]
"""The first voucher id of a secret, and the secret."""
Made = TypeVar("Made")


def add_key(secret_key: str, keys: Sequence[VoucherKey], *, first_id: int, secret: str) -> list[VoucherKey]:
    """All secrets with a new one that holds from a voucher id on. Raises ValueError when another begins there or later."""
    known = list(keys) if keys and keys[0][0] == 1 else [(1, secret_key), *keys]
    if first_id <= known[-1][0]:
        raise ValueError(f"the last key begins with voucher {known[-1][0]:,}")
    return [*known, (first_id, secret)]


class KeyRing(Generic[Made]):
    """What was made of each secret. `later` lists secrets that came after the installation's own one, or from 1 on in its place."""

    def __init__(self, secret_key: str, later: Sequence[VoucherKey], make: Callable[[str], Made]) -> None:
        keys = sorted(later)
        if not keys or keys[0][0] > 1:
            keys = [(1, secret_key), *keys]
        self._first_ids = [first for first, _ in keys]
        self._made = [make(secret) for _, secret in keys]

    def of(self, serial: int) -> Made:
        """What belongs to a voucher, by its serial number."""
        return self._made[self._place_of(serial)]

    def find_serial(self, find: Callable[[Made], int | None]) -> int | None:
        """The serial number that one secret finds and that is one of its own; none where two do, which no luck can tell apart.

        Every secret is asked, whatever the others find, so that an answer takes as long for every text.
        """
        found = [(place, find(made)) for place, made in enumerate(self._made)]
        own = [serial for place, serial in found if serial is not None and self._place_of(serial) == place]
        return own[0] if len(own) == 1 else None

    def __iter__(self) -> Iterator[Made]:
        """All that was made, of the oldest secret first."""
        return iter(self._made)

    def _place_of(self, serial: int) -> int:
        return max(bisect_right(self._first_ids, split_serial(serial)[0]) - 1, 0)
