"""A draw in a small world: an item for entries, prizes, and the steps from draft to result."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from liyu.redemption.draws.prepare import DrawDraft, PrizeDraft, announce_draw, plan_draw
from liyu.redemption.draws.records import Draw, find_draw
from liyu.redemption.draws.run import DrawsRun, run_draws
from tests.world import NOW, ZONE, World, open_world

SECRET = "a-secret-for-tests-" + "0" * 32
OPENS, CLOSES, DRAWS = NOW + timedelta(hours=1), NOW + timedelta(days=1), NOW + timedelta(days=1, hours=1)


@dataclass(slots=True)
class Lottery:
    """What a test of draws does, in its words."""

    world: World

    async def plan(self, prizes: dict[str, int] | None = None, *, sku: str = "entry", **rule: Any) -> str:
        draft = DrawDraft(
            sku,
            [PrizeDraft(name, units) for name, units in (prizes or {"prize": 2}).items()],
            DRAWS,
            rule.pop("losing_points", "kept"),
            **rule,
        )
        async with self.world.connection.transaction():
            return await plan_draw(self.world.connection, draft, actor="test", now=self.world.clock.now())

    async def announce(self, number: str) -> None:
        async with self.world.connection.transaction():
            await announce_draw(
                self.world.connection, number, secret_key=SECRET, actor="test", now=self.world.clock.now()
            )

    async def open(self, prizes: dict[str, int] | None = None, **rule: Any) -> str:
        """A draw that is announced, at the moment when one can enter."""
        number = await self.plan(prizes, **rule)
        await self.announce(number)
        self.world.clock.instant = OPENS
        return number

    async def enter(self, *members: str, units: int = 1) -> list[str]:
        async with self.world.desk() as desk:
            return [(await desk.redeem(self.world.wish(member, "entry", units))).number for member in members]

    async def run(self, after: timedelta = timedelta()) -> DrawsRun:
        """What the worker does, some time later."""
        self.world.clock.instant += after
        return await run_draws(self.world.connection, secret_key=SECRET, now=self.world.clock.now(), zone=ZONE)

    async def decide(self) -> DrawsRun:
        self.world.clock.instant = CLOSES
        await self.run()
        self.world.clock.instant = DRAWS
        return await self.run()

    async def draw(self, number: str) -> Draw:
        return await find_draw(self.world.connection, number)

    async def places(self) -> list[tuple[str, str]]:
        """Who stands where: members and states in the drawn order."""
        found = await self.world.connection.execute(
            "SELECT m.external_id, p.state FROM draw_place p JOIN draw_entry e ON e.draw_id = p.draw_id AND e.code = p.code "
            "JOIN redemption r ON r.id = e.redemption_id JOIN member m ON m.id = r.member_id ORDER BY p.place"
        )
        return await found.fetchall()

    async def prizes_of(self, member: str) -> list[str]:
        found = await self.world.connection.execute(
            "SELECT i.sku FROM redemption r JOIN item i ON i.id = r.item_id JOIN member m ON m.id = r.member_id "
            "WHERE m.external_id = %s AND r.channel = 'draw' ORDER BY r.id",
            (member,),
        )
        return [row[0] for row in await found.fetchall()]


@pytest.fixture
async def lottery(database_url: str) -> AsyncIterator[Lottery]:
    """Ten members with 500 points, an item for entries at 50 points, and a prize; the books are proven at the end."""
    async with open_world(database_url) as world:
        await world.members(*(f"m{number}" for number in range(10)), points=500)
        await world.item(
            "entry", kind="draw", state="draft", points=50, per_member_limit=3, on_sale_from=OPENS, on_sale_to=CLOSES
        )
        await world.item("prize", kind="coupon", points=3_000, stock=10)
        yield Lottery(world)
