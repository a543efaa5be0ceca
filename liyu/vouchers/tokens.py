"""What the QR of a voucher says: a short-lived token in the wallet, a signed one on paper.

Both are upper-case letters and digits, which a QR packs tightly, and both carry the voucher's id in a disguise of its
own: whoever reads the QR learns neither the code nor how many vouchers there are.
"""

import hmac
from collections.abc import Sequence
from datetime import UTC, date, datetime
from enum import StrEnum
from hashlib import blake2b

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct

from liyu.core.sealing import derive_key
from liyu.vouchers.alphabet import read_letters, tidy, write_letters
from liyu.vouchers.codes import Codes
from liyu.vouchers.disguise import Disguise
from liyu.vouchers.keys import KeyRing, VoucherKey
from liyu.vouchers.pins import Pins
from liyu.vouchers.serials import split_serial

WINDOW_SECONDS = 30
GRACE_WINDOWS = 1

_DYNAMIC, _STATIC = "D1", "S1"
_ID_LETTERS = 11
_TIME_LETTERS = 4
_ITEM_LETTERS = 6
_TIME_SPAN = 32**_TIME_LETTERS
"""Windows before the letters of a token repeat: a year. Its MAC covers the whole window, so none comes back to life."""
_MAC_BYTES, _MAC_LETTERS = 10, 16
_SIGNATURE_BYTES, _SIGNATURE_LETTERS = 64, 103
_HEAD = 2 + _ID_LETTERS + _TIME_LETTERS
_STATIC_HEAD = _HEAD + _ITEM_LETTERS


class Form(StrEnum):
    """In which form a voucher was shown at the till."""

    CODE = "code"
    DYNAMIC = "dynamic"
    STATIC = "static"


_TOKENS = {(_DYNAMIC, _HEAD + _MAC_LETTERS): Form.DYNAMIC, (_STATIC, _STATIC_HEAD + _SIGNATURE_LETTERS): Form.STATIC}
"""Tokens by their first two letters and how many they have."""


class Presented(Struct, frozen=True):
    """A voucher as it was shown: genuine by its letters, whatever the database says of it."""

    serial: int
    """Id and generation in one (`serials.py`)."""
    form: Form
    stale: bool = False
    """A wallet token whose time has passed: a screenshot, most likely."""

    @property
    def voucher_id(self) -> int:
        """The id, whatever the generation."""
        return split_serial(self.serial)[0]

    @property
    def generation(self) -> int:
        """How often the voucher had changed hands when this was made; the database says whether it still is so."""
        return split_serial(self.serial)[1]


class _TokenKey:
    """What one secret makes of vouchers: disguised ids, MACs and signatures."""

    def __init__(self, secret: str) -> None:
        self.disguise = Disguise(derive_key(secret, "voucher token"))
        self.mac_key = derive_key(secret, "voucher dynamic token")
        self.signing_key = Ed25519PrivateKey.from_private_bytes(derive_key(secret, "voucher static token"))
        self.public_key = self.signing_key.public_key()

    def mac(self, head: str, window: int) -> bytes:
        return blake2b(f"{head}{window}".encode(), key=self.mac_key, digest_size=_MAC_BYTES).digest()

    def has_signed(self, signature: int, head: str) -> bool:
        try:
            self.public_key.verify(signature.to_bytes(_SIGNATURE_BYTES, "big"), head.encode())
        except InvalidSignature:
            return False
        return True


