import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psycopg
import pytest

from liyu.cli.run import RunFailedError, Supervisor, find_free_port
from liyu.core.embedded import EmbeddedPostgres
from liyu.core.settings import Settings
from liyu.demo.program import TERMS
from tests.world import open_world

pytestmark = pytest.mark.slow


@pytest.fixture
def installation(tmp_path: Path) -> Path:
    return tmp_path / "var"


def start_liyu(data_dir: Path, port: int) -> "subprocess.Popen[str]":
    command = [str(Path(sys.executable).with_name("liyu")), "run", "--port", str(port)]
    environment = {**os.environ, "LIYU_DATA_DIR": str(data_dir)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def read_until_running(liyu: "subprocess.Popen[str]") -> str:
    assert liyu.stdout is not None
    shown = []
    for line in liyu.stdout:
        shown.append(line)
        if "Ctrl-C" in line:
            return "".join(shown)
    pytest.fail("Liyu ended: " + "".join(shown))


def test_everything_starts_shows_its_addresses_and_stops_however_it_is_ended(
    installation: Path, free_port: int
) -> None:
    for ending in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        liyu = start_liyu(installation, free_port)
        try:
            shown = read_until_running(liyu)
            for path in ("/", "/partner", "/console"):
                assert f"http://127.0.0.1:{free_port}{path}\n" in shown
            assert "password" in shown
            with urllib.request.urlopen(f"http://127.0.0.1:{free_port}/readyz") as answer:
                assert answer.status == 200
        finally:
            liyu.send_signal(ending)
            rest, _ = liyu.communicate(timeout=60)
        assert liyu.returncode == (-ending if ending == signal.SIGKILL else 0), rest
        wait_until_stopped(installation, seconds=40 if ending == signal.SIGKILL else 0)


def wait_until_stopped(data_dir: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while EmbeddedPostgres(data_dir).is_running():
        assert time.monotonic() < deadline, "something still uses the database"
        time.sleep(0.1)


def test_port_in_use_is_passed_over() -> None:
    first = find_free_port("127.0.0.1")
    command = [sys.executable, "-m", "http.server", str(first), "--bind", "127.0.0.1"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while find_free_port("127.0.0.1") == first:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        server.terminate()
        server.wait()


async def test_a_demo_that_was_left_half_way_is_not_served(
    database_url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    async with open_world(database_url) as world:
        await world.members("m-1")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE program SET name_zh = %s, demo = false", (TERMS.name_zh,))
    monkeypatch.setenv("LIYU_DATABASE_URL", database_url)
    monkeypatch.setenv("LIYU_DATA_DIR", str(settings.data_dir))
    with pytest.raises(RunFailedError):
        Supervisor(settings, "127.0.0.1", 1).run()
    assert "interrupted" in capfd.readouterr().err
