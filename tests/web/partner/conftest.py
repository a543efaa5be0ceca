"""Two partners with stores, vouchers and staff of every role; the books are proven when a test is over."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from litestar import Litestar

from liyu.core.access.staff import create_staff
from liyu.core.clock import FixedClock
from liyu.core.database import Sessions, unit_of_work
from liyu.core.settings import Settings
from liyu.partners.settlement.settle import prepare_statements, send_statement
from tests.vouchers.tills import TOKENS, Shops, open_shops
from tests.web.conftest import Client, OpenClient, serving
from tests.web.personas import JOINED, PASSWORD, sign_in_staff
from tests.web.site import install
from tests.world import ZONE, open_world

OCTOBER = datetime(2026, 10, 15, 4, 0, tzinfo=UTC)

Enter = Callable[[str], Awaitable[Client]]


@dataclass(slots=True)
class Portal:
    """The portal of these tests: LUCK with SH1 and SH2, TEA with BJ1."""

    shops: Shops
    clock: FixedClock

    @staticmethod
    def code(voucher_id: int) -> str:
        """The code of a voucher, as its member shows it."""
        return TOKENS.codes.code_of(voucher_id)

    async def statement(self, partner: str = "LUCK", uses: int = 2) -> str:
        """The number of a statement over October that was sent to a partner."""
        now, self.shops.world.clock.instant = self.shops.world.clock.instant, OCTOBER
        store = {"LUCK": "SH1", "TEA": "BJ1"}[partner]
        for _ in range(uses):
            voucher = await self.shops.voucher(partner=partner)
            await self.shops.verify(voucher, partner=partner, store=store, now=OCTOBER + timedelta(hours=1))
        self.shops.world.clock.instant = now
        connection = self.shops.world.connection
        async with connection.transaction():
            prepared = await prepare_statements(
                connection, "2026-10", actor="system", now=now, zone=ZONE, partner=partner
            )
        statement = await self.shops.world.one("SELECT id FROM statement WHERE number = %s", prepared.made[0])
        async with connection.transaction():
            await send_statement(connection, statement, actor="system", now=now)
        return prepared.made[0]


@pytest.fixture
async def portal(
    database_url: str, clock: FixedClock, sessions: Sessions, _cheap_passwords: None
) -> AsyncIterator[Portal]:
    async with open_world(database_url, now=clock.now()) as world:
        shops = await open_shops(world)
        async with unit_of_work(sessions) as session:
            for name, role, partner, store in (
                ("owner", "owner", "LUCK", None),
                ("manager", "manager", "LUCK", "SH1"),
                ("cashier", "cashier", "LUCK", "SH1"),
                ("finance", "finance", "LUCK", None),
                ("tea", "owner", "TEA", None),
            ):
                await create_staff(
                    session,
                    email=f"{name}@portal.example",
                    name=f"{name.title()} Wang",
                    password=PASSWORD,
                    audience="partner",
                    role=role,
                    partner_id=shops.partners[partner],
                    store_id=shops.stores[store] if store else None,
                    now=JOINED,
                )
        yield Portal(shops, clock)


@pytest.fixture
async def app(portal: Portal, settings: Settings, clock: FixedClock) -> AsyncIterator[Litestar]:
    async with serving(install(settings, clock)) as application:
        yield application


@pytest.fixture
async def enter(open_client: OpenClient) -> Enter:
    """Sign somebody of the portal in; a browser of their own."""

    async def enter_as(name: str) -> Client:
        client = open_client()
        answer = await sign_in_staff(client, f"{name}@portal.example", "partner")
        assert answer.status_code == 303, answer.text
        return client

    return enter_as
