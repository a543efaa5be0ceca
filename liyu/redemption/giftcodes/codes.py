"""Gift codes such as 7K3M-P9QX-4TRD-H2VF: drawn by chance, kept as hashes under a key of the installation.

Fifteen letters hold 75 random bits, the sixteenth is a check letter: whoever mistypes is told so without a question to the
database, and whoever has the database alone can neither read a code nor try codes against it.
"""

import hmac
import secrets
from hashlib import blake2b

from liyu.core.sealing import derive_key
from liyu.vouchers.alphabet import check_letter, read_letters, repair, tidy, write_letters

_DATA_LETTERS = 15
_LETTERS = _DATA_LETTERS + 1
_DIGEST_BYTES = 20


def draw_code() -> str:
    """A fresh code in four groups of four."""
    letters = write_letters(secrets.randbits(5 * _DATA_LETTERS), _DATA_LETTERS)
    letters += check_letter(letters)
    return "-".join(letters[place : place + 4] for place in range(0, _LETTERS, 4))


def read_code(text: str) -> str | None:
    """The letters of a code as people type it; None for what cannot be a code of any installation."""
    letters = repair(tidy(text))
    if len(letters) != _LETTERS or read_letters(letters) is None:
        return None
    return letters if hmac.compare_digest(check_letter(letters[:_DATA_LETTERS]), letters[_DATA_LETTERS]) else None


def digest_of(secret_key: str, letters: str) -> bytes:
    """The form in which a code is kept."""
    key = derive_key(secret_key, "gift code")
    return blake2b(letters.encode(), key=key, digest_size=_DIGEST_BYTES).digest()
