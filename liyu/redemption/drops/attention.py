"""A question that a person answers at a glance, asked only while the rush is on: signed, bound to member, drop and time.

It needs no picture, no script, no third party and no state: the token carries a keyed digest of the answer.
"""

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import msgspec
from msgspec import Struct

from liyu.core.i18n import N_, Message

VALID = timedelta(minutes=15)
WORDS: tuple[str, ...] = (
    N_("tea"), N_("river"), N_("lamp"), N_("cloud"), N_("bread"), N_("stone"), N_("moon"), N_("horse"), N_("window"),
    N_("paper"), N_("salt"), N_("bamboo"),
)  # fmt: skip
PLACES: tuple[str, ...] = (N_("Which word comes first?"), N_("Which word comes second?"), N_("Which word comes third?"))
SHOWN = 4


class Question(Struct, frozen=True):
    """What is asked: words by their English names, which of them is wanted, and the token that goes with the answer."""

    words: list[str]
    text: Message
    token: str


class _Token(Struct, array_like=True):
    member_id: int
    drop_id: int
    expires: int
    salt: str
    digest: str


def ask(key: bytes, member_id: int, drop_id: int, *, now: datetime) -> Question:
    """A question for one member at one drop."""
    draw = secrets.SystemRandom()
    words, place = draw.sample(WORDS, SHOWN), draw.randrange(len(PLACES))
    salt = secrets.token_urlsafe(8)
    expires = int((now + VALID).timestamp())
    token = _Token(member_id, drop_id, expires, salt, _digest(key, salt, words[place]))
    body = msgspec.json.encode(token)
    return Question(words, Message(PLACES[place]), f"{_encode(body)}.{_encode(_mac(key, body))}")


def is_answered(key: bytes, token: str, answer: str, member_id: int, drop_id: int, *, now: datetime) -> bool:
    """Whether the answer, a word by its English name, is right for a question that this member was asked for this drop."""
    try:
        body, mac = (urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split("."))
        if not hmac.compare_digest(mac, _mac(key, body)):
            return False
        asked = msgspec.json.decode(body, type=_Token)
    except (ValueError, msgspec.MsgspecError):
        return False
    in_time = now <= datetime.fromtimestamp(asked.expires, UTC)
    its_own = (asked.member_id, asked.drop_id) == (member_id, drop_id)
    return in_time and its_own and hmac.compare_digest(asked.digest, _digest(key, asked.salt, answer))


def _digest(key: bytes, salt: str, word: str) -> str:
    return hmac.digest(key, f"{salt}:{word}".encode(), sha256).hex()


def _mac(key: bytes, body: bytes) -> bytes:
    return hmac.digest(key, b"question:" + body, sha256)


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
