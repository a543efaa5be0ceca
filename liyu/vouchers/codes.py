"""Voucher codes such as 7K3M-P9QX-4TRD: made from id and key; nothing in the database yields one (rule 11)."""

from collections.abc import Sequence

from liyu.core.sealing import derive_key
from liyu.vouchers.alphabet import check_letter, read_letters, repair, tidy, write_letters
from liyu.vouchers.disguise import Disguise
from liyu.vouchers.keys import KeyRing, VoucherKey

_DATA_LETTERS = 11
_LETTERS = _DATA_LETTERS + 1


class Codes:
    """Codes of one installation. Whoever has the secret can make them all; whoever has not can make none."""

    def __init__(self, secret_key: str, later_keys: Sequence[VoucherKey] = ()) -> None:
        self._disguises = KeyRing(secret_key, later_keys, _disguise_of)

    def code_of(self, voucher_id: int) -> str:
        """The code of a voucher, in three groups of four. Raises ValueError for an id outside 1 … 2**35 - 1."""
        letters = write_letters(self._disguises.of(voucher_id).hide(voucher_id), _DATA_LETTERS)
        return _group(letters + check_letter(letters))

    def voucher_id_of(self, text: str) -> int | None:
        """The id behind a code as people type it; None for a mistyped, a made-up and any other text alike.

        An id is no proof that the voucher exists: that is for the database to say.
        """
        letters = repair(tidy(text))
        # What is mistyped goes the same way, so that it takes the same time.
        number = read_letters(letters[:_DATA_LETTERS]) or 0
        serial = self._disguises.find_serial(lambda disguise: disguise.find(number))
        return serial if _is_well_formed(letters) else None


def _disguise_of(secret: str) -> Disguise:
    return Disguise(derive_key(secret, "voucher code"))


def write_code(text: str) -> str:
    """A code as it is printed, however it was typed."""
    return _group(repair(tidy(text)))


def is_mistyped(text: str) -> bool:
    """Whether a text cannot be a code of any installation: wrong length, foreign letter or wrong check letter."""
    return not _is_well_formed(repair(tidy(text)))


def mask_code(code: str) -> str:
    """A code as it may be shown after the fact: ****-****-4TRD. Its other letters are 35 bits, too many to try."""
    return f"****-****-{code[-4:]}"


def _group(letters: str) -> str:
    return f"{letters[:4]}-{letters[4:8]}-{letters[8:]}"


def _is_well_formed(letters: str) -> bool:
    if len(letters) != _LETTERS or read_letters(letters) is None:
        return False
    return check_letter(letters[:_DATA_LETTERS]) == letters[_DATA_LETTERS]
