"""Two imports of the same balances at the same moment: the members' lock and the unique index each keep a balance from doubling."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from psycopg import AsyncConnection

from liyu.members.imports import apply
from liyu.members.imports.plan import compare
from tests.members.imports.importing import Importer, table
from tests.world import ZONE, World, open_world

MEMBERS = [f"m-{number}" for number in range(6)]
POINTS = 10
LOCK, INDEX = "lock", "index"


async def _race(world: World, folder: Path, monkeypatch: pytest.MonkeyPatch, without: set[str]) -> int:
    """Apply two files with the same balances at once, with a pause between reading and writing; the points they opened."""
    for member in MEMBERS:
        await world.member(member)
    importer = Importer(world, folder)
    lines = [[member, "", "", POINTS, "2027-12-31"] for member in MEMBERS]
    imports = [await importer.compare(table(*rows)) for rows in (lines, list(reversed(lines)))]
    for one in imports:
        async with world.connection.transaction():
            await apply.confirm(world.connection, importer.work(one.id))
    if LOCK in without:
        monkeypatch.setattr(apply, "_LOCK_FOUND", apply._LOCK_FOUND.replace("FOR UPDATE", ""))
    if INDEX in without:
        await world.connection.execute("DROP INDEX uq_opening_balance_member")

    async def compare_and_wait(*arguments: Any) -> None:
        await compare(*arguments)
        await asyncio.sleep(0.3)

    monkeypatch.setattr(apply, "compare", compare_and_wait)

    async def run(import_id: int) -> None:
        async with await AsyncConnection.connect(world.url, autocommit=True) as connection:
            await apply.apply_import(connection, importer.work(import_id), ZONE)

    await asyncio.gather(*(run(one.id) for one in imports))
    opened: int = await world.one("SELECT sum(amount)::bigint FROM transfer WHERE event = 'opening'")
    return opened


@pytest.mark.parametrize("without", [set(), {LOCK}, {INDEX}])
async def test_two_imports_at_once_open_every_balance_once_even_without_one_of_the_guards(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without: set[str]
) -> None:
    async with open_world(database_url) as world:
        assert await _race(world, tmp_path, monkeypatch, without) == len(MEMBERS) * POINTS


async def test_without_both_guards_every_balance_is_doubled(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_world(database_url) as world:
        assert await _race(world, tmp_path, monkeypatch, {LOCK, INDEX}) == 2 * len(MEMBERS) * POINTS
