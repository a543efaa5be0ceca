"""A drop to play with: an item, its waves, and the acts of members in short words."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
from psycopg import AsyncConnection

from liyu.redemption.cancel import cancel_redemption
from liyu.redemption.desk import Redeemed
from liyu.redemption.drops.hand_on import lapse_offers
from liyu.redemption.drops.service import DropPlan, WavePlan, announce_drop, end_due, plan_drop
from liyu.redemption.drops.waiting import join_list, leave_list
from tests.world import ZONE, World

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@dataclass(slots=True)
class Shop:
    """One announced drop; acts happen at the world's clock."""

    world: World
    number: str
    sku: str

    async def open(self) -> None:
        self.world.clock.instant += HOUR

    async def redeem(self, member: str, *, offer: int | None = None, quantity: int = 1) -> Redeemed:
        async with self.world.desk() as desk:
            wish = self.world.wish(member, self.sku, quantity)
            return await desk.redeem(msgspec.structs.replace(wish, offer=offer))

    async def join(self, member: str, units: int = 1, *, connection: AsyncConnection[Any] | None = None) -> int:
        connection = connection or self.world.connection
        async with connection.transaction():
            return await join_list(connection, self.number, await self.id_of(member), units, now=self.now)

    async def leave(self, member: str) -> None:
        async with self.world.connection.transaction():
            await leave_list(self.world.connection, self.number, await self.id_of(member), now=self.now)

    async def cancel(self, redeemed: Redeemed, *, connection: AsyncConnection[Any] | None = None) -> None:
        connection = connection or self.world.connection
        async with connection.transaction():
            await cancel_redemption(
                connection,
                redeemed.number,
                member_id=None,
                reason="changed_mind",
                actor="test",
                now=self.now,
                zone=ZONE,
            )

    async def pass_time(self, span: timedelta) -> None:
        self.world.clock.instant += span
        await lapse_offers(self.world.connection, now=self.now)
        await end_due(self.world.connection, actor="test", now=self.now)

    async def offer_of(self, member: str) -> int | None:
        found = await self.world.one(
            "SELECT o.id FROM drop_offer o JOIN member m ON m.id = o.member_id WHERE m.external_id = %s AND o.state = 'open'",
            member,
        )
        return None if found is None else int(found)

    async def id_of(self, member: str) -> int:
        return int(await self.world.one("SELECT id FROM member WHERE external_id = %s", member))

    async def notes(self, member: str) -> list[str]:
        found = await self.world.connection.execute(
            "SELECT n.what FROM drop_note n JOIN member m ON m.id = n.member_id WHERE m.external_id = %s ORDER BY n.id",
            (member,),
        )
        return [row[0] for row in await found.fetchall()]

    async def left(self) -> int:
        return int(await self.world.one("SELECT total - taken FROM item_stock"))

    @property
    def now(self) -> Any:
        return self.world.clock.now()


async def announce(world: World, *units: int, members: int = 4, offer_minutes: int = 30, **facts: Any) -> Shop:
    """A drop whose waves open one hour apart, the first in an hour, and members `m-0` … with points."""
    sku = await world.item("cup", stock=1, points=100, **({"per_member_limit": 1} | facts))
    now = world.clock.now()
    waves = [WavePlan(now + (place + 1) * HOUR, count) for place, count in enumerate(units)]
    plan = DropPlan(sku, waves, now + 10 * HOUR, offer_minutes=offer_minutes)
    async with world.connection.transaction():
        number = await plan_drop(world.connection, plan, actor="test", now=now)
        await announce_drop(world.connection, number, actor="test", now=now)
    await world.members(*(f"m-{place}" for place in range(members)), points=1_000)
    return Shop(world, number, sku)
