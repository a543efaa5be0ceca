"""What all tests share: one PostgreSQL for the whole run, and a migrated database of its own for each test that asks.

A test that takes `database_url`, `engine`, `sessions`, `session` or `settings` gets one fresh database, where commits
are real; it is gone after the test. Nothing in a test reaches beyond this machine.
"""

import fcntl
import ipaddress
import os
import shutil
import socket
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import psycopg
import pytest
from psycopg import sql
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from liyu.core.database import Sessions, make_engine, make_sessions
from liyu.core.embedded import EmbeddedPostgres
from liyu.core.migrations import upgrade
from liyu.core.settings import Settings
from tests.proofs import FULL

TEMPLATE = "liyu_template"
# Tests do not survive a power cut, so the server need not wait for the disk. Their databases live too short for a vacuum, and
# one that is at work on a database keeps it from being dropped.
FAST_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "128MB",
    "autovacuum": "off",
    # In memory each segment of the log counts.
    "min_wal_size": "80MB",
    "max_wal_size": "512MB",
}
# Making and dropping a database touches some 1,500 files. In memory that takes a fifth of the time.
MEMORY = Path("/dev/shm")
MEMORY_BYTES = 2 * 1024**3
E2E = "tests/e2e/"
CHROMIUM_NAMES = ["chromium", "chromium-browser", "google-chrome"]

# The same cases each time, so that a red suite is told by the change and not by the draw; `make prove` draws new ones.
hypothesis.settings.register_profile("liyu", deadline=None, derandomize=True)
hypothesis.settings.register_profile("full", deadline=None, max_examples=1_000)
hypothesis.settings.load_profile("full" if FULL else "liyu")


def _refuse_other_machines(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = str(arguments[1][0])
        try:
            local = ipaddress.ip_address(host).is_loopback
        except ValueError:
            local = host == "localhost"
        if not local:
            raise PermissionError(f"A test tried to reach {host}.")


sys.addaudithook(_refuse_other_machines)


class Distribution(LoadScopeScheduling):  # type: ignore[misc]  # xdist is not typed
    """Single tests for whoever is free; but the end-to-end tests, which share an installation, go to one worker."""

    def _split_scope(self, nodeid: str) -> str:
        return E2E if nodeid.startswith(E2E) else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Distribution:
    """How tests are spread over the workers of `-n`."""
    return Distribution(config, log)


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the developer's shell reaches a test."""
    for name in os.environ:
        if name.startswith(("LIYU_", "STRIPE_")):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """The PostgreSQL of this run; the workers share it, and the last one to let go of it removes it."""
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    run_id = os.getppid() if is_worker else os.getpid()
    base = tmp_path_factory.getbasetemp()
    folder = _folder_in_memory(run_id) or (base.parent if is_worker else base) / "database"
    postgres = EmbeddedPostgres(folder, settings=FAST_SETTINGS)
    postgres.start()
    yield postgres
    postgres.release(wait=True)
    if not postgres.is_running():
        shutil.rmtree(folder, ignore_errors=True)


def _folder_in_memory(run_id: int) -> Path | None:
    """A folder for the run's database in memory, where there is room; what killed runs have left there is removed."""
    for left in MEMORY.glob("liyu-tests-*"):
        if not Path(f"/proc/{left.name.rpartition('-')[2]}").exists():
            shutil.rmtree(left, ignore_errors=True)
    folder = MEMORY / f"liyu-tests-{run_id}"
    has_room = folder.exists() or (MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= MEMORY_BYTES)
    return folder if has_room else None


@pytest.fixture(scope="session")
def template_database(cluster: EmbeddedPostgres) -> str:
    """The name of the migrated, empty database that the others are copies of."""
    with (cluster.data_dir / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = cluster.data_dir / "template.done"
        if not done.exists():
            _run_on_server(cluster, "DROP DATABASE IF EXISTS {}", TEMPLATE)
            _run_on_server(cluster, "CREATE DATABASE {}", TEMPLATE)
            upgrade(cluster.url(TEMPLATE))
            done.touch()
    return TEMPLATE


@pytest.fixture
def template(template_database: str) -> str:
    """Which database the test's own is a copy of; modules that need more than an empty one say so."""
    return template_database


@pytest.fixture
def database_url(cluster: EmbeddedPostgres, template: str) -> Iterator[str]:
    """A fresh migrated database, for this test alone."""
    name = f"test_{uuid.uuid4().hex}"
    # Copying the files takes a third of the time that copying block by block through the log does.
    _run_on_server(cluster, "CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY", name, template)
    yield cluster.url(name)
    _run_on_server(cluster, "DROP DATABASE {} WITH (FORCE)", name)


@pytest.fixture
def empty_database_url(cluster: EmbeddedPostgres) -> Iterator[str]:
    """A database without a table, for tests of the migrations themselves."""
    name = f"test_{uuid.uuid4().hex}"
    _run_on_server(cluster, "CREATE DATABASE {}", name)
    yield cluster.url(name)
    _run_on_server(cluster, "DROP DATABASE {} WITH (FORCE)", name)


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """An engine on the test's database."""
    made = make_engine(database_url)
    yield made
    await made.dispose()


@pytest.fixture
def sessions(engine: AsyncEngine) -> Sessions:
    """Where the program's code opens its units of work."""
    return make_sessions(engine)


@pytest.fixture
async def session(sessions: Sessions) -> AsyncIterator[AsyncSession]:
    """One open session; what the test does not commit is rolled back."""
    async with sessions() as opened:
        yield opened


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """The settings of an installation of the test's own."""
    return Settings(data_dir=tmp_path / "var", secret_key="a-secret-for-tests-" + "0" * 32, database_url=database_url)


@pytest.fixture
def free_port() -> int:
    """A port on which nobody listens at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def chromium() -> str:
    """The system's Chromium; without it the tests that need it fail, so that nobody takes the rest for the whole."""
    for name in CHROMIUM_NAMES:
        found = shutil.which(name)
        if found:
            return found
    pytest.fail("Chromium is missing: `make dev` as root installs it.")


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any], chromium: str) -> dict[str, Any]:
    """Playwright drives the system's browser; as root that has to do without its sandbox."""
    arguments = ["--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    return {**browser_type_launch_args, "executable_path": chromium, "args": arguments}


def _run_on_server(cluster: EmbeddedPostgres, statement: str, *names: str) -> None:
    with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
