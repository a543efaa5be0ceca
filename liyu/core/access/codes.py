"""Phone codes: six digits for one purpose, stored as a keyed hash, for five minutes and five attempts."""

import hmac
import secrets
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.access.models import LoginCode
from liyu.core.sealing import derive_key

LIFETIME = timedelta(minutes=5)
ATTEMPTS = 5
LOGIN = "login"
_DIGITS = 6


async def issue_login_code(
    session: AsyncSession, phone: str, *, secret_key: str, now: datetime, purpose: str = LOGIN
) -> str:
    """Store a new code for a phone and return it for sending; earlier codes for the same purpose stop working.

    A code proves the phone for its purpose only: one that was asked for to sign in changes no number.
    """
    code = "".join(secrets.choice("0123456789") for _ in range(_DIGITS))
    await session.execute(
        update(LoginCode)
        .where(LoginCode.phone == phone, LoginCode.purpose == purpose, LoginCode.used_at.is_(None))
        .values(used_at=now)
    )
    session.add(
        LoginCode(
            phone=phone,
            purpose=purpose,
            code_hash=_hash(secret_key, phone, purpose, code),
            created_at=now,
            expires_at=now + LIFETIME,
        )
    )
    await session.flush()
    return code


async def use_login_code(
    session: AsyncSession, phone: str, code: str, *, secret_key: str, now: datetime, purpose: str = LOGIN
) -> bool:
    """Whether the code is right; it is then used up. The attempt counts either way, so the caller must commit."""
    (fits,) = await use_login_codes(session, [(phone, code)], secret_key=secret_key, now=now, purpose=purpose)
    return fits


async def use_login_codes(
    session: AsyncSession, proofs: list[tuple[str, str]], *, secret_key: str, now: datetime, purpose: str
) -> list[bool]:
    """Which of the codes (phone, code) are right; they are used up when all are. As `use_login_code`, attempts count."""
    attempts = [
        await _try_code(session, phone, code, secret_key=secret_key, now=now, purpose=purpose) for phone, code in proofs
    ]
    right = [code_id for code_id in attempts if code_id is not None]
    if len(right) < len(proofs):
        return [code_id is not None for code_id in attempts]
    used = await session.execute(
        update(LoginCode)
        .where(LoginCode.id.in_(right), LoginCode.used_at.is_(None))
        .values(used_at=now)
        .returning(LoginCode.id)
    )
    # Somebody may have used one of them in the same instant: then it was used up for both.
    still_good = {row.id for row in used}
    return [code_id in still_good for code_id in attempts]


async def _try_code(
    session: AsyncSession, phone: str, code: str, *, secret_key: str, now: datetime, purpose: str
) -> int | None:
    """Count an attempt at the phone's latest code, and return its id if the code is right."""
    latest = (
        select(LoginCode.id)
        .where(
            LoginCode.phone == phone,
            LoginCode.purpose == purpose,
            LoginCode.used_at.is_(None),
            LoginCode.expires_at > now,
        )
        .order_by(LoginCode.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    attempt = (
        await session.execute(
            update(LoginCode)
            .where(LoginCode.id == latest, LoginCode.attempts < ATTEMPTS)
            .values(attempts=LoginCode.attempts + 1)
            .returning(LoginCode.id, LoginCode.code_hash)
        )
    ).one_or_none()
    if attempt is None or not hmac.compare_digest(attempt.code_hash, _hash(secret_key, phone, purpose, code)):
        return None
    return int(attempt.id)


def _hash(secret_key: str, phone: str, purpose: str, code: str) -> bytes:
    return hmac.digest(derive_key(secret_key, "login-code"), f"{purpose}:{phone}:{code}".encode(), sha256)
