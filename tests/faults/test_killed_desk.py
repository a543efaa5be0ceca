"""A desk process that is killed: what it acknowledged is there, what it did not is there whole or not at all."""

import asyncio

import pytest

from tests.proofs import at_size
from tests.races.desk_process import Orders
from tests.races.processes import finish, let_go, start
from tests.world import open_world

MEMBERS = 40
STOCK = 17
ROUNDS = at_size(4, 10)

pytestmark = pytest.mark.proof


async def test_nothing_acknowledged_is_lost_and_nothing_is_doubled_by_a_kill(database_url: str) -> None:
    async with open_world(database_url) as world:
        sku = await world.item(points=10, stock=10_000)
        members = await world.members(*(f"m-{number}" for number in range(MEMBERS)), points=5_000)
        wishes = [world.wish(member, sku) for _ in range(25) for member in members]
        acknowledged: set[str] = set()
        for number in range(ROUNDS):
            process = await start(Orders(database_url, wishes, batch_size=16))
            let_go(process)
            acknowledged |= await _read_until_killed(process, 40 + 90 * number)
        process = await start(Orders(database_url, wishes, batch_size=64))
        let_go(process)
        numbers = {line[1] for line in await finish(process) if line[0] == "granted"}
        assert len(numbers) == len(wishes)  # the retries of all wishes, each with its first answer
        assert acknowledged <= numbers
        assert await world.one("SELECT count(*) FROM redemption") == len(wishes)


async def test_a_drop_gives_out_exactly_what_there_is_though_its_desks_are_killed(database_url: str) -> None:
    """The short form of `test_drop_rush.py`: two desks at once, both killed, then all wishes once more."""
    async with open_world(database_url) as world:
        sku = await world.item(points=10, stock=STOCK, per_member_limit=1)
        members = await world.members(*(f"m-{number}" for number in range(MEMBERS)), points=5_000)
        wishes = [world.wish(member, sku) for _ in range(4) for member in members]
        sides = wishes[::2], wishes[1::2]
        started = [await start(Orders(database_url, side, batch_size=8)) for side in sides]
        for process in started:
            let_go(process)
        acknowledged = set().union(*await asyncio.gather(*(_read_until_killed(one, 20) for one in started)))
        again = [await start(Orders(database_url, side)) for side in sides]
        for process in again:
            let_go(process)
        outcomes = [line for lines in await asyncio.gather(*(finish(one) for one in again)) for line in lines]
        numbers = {line[1] for line in outcomes if line[0] == "granted"}
        assert len(outcomes) == len(wishes)
        assert acknowledged <= numbers
        assert len(numbers) == STOCK == await world.one("SELECT count(DISTINCT member_id) FROM redemption")
        assert await world.one("SELECT taken FROM item_stock") == STOCK


async def _read_until_killed(process: asyncio.subprocess.Process, lines: int) -> set[str]:
    assert process.stdout is not None
    read = [(await process.stdout.readline()).decode().split() for _ in range(lines)]
    process.kill()
    await process.wait()
    return {line[1] for line in read if line and line[0] == "granted"}
