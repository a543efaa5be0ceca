"""Numbers that people and other systems see. They carry a check digit and do not tell how many there are."""

import secrets

from stdnum import luhn

_TOKEN_BYTES = 32


def make_number(prefix: str) -> str:
    """A number such as `R4073952816648`: prefix, 12 random digits, Luhn check digit. Unique by constraint, not by luck."""
    digits = f"{secrets.randbelow(10**12):012d}"
    return f"{prefix}{digits}{luhn.calc_check_digit(digits)}"


def make_token() -> str:
    """An unguessable URL-safe token of 256 bits."""
    return secrets.token_urlsafe(_TOKEN_BYTES)
