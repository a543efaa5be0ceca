"""Staff accounts: making them, checking their passwords, and their two-step sign-in (TOTP, RFC 6238)."""

from datetime import datetime

import pyotp
from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.access.errors import EmailTakenError, UnknownRoleError
from liyu.core.access.models import Staff
from liyu.core.access.passwords import MINIMUM_PASSWORD_LENGTH, hash_password, verify_password
from liyu.core.access.roles import ROLES
from liyu.core.errors import InvalidInputError
from liyu.core.i18n import N_, Message
from liyu.core.sealing import seal, unseal

_PURPOSE = "totp"
_STEP_SECONDS = 30
_STEPS_OF_DRIFT = 1


async def create_staff(
    session: AsyncSession,
    *,
    email: str,
    name: str,
    password: str,
    audience: str,
    role: str,
    now: datetime,
    partner_id: int | None = None,
    store_id: int | None = None,
    locale: str | None = None,
) -> Staff:
    """Make an account. Raises UnknownRoleError, EmailTakenError, or InvalidInputError naming every faulty field."""
    if role not in ROLES.get(audience, {}):
        raise UnknownRoleError(role=role, known=", ".join(sorted(ROLES.get(audience, {}))))
    _check(email, password, audience, partner_id)
    address = email.strip().lower()
    if await session.scalar(select(Staff.id).where(Staff.email == address)):
        raise EmailTakenError
    staff = Staff(
        email=address,
        name=name,
        password_hash=await hash_password(password),
        audience=audience,
        role=role,
        partner_id=partner_id,
        store_id=store_id,
        locale=locale,
        created_at=now,
    )
    session.add(staff)
    await session.flush()
    return staff


def _check(email: str, password: str, audience: str, partner_id: int | None) -> None:
    faults: dict[str, Message] = {}
    if "@" not in email:
        faults["email"] = Message(N_("Enter an e-mail address, such as name@example.com."))
    if len(password) < MINIMUM_PASSWORD_LENGTH:
        faults["password"] = Message(N_("Use at least %(length)s characters."), {"length": MINIMUM_PASSWORD_LENGTH})
    if (audience == "partner") != (partner_id is not None):
        faults["partner"] = Message(N_("Partner staff need a partner; operator staff have none."))
    if faults:
        raise InvalidInputError.of_fields(faults)


async def list_staff(session: AsyncSession, partner_id: int, *, store_id: int | None = None) -> list[Staff]:
    """The people of a partner, or of one of its stores, by role and name; those who left come last."""
    wanted = select(Staff).where(Staff.partner_id == partner_id)
    if store_id is not None:
        wanted = wanted.where(Staff.store_id == store_id)
    return list(await session.scalars(wanted.order_by(Staff.active.desc(), Staff.role, Staff.name, Staff.id)))


async def authenticate_staff(session: AsyncSession, audience: str, email: str, password: str) -> Staff | None:
    """The active person of this audience with that e-mail and password; None otherwise, after the same time."""
    staff = await session.scalar(
        select(Staff).where(Staff.email == email.strip().lower(), Staff.audience == audience, Staff.active)
    )
    fits = await verify_password(staff.password_hash if staff else None, password)
    return staff if fits else None


def make_totp_secret() -> str:
    """A new secret for an authenticator app, not in force yet."""
    return pyotp.random_base32()


def totp_address(secret: str, *, email: str, issuer: str) -> str:
    """The `otpauth://` address that a QR code carries to the app."""
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=issuer)


async def enable_totp(
    session: AsyncSession, staff_id: int, secret: str, code: str, *, secret_key: str, now: datetime
) -> bool:
    """Turn two-step sign-in on, if the code proves that the app has the secret."""
    step = _step_of(secret, code, now)
    if step is None:
        return False
    await session.execute(
        update(Staff).where(Staff.id == staff_id).values(totp_secret=seal(secret_key, _PURPOSE, secret), totp_step=step)
    )
    return True


async def disable_totp(session: AsyncSession, staff_id: int) -> None:
    """Turn two-step sign-in off."""
    await session.execute(update(Staff).where(Staff.id == staff_id).values(totp_secret=None, totp_step=None))


async def use_totp_code(session: AsyncSession, staff: Staff, code: str, *, secret_key: str, now: datetime) -> bool:
    """Whether the code is right and was not used before; it is then used up."""
    if staff.totp_secret is None:
        return False
    step = _step_of(unseal(secret_key, _PURPOSE, staff.totp_secret), code, now)
    if step is None:
        return False
    used = await session.execute(
        update(Staff)
        .where(Staff.id == staff.id, or_(Staff.totp_step.is_(None), Staff.totp_step < step))
        .values(totp_step=step)
        .returning(Staff.id)
    )
    return used.one_or_none() is not None


def _step_of(secret: str, code: str, now: datetime) -> int | None:
    """The time step that the code belongs to, with one step of drift on either side (RFC 6238 §5.2)."""
    digits = code.replace(" ", "")
    present = int(now.timestamp()) // _STEP_SECONDS
    totp = pyotp.TOTP(secret)
    for step in range(present - _STEPS_OF_DRIFT, present + _STEPS_OF_DRIFT + 1):
        if pyotp.utils.strings_equal(digits, totp.at(step * _STEP_SECONDS)):
            return step
    return None
