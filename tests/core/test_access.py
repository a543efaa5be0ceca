import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.fernet import InvalidToken
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.access.errors import EmailTakenError, UnknownRoleError
from liyu.core.access.keys import authenticate_api_key, create_api_key, revoke_api_key
from liyu.core.access.models import OPERATOR, PARTNER, ApiKey
from liyu.core.access.roles import ROLES, permissions_of
from liyu.core.access.staff import authenticate_staff, create_staff
from liyu.core.database import Sessions, unit_of_work
from liyu.core.errors import InvalidInputError
from liyu.core.limits import LIMITS, LimitExceededError, ensure_within, forget, forget_old, hit
from liyu.core.sealing import derive_key, seal, unseal

NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
PASSWORD = "long enough"


async def _make_admin(session: AsyncSession, **changes: str) -> None:
    values = {"email": "Admin@Liyu.Example", "name": "A", "password": PASSWORD, "audience": OPERATOR, "role": "admin"}
    await create_staff(session, **(values | changes), now=NOW)  # type: ignore[arg-type]


async def test_staff_are_known_by_e_mail_in_any_case(session: AsyncSession) -> None:
    await _make_admin(session)
    assert await authenticate_staff(session, OPERATOR, "ADMIN@liyu.example ", PASSWORD)
    assert await authenticate_staff(session, OPERATOR, "admin@liyu.example", PASSWORD + "!") is None
    assert await authenticate_staff(session, PARTNER, "admin@liyu.example", PASSWORD) is None


async def test_an_e_mail_is_taken_once(session: AsyncSession) -> None:
    await _make_admin(session)
    with pytest.raises(EmailTakenError):
        await _make_admin(session, email="admin@liyu.example")


async def test_bad_staff_are_refused_with_every_fault(session: AsyncSession) -> None:
    with pytest.raises(UnknownRoleError, match="finance"):
        await _make_admin(session, role="boss")
    with pytest.raises(InvalidInputError) as refusal:
        await _make_admin(session, email="nobody", password="short", audience=PARTNER, role="owner")
    assert {reason.details["field"] for reason in refusal.value.reasons} == {"email", "password", "partner"}


def test_roles_cover_what_their_audience_does() -> None:
    assert permissions_of(OPERATOR, "admin") >= permissions_of(OPERATOR, "finance")
    assert "settlement.approve" not in permissions_of(OPERATOR, "operator")
    assert permissions_of(PARTNER, "cashier") >= {"vouchers.verify"}
    assert "statements.read" not in permissions_of(PARTNER, "cashier")
    assert permissions_of(PARTNER, "admin") == frozenset()
    partner_only = {"vouchers.verify", "stores.edit"}
    assert not any(partner_only & permissions for permissions in ROLES[OPERATOR].values())


async def test_a_key_opens_what_it_was_made_for_until_it_is_revoked(session: AsyncSession) -> None:
    key = await create_api_key(session, "till", ["vouchers:verify"], now=NOW)
    assert key.startswith("lk_")
    caller = await authenticate_api_key(session, key)
    assert caller is not None
    assert caller.may("vouchers:verify")
    assert not caller.may("members:write")
    row = await session.get_one(ApiKey, caller.key_id)
    assert key.encode() not in row.key_hash
    assert key.startswith(row.prefix)
    await revoke_api_key(session, caller.key_id, now=NOW)
    assert await authenticate_api_key(session, key) is None
    assert await authenticate_api_key(session, key + "x") is None


async def test_a_key_for_everything_and_one_for_nothing_known(session: AsyncSession) -> None:
    caller = await authenticate_api_key(session, await create_api_key(session, "host", ["all"], now=NOW))
    assert caller is not None
    assert caller.may("members:write")
    for scopes in ([], ["members:fly"]):
        with pytest.raises(InvalidInputError):
            await create_api_key(session, "odd", scopes, now=NOW)


async def test_a_limit_counts_in_its_window_and_starts_over(session: AsyncSession) -> None:
    limit = LIMITS["login"]
    for _ in range(limit.hits):
        await hit(session, "login", "a", now=NOW)
    with pytest.raises(LimitExceededError) as refusal:
        await hit(session, "login", "a", now=NOW + timedelta(seconds=100))
    assert refusal.value.retry_after == pytest.approx(limit.seconds - 100, abs=1)
    with pytest.raises(LimitExceededError):
        await ensure_within(session, "login", "a", now=NOW)
    await hit(session, "login", "b", now=NOW)
    await hit(session, "login", "a", now=NOW + timedelta(seconds=limit.seconds))
    await forget(session, "login", "b")
    await ensure_within(session, "login", "b", now=NOW)
    assert await forget_old(session, now=NOW + timedelta(days=2)) == 1


async def test_a_limit_holds_over_parallel_connections(sessions: Sessions) -> None:
    async def try_once() -> bool:
        try:
            async with unit_of_work(sessions) as session:
                await hit(session, "login", "crowd", now=NOW)
        except LimitExceededError:
            return False
        return True

    assert sum(await asyncio.gather(*[try_once() for _ in range(30)])) == LIMITS["login"].hits


def test_sealed_texts_open_for_their_own_purpose_only() -> None:
    sealed = seal("s" * 32, "totp", "secret")
    assert b"secret" not in sealed
    assert unseal("s" * 32, "totp", sealed) == "secret"
    with pytest.raises(InvalidToken):
        unseal("s" * 32, "codes", sealed)
    assert derive_key("s" * 32, "a") != derive_key("s" * 32, "b")