class Tokens:
    """Makes and reads the QR contents of one installation, with all of its secrets (`keys.py`)."""

    def __init__(self, secret_key: str, later_keys: Sequence[VoucherKey] = ()) -> None:
        self.codes = Codes(secret_key, later_keys)
        self.pins = Pins(secret_key, later_keys)
        self._keys = KeyRing(secret_key, later_keys, _TokenKey)

    def dynamic_token(self, voucher_id: int, now: datetime) -> str:
        """The wallet's token at this instant: good until its window of 30 s and one more have passed."""
        window = _window_of(now)
        head = self._head(_DYNAMIC, voucher_id, window % _TIME_SPAN)
        mac = self._keys.of(voucher_id).mac(head, window)
        return head + write_letters(int.from_bytes(mac, "big"), _MAC_LETTERS)

    @property
    def public_keys(self) -> list[bytes]:
        """The Ed25519 keys of 32 bytes with which a till without a network checks the signed form; any of them may have signed."""
        return [key.public_key.public_bytes_raw() for key in self._keys]

    def disguised(self, voucher_id: int) -> str:
        """The eleven letters that stand for a voucher in its QR codes: how a till without a network tells vouchers apart."""
        return write_letters(self._keys.of(voucher_id).disguise.hide(voucher_id), _ID_LETTERS)

    def static_token(self, voucher_id: int, last_day: date, item_id: int) -> str:
        """The signed form for paper; `last_day` is the last day of validity in the program's time zone.

        It names the item, so that a till without a network knows whose voucher it is and what it is worth.
        """
        head = self._head(_STATIC, voucher_id, last_day.toordinal()) + write_letters(item_id, _ITEM_LETTERS)
        signature = self._keys.of(voucher_id).signing_key.sign(head.encode())
        return head + write_letters(int.from_bytes(signature, "big"), _SIGNATURE_LETTERS)

    def read(self, text: str, now: datetime) -> Presented | None:
        """What was shown: a typed code or either token; None for everything that is not ours, without saying why."""
        letters = tidy(text)
        form = _form_of_token(letters)
        if form is Form.DYNAMIC:
            return self._read_dynamic(letters, now)
        if form is Form.STATIC:
            return self._read_static(letters)
        voucher_id = self.codes.voucher_id_of(text)
        return Presented(voucher_id, Form.CODE) if voucher_id else None

    def _read_dynamic(self, letters: str, now: datetime) -> Presented | None:
        shown, mac, number = (
            read_letters(part)
            for part in (letters[2 + _ID_LETTERS : _HEAD], letters[_HEAD:], letters[2 : 2 + _ID_LETTERS])
        )
        if shown is None or mac is None or number is None:
            return None
        current = _window_of(now)
        age = (current - shown + _TIME_SPAN // 2) % _TIME_SPAN - _TIME_SPAN // 2

        def find(key: _TokenKey) -> int | None:
            expected = key.mac(letters[:_HEAD], current - age)
            fits = hmac.compare_digest(mac.to_bytes(_MAC_BYTES, "big"), expected)
            return key.disguise.find(number) if fits else None

        serial = self._keys.find_serial(find)
        return Presented(serial, Form.DYNAMIC, stale=not 0 <= age <= GRACE_WINDOWS) if serial else None

    def _read_static(self, letters: str) -> Presented | None:
        signature, number = read_letters(letters[_STATIC_HEAD:]), read_letters(letters[2 : 2 + _ID_LETTERS])
        if signature is None or number is None or signature >> 8 * _SIGNATURE_BYTES:
            return None

        def find(key: _TokenKey) -> int | None:
            return key.disguise.find(number) if key.has_signed(signature, letters[:_STATIC_HEAD]) else None

        serial = self._keys.find_serial(find)
        return Presented(serial, Form.STATIC) if serial else None

    def _head(self, form: str, voucher_id: int, time: int) -> str:
        return form + self.disguised(voucher_id) + write_letters(time, _TIME_LETTERS)


def may_be_token(text: str) -> bool:
    """Whether a text has the shape of a voucher's QR code; only the installation that made it can tell whether it is one."""
    return _form_of_token(tidy(text)) is not None


def _form_of_token(letters: str) -> Form | None:
    return _TOKENS.get((letters[:2], len(letters)))


def _window_of(instant: datetime) -> int:
    return int(instant.astimezone(UTC).timestamp()) // WINDOW_SECONDS
