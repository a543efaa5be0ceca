"""Keys for separate purposes from the installation's one secret, and secrets kept encrypted in the database."""

from base64 import urlsafe_b64encode
from functools import lru_cache
from hashlib import sha256

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


@lru_cache(maxsize=64)
def derive_key(secret_key: str, purpose: str) -> bytes:
    """A 256-bit key that is good for one purpose only; it tells nothing about the others."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"liyu:{purpose}".encode()).derive(secret_key.encode())


def seal(secret_key: str, purpose: str, text: str) -> bytes:
    """Encrypt and authenticate a text."""
    return _box(secret_key, purpose).encrypt(text.encode())


def unseal(secret_key: str, purpose: str, sealed: bytes) -> str:
    """The text that was sealed for this purpose. Raises `cryptography.fernet.InvalidToken` when tampered with."""
    return _box(secret_key, purpose).decrypt(sealed).decode()


def hash_token(token: str) -> bytes:
    """The form in which an unguessable token is stored; a plain hash will do, since there is nothing to guess from."""
    return sha256(token.encode()).digest()


def _box(secret_key: str, purpose: str) -> Fernet:
    return Fernet(urlsafe_b64encode(derive_key(secret_key, purpose)))
