"""Sessions: a new token at every sign-in, revocable, and gone by themselves after their lifetime."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.access.models import MEMBER, OPERATOR, PARTNER, AccessSession
from liyu.core.ids import make_token
from liyu.core.sealing import hash_token

LIFETIMES = {MEMBER: timedelta(days=60), PARTNER: timedelta(days=14), OPERATOR: timedelta(hours=12)}
SEEN_EVERY = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Where a request came from, as far as it matters for the list of one's sessions."""

    address: str
    user_agent: str


async def open_session(
    session: AsyncSession,
    audience: str,
    *,
    now: datetime,
    visitor: Visitor,
    member_id: int | None = None,
    staff_id: int | None = None,
    replaces: bytes | None = None,
) -> str:
    """Sign someone in and return the new token for the cookie; the session that it replaces ends at once."""
    token = make_token()
    session.add(
        AccessSession(
            token_hash=hash_token(token),
            audience=audience,
            member_id=member_id,
            staff_id=staff_id,
            created_at=now,
            last_seen_at=now,
            expires_at=now + LIFETIMES[audience],
            address=visitor.address,
            user_agent=visitor.user_agent[:300],
        )
    )
    await session.flush()
    if replaces is not None:
        await revoke_session(session, replaces, now=now)
    return token


async def note_seen(session: AsyncSession, token_hash: bytes, *, now: datetime) -> None:
    """Remember that a session is in use; called at most every few minutes."""
    await session.execute(update(AccessSession).where(AccessSession.token_hash == token_hash).values(last_seen_at=now))


async def revoke_session(session: AsyncSession, token_hash: bytes, *, now: datetime) -> None:
    """End one session; ending it again changes nothing."""
    await session.execute(
        update(AccessSession)
        .where(AccessSession.token_hash == token_hash, AccessSession.revoked_at.is_(None))
        .values(revoked_at=now)
    )


async def list_sessions(
    session: AsyncSession, *, now: datetime, member_id: int | None = None, staff_id: int | None = None
) -> Sequence[AccessSession]:
    """The open sessions of one person, the latest first."""
    return (
        await session.scalars(
            select(AccessSession)
            .where(
                AccessSession.member_id == member_id if member_id is not None else AccessSession.staff_id == staff_id,
                AccessSession.revoked_at.is_(None),
                AccessSession.expires_at > now,
            )
            .order_by(AccessSession.last_seen_at.desc())
        )
    ).all()


async def revoke_sessions(
    session: AsyncSession,
    *,
    now: datetime,
    member_id: int | None = None,
    staff_id: int | None = None,
    except_hash: bytes | None = None,
    only_prefix: str | None = None,
) -> int:
    """End sessions of one person: all but one, or only that whose hash begins so (hex). Returns how many."""
    ended = 0
    for row in await list_sessions(session, now=now, member_id=member_id, staff_id=staff_id):
        if row.token_hash == except_hash or (only_prefix and not row.token_hash.hex().startswith(only_prefix)):
            continue
        row.revoked_at = now
        ended += 1
    await session.flush()
    return ended
