"""`liyu vouchers issue` and `print`, run in this process: looked at, given once, gone on with, refused with a reason, printed."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest
from click.testing import CliRunner, Result

from liyu.cli.vouchers import command
from tests.world import open_world

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
    assert asyncio.run(_ask(database_url, "SELECT count(*) FROM campaign")) == 0
    for _ in range(2):
        done = json.loads(issue("--list", str(path), "--json").stdout)
        assert (done["state"], done["given"], done["left_out"]) == ("finished", 1, 0)
    assert "1 members are meant, 1 were given it" in issue("--everybody").stdout
    for wrong in ((), ("--everybody", "--tier", "gold")):
        assert issue(*wrong).exit_code == 2
    refused = issue("--segment", "none", "--name", "Summer")
    assert (refused.exit_code, "There is no such segment." in refused.output) == (1, True)

    assert asyncio.run(_ask(database_url, "SELECT count(*) FROM voucher")) == 1


def test_what_somebody_has_drafted_in_the_console_stays_theirs(issue: Issue, database_url: str) -> None:
    assert issue("--everybody", "--quantity", "10").exit_code == 0
    theirs = "UPDATE campaign SET state = 'draft', made_by = 'staff:1', finished_at = NULL RETURNING id"
    asyncio.run(_ask(database_url, theirs))
    for more in ((), ("--dry-run",)):
        refused = issue("--everybody", *more)
        assert (refused.exit_code, "has this name" in refused.output) == (1, True), refused.output
    assert asyncio.run(_ask(database_url, "SELECT string_agg(state, ' ') FROM campaign")) == "draft"


async def _ask(database_url: str, question: str) -> object:
    async with open_world(database_url) as world:
        return await world.one(question)


def test_what_was_given_is_printed_into_the_file_that_is_named(issue: Issue, tmp_path: Path) -> None:
    assert issue("--everybody").exit_code == 0
    target = tmp_path / "cups.zip"
    printed = CliRunner().invoke(command, ["print", "cup", "--form", "zip", "--to", str(target)])
    assert (printed.exit_code, printed.stdout) == (0, ""), printed.output
    with ZipFile(target) as archive:
        assert len(archive.namelist()) == 2
    refused = CliRunner().invoke(command, ["print", "cup", "--form", "csv", "--to", str(target)])
    assert (refused.exit_code, "Only the vouchers of a run" in refused.output) == (2, True)
