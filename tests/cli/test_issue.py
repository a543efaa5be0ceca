"""`liyu vouchers issue`, run in this process: looked at, given once, gone on with, and refused with a reason."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from liyu.cli.vouchers import command
from tests.world import World, open_world

Issue = Callable[..., Result]


@pytest.fixture
def issue(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Issue:
    """Run the command on the test's own installation, where m-1 and m-2 are members."""
    monkeypatch.setenv("LIYU_DATABASE_URL", database_url)
    monkeypatch.setenv("LIYU_DATA_DIR", str(tmp_path / "var"))

    async def fill() -> None:
        async with open_world(database_url) as world:
            await world.members("m-1", "m-2")
            await world.item("cup")

    asyncio.run(fill())

    def run(*arguments: str) -> Result:
        given = ["issue", "cup", "--name", "Spring", "--reason", "Thanks", *arguments]
        return CliRunner().invoke(command, given)

    return run


def test_a_list_is_given_once_and_again_does_nothing(issue: Issue, tmp_path: Path, database_url: str) -> None:
    path = tmp_path / "list.csv"
    path.write_text("会员号\nm-1\nnobody\n", "utf-8")
    first = issue("--list", str(path), "--dry-run", "--json")
    assert first.exit_code == 0, first.output
    looked = json.loads(first.stdout)
    assert (looked["state"], looked["members"], looked["would_get"], looked["given"]) == ("dry_run", 1, 1, 0)
    for _ in range(2):
        done = json.loads(issue("--list", str(path), "--json").stdout)
        assert (done["state"], done["given"], done["left_out"]) == ("finished", 1, 0)
    assert "1 members are meant, 1 were given it" in issue("--everybody").stdout
    for wrong in ((), ("--everybody", "--tier", "gold")):
        assert issue(*wrong).exit_code == 2
    refused = issue("--segment", "none", "--name", "Summer")
    assert (refused.exit_code, "there is no segment none" in refused.output) == (1, True)

    async def count() -> int:
        async with open_world(database_url) as world:
            return await _vouchers(world)

    assert asyncio.run(count()) == 1


async def _vouchers(world: World) -> int:
    found: int = await world.one("SELECT count(*) FROM voucher")
    return found
