"""A merge in one process against a redemption, a posting, a cancellation and another merge in others."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from typing import Any

import pytest

from liyu.core.errors import DomainError
from liyu.redemption import load
from liyu.redemption.cancel import cancel_redemption
from tests.world import NOW, ZONE, World, open_world


async def start(url: str, source: str = "s", target: str = "t", *words: str) -> Process:
    """A process that is ready to merge."""
    command = [sys.executable, "-m", "tests.races.merge_process", url, source, target, *words]
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    assert process.stdout is not None
    assert (await process.stdout.readline()).strip() == b"ready"
    return process


async def begin(process: Process) -> None:
    """Let it merge, and wait until everything is written and only the commit is missing."""
    let_go(process)
    assert process.stdout is not None
    await process.stdout.readline()


def let_go(process: Process) -> None:
    assert process.stdin is not None
    process.stdin.write(b"go\n")


async def end(process: Process) -> str:
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return output.decode().strip().splitlines()[-1]


async def _enrol(world: World, points: int = 1_000) -> None:
    await world.member("s", points=points)
    await world.member("t", points=10)


async def _total(world: World) -> int:
    total: int = await world.one("SELECT sum(balance) FROM account WHERE kind = 'member_points'")
    return total


async def test_a_redemption_waits_for_the_merge_and_takes_nothing_twice(database_url: str) -> None:
    async with open_world(database_url) as world, world.desk() as desk:
        await _enrol(world)
        sku, merging = await world.item(points=700), await start(database_url)
        await begin(merging)
        # The old id leads to who lives on, whose 10 points are 1,010 by now.
        await desk.redeem(world.wish("s", sku))
        assert await end(merging) == "merged 1000 0"
        assert await _total(world) == 310
        with pytest.raises(DomainError):
            await desk.redeem(world.wish("t", sku))
        assert (await world.balances("t"))["points"] == 310


async def test_the_merge_waits_for_a_redemption_and_takes_it_along(database_url: str) -> None:
    async with open_world(database_url) as world, world.desk() as desk:
        await _enrol(world)
        sku, merging = await world.item(points=100), await start(database_url)
        crowd = [asyncio.create_task(desk.redeem(world.wish("s", sku))) for _ in range(12)]
        let_go(merging)
        done = await asyncio.gather(*crowd, return_exceptions=True)
        outcome = await end(merging)
        granted = [one for one in done if not isinstance(one, BaseException)]
        # What was redeemed before the merge goes over with it; what comes after spends from who lives on.
        points, moved = map(int, outcome.removeprefix("merged ").split())
        assert points == 1_000 - 100 * moved
        assert len(granted) == 10
        assert await _total(world) == 10
        assert await world.one("SELECT count(*) FROM voucher v JOIN member m ON m.id = v.member_id "
                               "WHERE m.external_id = 's'") == 0  # fmt: skip


async def test_without_the_lock_the_same_points_are_spent_and_merged(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "_LOCK_ACCOUNTS", load._LOCK_ACCOUNTS.replace("FOR UPDATE", ""))
    async with open_world(database_url) as world, world.desk() as desk:
        for table, constraint in (("lot", "ck_lot_never_below_zero"), ("account", "ck_account_balance_has_its_sign")):
            await world.connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")
        await _enrol(world)
        sku, merging = await world.item(points=700), await start(database_url, "s", "t", "unguarded")
        await begin(merging)
        await desk.redeem(world.wish("s", sku))
        assert (await end(merging)).startswith("merged")
        assert (await world.balances("s"))["points"] == -700


async def test_an_event_that_waits_for_the_merge_reaches_who_lives_on(database_url: str) -> None:
    async with open_world(database_url) as world:
        await _enrol(world)
        merging = await start(database_url)
        await begin(merging)
        (posted,) = await world.post(world.event("s", "purchase", 5_000))
        assert (posted.status, posted.points) == ("ok", 50)
        assert await end(merging) == "merged 1000 0"
        assert await world.balances("t") == {"points": 1_060, "pending": 0, "debt": 0}
        assert (await world.balances("s"))["points"] == 0


async def test_without_following_under_the_lock_the_event_strands_on_the_source(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from liyu.members.points import post_state

    async def lock_once(connection: Any, external_ids: list[str]) -> dict[str, tuple[str, int]]:
        found = await connection.execute(
            "SELECT external_id, id FROM member WHERE external_id = ANY(%s)", (external_ids,)
        )
        own = {external_id: (external_id, member_id) for external_id, member_id in await found.fetchall()}
        ids = [member_id for _, member_id in own.values()]
        await connection.execute("SELECT FROM account WHERE member_id = ANY(%s) FOR UPDATE", (ids,))
        return own

    monkeypatch.setattr(post_state, "lock_leads", lock_once)
    async with open_world(database_url) as world:
        await _enrol(world)
        merging = await start(database_url)
        await begin(merging)
        await world.post(world.event("s", "purchase", 5_000))
        await end(merging)
        assert (await world.balances("s"))["points"] == 50


async def test_a_cancellation_that_waits_for_the_merge_gives_back_to_who_lives_on(database_url: str) -> None:
    async with open_world(database_url) as world:
        await _enrol(world)
        redeemed = await world.redeem("s", await world.item(points=400))
        merging = await start(database_url)
        await begin(merging)
        async with world.connection.transaction():
            back = await cancel_redemption(
                world.connection, redeemed.number, member_id=None, reason="x", actor="test", now=NOW, zone=ZONE
            )
        assert (back, await end(merging)) == (400, "merged 600 1")
        assert (await world.balances("t"))["points"] == 1_010


async def test_the_same_two_are_merged_once_in_whatever_direction(database_url: str) -> None:
    async with open_world(database_url) as world:
        await _enrol(world)
        pairs = [("s", "t"), ("t", "s"), ("s", "t")]
        processes = [await start(database_url, *pair) for pair in pairs]
        for process in processes:
            let_go(process)
        outcomes = [(await end(process)).split()[0] for process in processes]
        assert sorted(outcomes) == ["merged", "refused", "refused"]
        assert await world.one("SELECT count(*) FROM member_merge") == 1
        assert await _total(world) == 1_010


async def test_without_the_lock_the_database_still_lets_nobody_merge_in_a_circle(database_url: str) -> None:
    async with open_world(database_url) as world:
        await _enrol(world)
        processes = [await start(database_url, *pair, "unguarded") for pair in (("s", "t"), ("t", "s"))]
        for process in processes:
            let_go(process)
        outcomes = [(await end(process)).split()[0] for process in processes]
        assert sorted(outcomes) == ["failed", "merged"]
        assert await world.one("SELECT count(*) FROM member WHERE merged_into IS NOT NULL") == 1
