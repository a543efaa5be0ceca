"""A keyed permutation that turns a voucher's id into a number of 55 bits and back.

35 bits of id and 20 bits of keyed checksum go through an alternating Feistel network. Without the key the numbers look
random, tell neither order nor count, and a random number is a voucher's with probability (vouchers / 2**55).
"""

from hashlib import blake2b

HIGHEST_ID = 2**35 - 1

_MAC_BITS = 20
_ROUNDS = 8
_LEFT_MASK = (1 << 28) - 1
_RIGHT_BITS = 27
_RIGHT_MASK = (1 << _RIGHT_BITS) - 1
_MAC_MASK = (1 << _MAC_BITS) - 1


class Disguise:
    """The permutation of one key. Two keys, say for codes and for tokens, tell nothing about each other."""

    def __init__(self, key: bytes) -> None:
        # Copying a prepared hash costs half of keying a new one.
        self._mac = blake2b(key=key, digest_size=4, person=b"liyu voucher mac")
        self._rounds = [blake2b(key=key, digest_size=4, person=b"liyu feistel %02d" % turn) for turn in range(_ROUNDS)]

    def hide(self, voucher_id: int) -> int:
        """The number of an id. Raises ValueError for an id outside 1 … 2**35 - 1."""
        if not 0 < voucher_id <= HIGHEST_ID:
            raise ValueError(f"{voucher_id} cannot be the id of a voucher")
        number = voucher_id << _MAC_BITS | self._checksum(voucher_id)
        left, right = number >> _RIGHT_BITS, number & _RIGHT_MASK
        for turn in range(0, _ROUNDS, 2):
            left ^= self._mix(turn, right) & _LEFT_MASK
            right ^= self._mix(turn + 1, left) & _RIGHT_MASK
        return left << _RIGHT_BITS | right

    def find(self, number: int) -> int | None:
        """The id behind a number, or None when no voucher of any installation with this key has it."""
        left, right = number >> _RIGHT_BITS, number & _RIGHT_MASK
        for turn in range(_ROUNDS - 2, -1, -2):
            right ^= self._mix(turn + 1, left) & _RIGHT_MASK
            left ^= self._mix(turn, right) & _LEFT_MASK
        found = left << _RIGHT_BITS | right
        voucher_id = found >> _MAC_BITS
        return voucher_id if voucher_id and found & _MAC_MASK == self._checksum(voucher_id) else None

    def _mix(self, turn: int, half: int) -> int:
        mixed = self._rounds[turn].copy()
        mixed.update(half.to_bytes(4, "big"))
        return int.from_bytes(mixed.digest(), "big")

    def _checksum(self, voucher_id: int) -> int:
        mac = self._mac.copy()
        mac.update(voucher_id.to_bytes(5, "big"))
        return int.from_bytes(mac.digest(), "big") & _MAC_MASK
