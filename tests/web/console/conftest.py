"""A program with members, items, a partner's agreement and staff of every role, and browsers that are signed in."""

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from liyu.core.clock import FixedClock
from liyu.core.database import Sessions, unit_of_work
from liyu.partners.register import import_partners
from tests.partners.settling import partner_record
from tests.web.conftest import NOW, OpenClient
from tests.web.personas import add_staff, sign_in_staff
from tests.world import World, open_world

SignIn = Callable[[str], Awaitable[httpx.AsyncClient]]
ROLES = ("admin", "operator", "finance", "service")


@pytest.fixture
async def world(database_url: str, clock: FixedClock, sessions: Sessions) -> AsyncIterator[World]:
    """Member m-1 with 5,000 points and one redemption, goods and a coupon, partner P1, two people of finance."""
    async with open_world(database_url, now=NOW) as made:
        clock.instant = NOW
        async with made.connection.transaction():
            await import_partners(made.connection, [partner_record("P1")], actor="test", now=NOW)
        await made.member("m-1", points=5_000)
        await made.member("m-2")
        await made.item("tea", kind="goods", stock=10)
        await made.item("coupon-1", kind="coupon")
        await made.item("codes-1", kind="code", stock=0)
        async with unit_of_work(sessions) as session:
            for role in ROLES:
                await add_staff(session, f"{role}@liyu.example", "operator", role)
            await add_staff(session, "finance2@liyu.example", "operator", "finance")
        yield made


@pytest.fixture
def sign_in(open_client: OpenClient, world: World) -> SignIn:
    """A browser with somebody of the staff signed in, by the part of the e-mail before the @."""

    async def open_as(name: str) -> httpx.AsyncClient:
        client = open_client()
        answer = await sign_in_staff(client, f"{name}@liyu.example", "operator")
        assert answer.status_code == 303, answer.text
        return client

    return open_as
