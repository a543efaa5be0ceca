"""Points + cash over a real peer: a shop with one item, a member, Stripe on this machine, and the jobs that wait."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from liyu.core.database import Sessions, driver_connection, unit_of_work
from liyu.core.settings import Settings
from liyu.redemption.cancel import cancel_redemption
from liyu.redemption.payments.begin import begin_payment
from liyu.redemption.payments.events import handle_event, store_event
from liyu.redemption.payments.provider import Provider, make_provider
from liyu.redemption.payments.settle import Settled, settle_due
from tests.redemption.stripe_peer import KEY, SECRET, StripePeer, listening
from tests.worker import Worker
from tests.world import ZONE, World, open_world

PRICE = 9_900
SITE = "http://mall.test"


@dataclass(slots=True)
class Till:
    """What a test of payments does, in its words."""

    world: World
    peer: StripePeer
    provider: Provider
    sessions: Sessions
    worker: Worker

    async def order(self, sku: str = "set", quantity: int = 1, *, member: str = "m") -> str:
        async with self.world.desk(payments_available=True) as desk:
            return (await desk.redeem(self.world.wish(member, sku, quantity))).number

    async def begin(self, number: str, way: str = "alipay") -> str:
        member_id = await self.world.one("SELECT member_id FROM redemption WHERE number = %s", number)
        return await begin_payment(
            self.sessions, self.provider, number, way, member_id=member_id, site=SITE, now=self.world.clock.now()
        )

    async def intent(self, number: str) -> str:
        """Begin to pay with a wallet; the PaymentIntent."""
        return (await self.begin(number)).rpartition("/")[2]

    async def deliver(self, *events: dict[str, Any], run: bool = True) -> None:
        """Webhooks arrive, and their jobs are done."""
        for event in events:
            read = self.provider.read_event(*self.peer.signed(event))
            async with unit_of_work(self.sessions) as session:
                await store_event(await driver_connection(session), read, self.world.clock.now())
        if run:
            await self.worker.run()

    async def handle(self, event_id: str) -> None:
        await handle_event(self.world.connection, event_id, self.world.clock.now(), ZONE)

    async def cancel(self, number: str) -> int:
        async with self.world.connection.transaction():
            return await cancel_redemption(
                self.world.connection, number, member_id=None, reason="changed_mind", actor="test",
                now=self.world.clock.now(), zone=ZONE,
            )  # fmt: skip

    async def pass_deadline(self) -> Settled:
        self.world.clock.instant += timedelta(minutes=31)
        return await settle_due(self.world.connection, self.provider, self.world.clock.now(), ZONE)

    async def state(self, number: str) -> str:
        return str(await self.world.one("SELECT state FROM redemption WHERE number = %s", number))

    async def steps(self, number: str) -> list[str]:
        found = await self.world.connection.execute(
            "SELECT t.to_state FROM redemption_transition t JOIN redemption r ON r.id = t.redemption_id WHERE r.number = %s "
            "ORDER BY t.id",
            (number,),
        )
        return [row[0] for row in await found.fetchall()]

    async def is_untouched(self) -> bool:
        """Whether the member has all points, and the item all its stock."""
        points, taken = (
            (await self.world.balances("m"))["points"],
            await self.world.one("SELECT sum(taken) FROM item_stock"),
        )
        return (points, taken) == (1_000, 0)


@pytest.fixture
def peer() -> Iterator[StripePeer]:
    with listening() as opened:
        yield opened


@pytest.fixture
def paying(settings: Settings, peer: StripePeer) -> Settings:
    """The settings of an installation that is connected to the peer."""
    return replace(settings, stripe_api_key=KEY, stripe_webhook_secret=SECRET, stripe_api_base=peer.base)


@pytest.fixture
async def till(database_url: str, paying: Settings, sessions: Sessions, peer: StripePeer) -> AsyncIterator[Till]:
    provider = make_provider(paying)
    assert provider is not None
    async with open_world(database_url) as world:
        await world.member("m", points=1_000)
        await world.item("set", points=100, cash_minor=PRICE, stock=5, per_member_limit=3)
        yield Till(world, peer, provider, sessions, Worker(paying, world.clock, sessions))
