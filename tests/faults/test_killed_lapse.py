"""`liyu points expire` and the reminders, killed with SIGKILL at random moments and run again."""

import asyncio
import json
import os
import random
import sys
from asyncio.subprocess import DEVNULL, PIPE
from datetime import date

import pytest

from tests.world import World, open_world

MEMBERS = 400
KILLS = 6


async def _fill(world: World) -> None:
    events = [world.purchase(f"m-{number}", 100 * (1 + number % 7)) for number in range(MEMBERS)]
    await world.post(*events, enrol_unknown=True)
    await world.connection.execute("UPDATE member SET phone = '+86138' || (10000000 + id)")


async def _start(url: str, what: str, day: date) -> asyncio.subprocess.Process:
    arguments = ("-m", "tests.faults.lapse_process", url, what, day.isoformat())
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=PIPE, stderr=DEVNULL)
    assert process.stdout is not None
    assert (await process.stdout.readline()).strip() == b"ready"
    return process


async def _kill_again_and_again(url: str, what: str, day: date) -> int:
    """Start and kill, each time after a random number of portions and a random moment within the next; how many were killed."""
    chance, killed = random.Random(76), 0
    for _ in range(KILLS):
        process = await _start(url, what, day)
        assert process.stdout is not None
        for _ in range(chance.randint(0, 3)):
            await process.stdout.readline()
        await asyncio.sleep(chance.random() * 0.02)
        if process.returncode is None:
            process.kill()
        killed += await process.wait() < 0
    return killed


@pytest.mark.parametrize("at_once", [False, True])
async def test_each_lot_lapses_exactly_once_whatever_is_killed_and_whoever_runs_at_once(
    database_url: str, at_once: bool
) -> None:
    day = date(2028, 1, 1)
    async with open_world(database_url) as world:
        await _fill(world)
        if at_once:
            processes = await asyncio.gather(*(_start(database_url, "expire", day) for _ in range(3)))
            assert [await process.wait() for process in processes] == [0, 0, 0]
        else:
            assert await _kill_again_and_again(database_url, "expire", day) >= KILLS // 2
            left = await world.one("SELECT count(*) FROM lot WHERE remaining > 0")
            assert 0 < left < MEMBERS
            done = await _run_command(database_url, "points", "expire", "--as-of", day.isoformat(), "--json")
            assert done["lots"] == left
            assert await _run_command(database_url, "points", "expire", "--as-of", day.isoformat(), "--json") == {
                "lots": 0,
                "points": 0,
            }
        counts = "SELECT count(*) FROM (SELECT lot_id FROM lot_entry WHERE amount < 0 GROUP BY 1 HAVING count(*) = 1) AS once"
        assert await world.one(counts) == MEMBERS
        assert await world.one("SELECT count(*) FROM transfer WHERE event = 'lapse'") == MEMBERS
        assert await world.one("SELECT sum(remaining) FROM lot") == 0


async def test_everybody_is_reminded_exactly_once_whatever_is_killed(database_url: str) -> None:
    day = date(2027, 12, 1)
    async with open_world(database_url) as world:
        await _fill(world)
        assert await _kill_again_and_again(database_url, "remind", day) >= KILLS // 2
        await (await _start(database_url, "remind", day)).wait()
        assert await world.one("SELECT count(*) FROM lapse_reminder") == MEMBERS
        assert await world.one("SELECT count(DISTINCT recipient) FROM outbox_message") == MEMBERS
        assert await world.one("SELECT count(*) FROM outbox_message") == MEMBERS


async def _run_command(url: str, *arguments: str) -> dict[str, int]:
    environment = os.environ | {"LIYU_DATABASE_URL": url, "LIYU_SECRET_KEY": "a-secret-for-tests-" + "0" * 32}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from liyu.cli import main; main()", *arguments, stdout=PIPE, stderr=PIPE, env=environment
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    answer: dict[str, int] = json.loads(output)
    return answer
