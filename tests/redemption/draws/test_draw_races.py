"""Several workers at once, workers that die half-way, entries in the very moment in which the list is frozen."""

import asyncio
import signal
import sys
from typing import Any

import pytest
from psycopg import AsyncConnection, OperationalError

from liyu.redemption import desk as desk_module
from liyu.redemption.draws import award
from liyu.redemption.draws.entries import freeze_list
from liyu.redemption.draws.run import run_draws
from liyu.redemption.save import save as save_batch
from tests.redemption.draws.conftest import CLOSES, DRAWS, SECRET, Lottery
from tests.world import ZONE

WORKERS = 4

_WORKER = """
import asyncio, os, signal, sys
from datetime import datetime
from zoneinfo import ZoneInfo
from psycopg import AsyncConnection
from liyu.redemption.draws import award
from liyu.redemption.draws.run import run_draws

save = award.save
async def die(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)
award.save = die if sys.argv[4] == "die" else save

async def work():
    async with await AsyncConnection.connect(sys.argv[1], autocommit=True, options="-c timezone=UTC") as connection:
        now = datetime.fromisoformat(sys.argv[3])
        await run_draws(connection, secret_key=sys.argv[2], now=now, zone=ZoneInfo("Asia/Shanghai"))

asyncio.run(work())
"""


async def _connect(url: str) -> AsyncConnection[Any]:
    return await AsyncConnection.connect(url, autocommit=True, options="-c timezone=UTC")


async def _check_result(lottery: Lottery, prizes: int) -> None:
    world = lottery.world
    assert await world.one("SELECT count(*) FROM redemption WHERE channel = 'draw'") == prizes
    assert await world.one("SELECT count(*) FROM voucher") == prizes
    assert await world.one("SELECT count(*) FROM draw_place WHERE state = 'won'") == prizes
    assert await world.one("SELECT string_agg(to_state, ' ' ORDER BY id) FROM draw_transition") == (
        "announced frozen decided finished"
    )


async def test_workers_that_run_at_once_freeze_decide_and_give_back_once(lottery: Lottery) -> None:
    world = lottery.world
    await lottery.open({"prize": 3}, losing_points="given_back")
    await lottery.enter(*(f"m{number}" for number in range(10)))
    connections = [await _connect(world.url) for _ in range(WORKERS)]
    for instant in (CLOSES, DRAWS):
        world.clock.instant = instant
        runs = [run_draws(one, secret_key=SECRET, now=instant, zone=ZONE) for one in connections]
        done = await asyncio.gather(*runs)
    assert sum(one.decided for one in done) == 1
    for one in connections:
        await one.close()
    await _check_result(lottery, 3)
    balances = [(await world.balances(f"m{number}"))["points"] for number in range(10)]
    assert sorted(balances) == [450] * 3 + [500] * 7


async def test_a_worker_that_is_killed_while_it_decides_leaves_nothing_and_the_next_one_decides(
    lottery: Lottery,
) -> None:
    world, number = lottery.world, await lottery.open()
    await lottery.enter("m0", "m1", "m2")
    world.clock.instant = CLOSES
    await lottery.run()
    for fate, code in (("die", -signal.SIGKILL), ("live", 0)):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _WORKER, world.url, SECRET, DRAWS.isoformat(), fate
        )
        assert await process.wait() == code
        if fate == "die":
            assert (await lottery.draw(number)).seed is None
            assert await world.one("SELECT count(*) FROM draw_place") == 0
    await _check_result(lottery, 2)


async def test_a_database_that_goes_away_in_the_middle_changes_nothing(
    lottery: Lottery, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = lottery.world
    await lottery.open()
    await lottery.enter("m0", "m1", "m2")
    world.clock.instant = CLOSES
    await lottery.run()
    world.clock.instant = DRAWS
    save = save_batch

    async def lose(connection: AsyncConnection[Any], *arguments: Any) -> None:
        await world.connection.execute("SELECT pg_terminate_backend(%s)", (connection.info.backend_pid,))
        await save(connection, *arguments)

    monkeypatch.setattr(award, "save", lose)
    async with await _connect(world.url) as connection:
        with pytest.raises(OperationalError):
            await run_draws(connection, secret_key=SECRET, now=DRAWS, zone=ZONE)
    monkeypatch.undo()
    assert (await lottery.run()).decided == 1
    await _check_result(lottery, 2)


async def test_no_entry_is_granted_that_the_list_lacks(lottery: Lottery, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch is decided in time, and the list is frozen before it is saved: the database refuses the batch."""
    world, number = lottery.world, await lottery.open()
    draw, save = await lottery.draw(number), save_batch
    await lottery.enter("m0")

    async def late(connection: AsyncConnection[Any], *arguments: Any) -> None:
        monkeypatch.setattr(desk_module, "save", save)
        world.clock.instant = CLOSES
        assert await freeze_list(world.connection, draw.id, secret_key=SECRET, now=CLOSES)
        await save(connection, *arguments)

    monkeypatch.setattr(desk_module, "save", late)
    async with world.desk() as desk:
        wishes = [desk.redeem(world.wish(member, "entry")) for member in ("m1", "m2")]
        outcomes = await asyncio.gather(*wishes, return_exceptions=True)
    assert [getattr(outcome, "stable_code", None) for outcome in outcomes] == ["not_on_sale", "not_on_sale"]
    assert (await lottery.draw(number)).entries == await world.one("SELECT count(*) FROM redemption") == 1
