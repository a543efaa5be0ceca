"""API keys with scopes, for the whole program or bound to one partner."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.access.models import ApiKey
from liyu.core.errors import InvalidInputError
from liyu.core.i18n import N_, Message
from liyu.core.ids import make_token
from liyu.core.sealing import hash_token

ALL = "all"
SCOPES = (
    ALL,
    "members:read",
    "members:write",
    "events:write",
    "items:read",
    "redemptions:read",
    "redemptions:write",
    "vouchers:verify",
    "campaigns:read",
    "campaigns:write",
    "webhooks:write",
)
_PREFIX_LENGTH = 10


@dataclass(frozen=True, slots=True)
class ApiCaller:
    """The key behind a request."""

    key_id: int
    name: str
    scopes: frozenset[str]
    partner_id: int | None

    @property
    def reference(self) -> str:
        """How ledgers and logs name it: `key:3`."""
        return f"key:{self.key_id}"

    def may(self, scope: str) -> bool:
        """Whether the key was made for this."""
        return ALL in self.scopes or scope in self.scopes


async def create_api_key(
    session: AsyncSession, name: str, scopes: Sequence[str], partner_id: int | None = None, *, now: datetime
) -> str:
    """Make a key and return its text, which is shown once and stored nowhere.

    Raises InvalidInputError for an unknown scope.
    """
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        words = Message(
            N_("Unknown scopes: %(unknown)s. Known scopes: %(known)s."),
            {"unknown": ", ".join(unknown) or "-", "known": ", ".join(SCOPES)},
        )
        raise InvalidInputError.of_fields({"scopes": words})
    key = f"lk_{make_token()}"
    session.add(
        ApiKey(
            name=name,
            key_hash=hash_token(key),
            prefix=key[:_PREFIX_LENGTH],
            scopes=sorted(set(scopes)),
            partner_id=partner_id,
            created_at=now,
        )
    )
    await session.flush()
    return key


async def authenticate_api_key(session: AsyncSession, key: str) -> ApiCaller | None:
    """Who has this key; None when it is unknown or revoked."""
    row = await session.scalar(select(ApiKey).where(ApiKey.key_hash == hash_token(key), ApiKey.revoked_at.is_(None)))
    return ApiCaller(row.id, row.name, frozenset(row.scopes), row.partner_id) if row else None


async def revoke_api_key(session: AsyncSession, key_id: int, *, now: datetime) -> bool:
    """End a key; web processes notice within their few seconds of memory. False when no key in use has the id."""
    in_use = update(ApiKey).where(ApiKey.id == key_id, ApiKey.revoked_at.is_(None))
    return await session.scalar(in_use.values(revoked_at=now).returning(ApiKey.id)) is not None
