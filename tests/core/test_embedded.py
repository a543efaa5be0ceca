import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from liyu.core.embedded import EmbeddedPostgres, EmbeddedPostgresError, find_program

HOLDER = """
import sys, time
from pathlib import Path
from liyu.core.embedded import ensure_database
print(ensure_database(Path(sys.argv[1])), flush=True)
time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def folder(cluster: EmbeddedPostgres) -> Path:
    """An empty one beside the run's own database: in memory, where there is room, since making a database waits for the disk."""
    return Path(tempfile.mkdtemp(dir=cluster.data_dir))


@pytest.fixture
def postgres(folder: Path) -> Iterator[EmbeddedPostgres]:
    installation = EmbeddedPostgres(folder / "var")
    yield installation
    installation.release(wait=True)


def hold(data_dir: Path, seconds: float) -> subprocess.Popen[str]:
    """Another process of the installation, which has the database when this returns its first line."""
    command = [sys.executable, "-c", HOLDER, str(data_dir), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_until_stopped(postgres: EmbeddedPostgres) -> None:
    deadline = time.monotonic() + 20
    while postgres.is_running():
        assert time.monotonic() < deadline, "the server still runs"
        time.sleep(0.02)


def ask(url: str, question: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(question.encode()).fetchone()
    assert row is not None
    return row[0]


def test_first_start_makes_a_durable_utf8_database(postgres: EmbeddedPostgres) -> None:
    url = postgres.start()
    assert ask(url, "SHOW server_encoding") == "UTF8"
    assert ask(url, "SHOW fsync") == "on"
    assert ask(url, "SHOW synchronous_commit") == "on"
    assert ask(url, "SHOW listen_addresses") == ""
    assert ask(url, "SELECT upper('é')") == "É"


def test_program_is_no_superuser_but_may_make_databases(postgres: EmbeddedPostgres) -> None:
    url = postgres.start()
    assert ask(url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
    assert ask(url, "SELECT rolcreatedb FROM pg_roles WHERE rolname = current_user") is True


def test_data_outlives_the_server(postgres: EmbeddedPostgres) -> None:
    url = postgres.start()
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    postgres.release(wait=True)
    assert not postgres.is_running()
    assert ask(postgres.start(), "SELECT answer FROM kept") == 42


def test_server_outlives_its_starter_while_others_use_it(postgres: EmbeddedPostgres) -> None:
    postgres.start()
    other = hold(postgres.data_dir, 60)
    try:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == postgres.url()
        postgres.release(wait=True)
        assert ask(postgres.url(), "SELECT 1") == 1
    finally:
        other.terminate()
        other.communicate()
    wait_until_stopped(postgres)


def test_parallel_starters_share_one_server(postgres: EmbeddedPostgres) -> None:
    holders = [hold(postgres.data_dir, 1) for _ in range(6)]
    outcomes = [holder.communicate(timeout=60) for holder in holders]
    assert {url.strip() for url, _ in outcomes} == {postgres.url()}, outcomes
    wait_until_stopped(postgres)


def test_killed_process_leaves_no_server_and_no_damage(postgres: EmbeddedPostgres) -> None:
    holder = hold(postgres.data_dir, 60)
    assert holder.stdout is not None
    assert holder.stdout.readline()
    assert postgres.is_running()
    holder.kill()
    holder.communicate()
    wait_until_stopped(postgres)
    assert ask(postgres.start(), "SELECT 1") == 1


def test_killed_server_is_started_again(postgres: EmbeddedPostgres) -> None:
    postgres.start()
    os.kill(int((postgres.cluster / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
    wait_until_stopped(postgres)
    assert ask(postgres.start(), "SELECT 1") == 1


def test_number_of_a_dead_server_that_another_process_got_is_no_obstacle(postgres: EmbeddedPostgres) -> None:
    postgres.start()
    record = postgres.cluster / "postmaster.pid"
    lines = record.read_text().splitlines()
    postgres.release(wait=True)
    record.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    assert not postgres.is_running()
    assert ask(postgres.start(), "SELECT 1") == 1


def test_broken_first_attempt_is_replaced(postgres: EmbeddedPostgres) -> None:
    draft = postgres.data_dir / "postgres.new"
    draft.mkdir(parents=True)
    (draft / "PG_VERSION").write_text("18\n")
    assert ask(postgres.start(), "SELECT 1") == 1
    assert not draft.exists()


def test_refused_setting_is_told_and_the_lease_given_back(folder: Path) -> None:
    data_dir = folder / "var"
    with pytest.raises(EmbeddedPostgresError, match="max_connections"):
        EmbeddedPostgres(data_dir, settings={"max_connections": "many"}).start()
    mended = EmbeddedPostgres(data_dir)
    assert ask(mended.start(), "SELECT 1") == 1
    mended.release(wait=True)
    assert not mended.is_running()


def test_folder_with_a_long_or_odd_name_works(folder: Path) -> None:
    for name in ["a-long-name-" * 10, "it's 100 % 礼遇", 'one, "two"']:
        postgres = EmbeddedPostgres(folder / name)
        assert ask(postgres.start(), "SELECT 1") == 1
        postgres.release(wait=True)


def test_the_server_runs_as_an_ordinary_user_and_needs_no_open_home_folder(folder: Path) -> None:
    home = folder / "home"
    home.mkdir(mode=0o700)
    postgres = EmbeddedPostgres(home / "liyu" / "var")
    assert ask(postgres.start(), "SELECT 1") == 1
    assert postgres.cluster.stat().st_uid != 0
    assert home.stat().st_mode & 0o777 == 0o700
    postgres.release(wait=True)


def test_package_brings_pgbench() -> None:
    done = subprocess.run([find_program("pgbench"), "--version"], capture_output=True, text=True, check=True)
    assert "PostgreSQL" in done.stdout
