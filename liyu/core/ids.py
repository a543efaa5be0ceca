"""Numbers that people and other systems see. They carry check digits and do not tell how many there are."""

import secrets

from stdnum.iso7064 import mod_97_10

_TOKEN_BYTES = 32


def make_number(prefix: str) -> str:
    """A number such as `R40739528166482`: prefix, 12 random digits, two check digits (ISO 7064 MOD 97-10).

    It is unique by a constraint of the database, not by luck.
    """
    digits = f"{secrets.randbelow(10**12):012d}"
    return f"{prefix}{digits}{mod_97_10.calc_check_digits(digits)}"


def make_token() -> str:
    """An unguessable URL-safe token of 256 bits."""
    return secrets.token_urlsafe(_TOKEN_BYTES)
