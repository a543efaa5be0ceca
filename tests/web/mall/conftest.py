"""A mall with a few items and two members with points; the books are proven when a test is over."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from litestar import Litestar

from liyu.catalog.pools.imports import import_codes, split_codes
from liyu.core.clock import FixedClock
from liyu.core.database import Sessions
from liyu.core.settings import Settings
from liyu.members.enrol import NewMember, enrol_members
from tests.web.conftest import Client, OpenClient, serving
from tests.web.personas import OTHER_PHONE, PHONE, sign_in_member
from tests.web.site import install
from tests.world import World, open_world

SECRETS = ["TS-AAAA-1111", "TS-BBBB-2222"]


@dataclass(slots=True)
class Shop:
    """What stands in the mall of these tests. The first member has 1,000 points, the other one 50."""

    world: World
    cheap: str = "CHEAP"
    dear: str = "DEAR"
    coming: str = "COMING"
    gold: str = "GOLD"
    rare: str = "RARE"
    code: str = "CODE"


@pytest.fixture
async def shop(database_url: str, clock: FixedClock, settings: Settings) -> AsyncIterator[Shop]:
    async with open_world(database_url, now=clock.now()) as world:
        for external_id, phone, points in (("M1", PHONE, 1_000), ("M2", OTHER_PHONE, 50)):
            newcomer = NewMember(external_id=external_id, phone=phone, name="王倩")
            async with world.connection.transaction():
                await enrol_members(world.connection, [newcomer], actor="test", now=clock.now() - timedelta(days=30))
            await world.post(world.purchase(external_id, points * 100))
        made = Shop(world)
        await world.item(made.cheap, points=100, per_member_limit=3)
        await world.item(made.dear, points=50_000, tier="platinum", stock=1, per_member_limit=1)
        await world.item(made.coming, points=10, on_sale_from=clock.now() + timedelta(hours=3), stock=5)
        await world.item(made.gold, points=10, tier="gold")
        await world.item(made.rare, points=10, stock=2)
        await world.item(made.code, kind="code", points=10, stock=0)
        await world.item("CUP", kind="goods", points=10)
        await world.connection.execute("UPDATE item SET is_drop = true WHERE sku IN ('COMING', 'RARE')")
        await world.connection.execute("""UPDATE item SET ships_not_to = '["西藏"]' WHERE sku = 'CUP'""")
        given = split_codes("\n".join(SECRETS))
        await import_codes(
            world.connection, made.code, given, secret_key=settings.secret_key, actor="test", now=world.clock.now()
        )
        yield made


@pytest.fixture
async def app(shop: Shop, settings: Settings, clock: FixedClock) -> AsyncIterator[Litestar]:
    async with serving(install(settings, clock)) as application:
        yield application


@pytest.fixture
async def member(open_client: OpenClient, sessions: Sessions) -> Client:
    """The browser of the first member."""
    client = open_client()
    await sign_in_member(client, sessions)
    return client


@pytest.fixture
async def other(open_client: OpenClient, sessions: Sessions) -> Client:
    """The browser of the other member."""
    client = open_client()
    await sign_in_member(client, sessions, OTHER_PHONE)
    return client
