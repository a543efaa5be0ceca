"""A bench installation of its own: an embedded database filled with members, points and items, and a running server."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from liyu.core.access.models import MEMBER
from liyu.core.embedded import MEBIBYTE, SUPERUSER, ensure_database
from liyu.core.ids import make_token
from liyu.core.sealing import hash_token
from liyu.web.sessions import COOKIES

POINTS_EACH = 1_000_000
LOG_MEBIBYTES = 1_000
START_SECONDS = 120
OTHER_WORKERS_SECONDS = 3
LIYU = str(Path(sys.executable).with_name("liyu"))

_FILL_MEMBERS = """
    WITH numbers AS (SELECT n FROM generate_series(1, %(members)s) AS n),
    members AS (
        INSERT INTO member (external_id, card_number, state, tier_id, growth, joined_at, activated_at)
        SELECT 'bench-' || n, 'bench-' || n, 'active', (SELECT id FROM tier ORDER BY rank LIMIT 1), 0, now(), now() FROM numbers
        RETURNING id),
    accounts AS (
        INSERT INTO account (kind, unit, member_id, balance)
        SELECT kind, 'PTS', id, CASE kind WHEN 'member_points' THEN %(points)s + id ELSE 0 END
        FROM members, unnest(ARRAY['member_points', 'member_pending', 'member_debt']) AS kind RETURNING id, kind, balance),
    lots AS (
        INSERT INTO lot (account_id, funder, expires_on, remaining)
        SELECT id, 'program', %(expires)s, balance FROM accounts WHERE kind = 'member_points'
        RETURNING id, account_id, remaining),
    transfers AS (
        INSERT INTO transfer (debit_account_id, credit_account_id, amount, unit, event, source, reason, actor, key, at)
        SELECT (SELECT id FROM account WHERE kind = 'points_issued'), account_id, remaining, 'PTS', 'earn', 'bench', 'bench',
            'bench', 'bench:' || account_id, now() FROM lots RETURNING id, credit_account_id, amount)
    INSERT INTO lot_entry (transfer_id, lot_id, amount)
    SELECT t.id, l.id, t.amount FROM transfers t JOIN lots l ON l.account_id = t.credit_account_id"""
"""No two members have the same points."""

_FILL_ITEMS = """
    WITH items AS (
        INSERT INTO item (sku, kind, state, name_zh, name_en, summary_zh, summary_en, description_zh, description_en, rules_zh,
            rules_en, scene, points, cash_minor, value_minor, is_drop, voucher_days, uses, position, created_at, changed_at,
            per_member_limit)
        SELECT 'BENCH-' || n, 'coupon', 'live', '双人下午茶 ' || n, 'Afternoon tea for two ' || n, '精选茶点', 'A fine selection',
            '', '', '[]', '[]', (ARRAY['dining', 'coffee', 'travel', 'hotel', 'car'])[n %% 5 + 1], 100, 0, 1000, n = 1, 90, 1, n,
            now(), now(), 1000000
        FROM generate_series(%(first)s::integer, %(items)s::integer) AS n RETURNING id)
    INSERT INTO item_stock (item_id, total, taken) SELECT id, 100000000, 0 FROM items"""


_SIGN_IN = """
    INSERT INTO session (token_hash, audience, member_id, created_at, last_seen_at, expires_at, address, user_agent)
    SELECT token_hash, 'member', member.id, now(), now(), now() + interval '1 day', '127.0.0.1', 'bench'
    FROM unnest(%(members)s::text[], %(hashes)s::bytea[]) AS given (external_id, token_hash) JOIN member USING (external_id)"""


@dataclass(frozen=True, slots=True)
class Installation:
    """A filled database and the environment in which its commands run."""

    url: str
    data_dir: Path
    members: int
    items: int

    @property
    def environment(self) -> dict[str, str]:
        """The environment of this installation's processes."""
        return os.environ | {"LIYU_DATA_DIR": str(self.data_dir), "LIYU_DATABASE_URL": self.url}

    def run_in(self) -> None:
        """Bring the database where one is that has run for a while: all written out, and segments of its log to be used again.

        A segment that is new stops every commit for some 50 ms, ten times as long as a batch takes.
        """
        with psycopg.connect(self.url, user=SUPERUSER, autocommit=True) as connection:
            connection.execute(
                "SELECT count(pg_logical_emit_message(false, 'bench', repeat('x', %s))) FROM generate_series(1, %s)",
                (MEBIBYTE, LOG_MEBIBYTES),
            )
            connection.execute("CHECKPOINT")

    def run(self, *arguments: str) -> str:
        """Run a `liyu` command and return what it printed."""
        return subprocess.run(
            [LIYU, *arguments], env=self.environment, check=True, capture_output=True, text=True
        ).stdout


def fill(data_dir: Path, *, members: int, items: int) -> Installation:
    """Make an installation with so many members, each rich in points, and so many items."""
    installation = Installation(ensure_database(data_dir), data_dir, members, items)
    installation.run("db", "upgrade")
    expires = (datetime.now(UTC) + timedelta(days=400)).date()
    with psycopg.connect(installation.url, autocommit=True) as connection:
        connection.execute(_FILL_MEMBERS, {"members": members, "points": POINTS_EACH, "expires": expires})
        connection.execute(_FILL_ITEMS, {"first": 1, "items": items})
        connection.execute("VACUUM ANALYZE")
    installation.run_in()
    return installation


def add_items(installation: Installation, items: int) -> None:
    """Add items until there are so many."""
    with psycopg.connect(installation.url, autocommit=True) as connection:
        connection.execute(_FILL_ITEMS, {"first": installation.items + 1, "items": items})
        connection.execute("VACUUM ANALYZE item, item_stock")


def sign_in_members(installation: Installation, count: int) -> list[str]:
    """Sign in so many members; the cookie header of each."""
    tokens = {f"bench-{number}": make_token() for number in range(1, count + 1)}
    hashes = [hash_token(token) for token in tokens.values()]
    with psycopg.connect(installation.url, autocommit=True) as connection:
        connection.execute(_SIGN_IN, {"members": list(tokens), "hashes": hashes})
        connection.execute("VACUUM ANALYZE session")
    return [f"{COOKIES[MEMBER]}={token}" for token in tokens.values()]


def free_port() -> int:
    """A port of the loopback address that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serve(installation: Installation, *, workers: int) -> Iterator[int]:
    """A running server of the installation; its port."""
    port = free_port()
    command = [LIYU, "serve", "--port", str(port), "--workers", str(workers)]
    with running(command, installation.environment, f"http://127.0.0.1:{port}/readyz"):
        # One process is ready. Connections that came now would all be its own, and the others would stand idle.
        time.sleep(OTHER_WORKERS_SECONDS if workers > 1 else 0)
        yield port


@contextmanager
def running(command: list[str], environment: dict[str, str], ready_address: str) -> Iterator[None]:
    """A process that is up when its address answers, and is ended with the block."""
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        _wait_until_ready(process, ready_address)
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=START_SECONDS)


def _wait_until_ready(process: subprocess.Popen[bytes], address: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
        try:
            with urllib.request.urlopen(address, timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"{address} did not answer within {START_SECONDS} s")
