"""Lapse of a year's lots of very many members, against the bare SQL that writes the same movements in one go."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

import psycopg
from psycopg import AsyncConnection, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from bench.installation import Installation
from liyu.core import migrations
from liyu.members.points.lapse import lapse_points
from liyu.members.program import ensure_program

FILLED, BARE = "lapse_filled", "lapse_bare"
POINTS = 300
LAST_DAY = date(2025, 12, 31)

_FILL = """
    WITH members AS (
        INSERT INTO member (external_id, card_number, state, tier_id, growth, joined_at, activated_at)
        SELECT 'lapse-' || n, 'lapse-' || n, 'active', (SELECT id FROM tier ORDER BY rank LIMIT 1), 0, now(), now()
        FROM generate_series(1, %(members)s) AS n RETURNING id),
    accounts AS (
        INSERT INTO account (kind, unit, member_id, balance)
        SELECT kind, 'PTS', id, CASE kind WHEN 'member_points' THEN %(points)s ELSE 0 END
        FROM members, unnest(ARRAY['member_points', 'member_pending', 'member_debt']) AS kind RETURNING id, kind),
    lots AS (
        INSERT INTO lot (account_id, funder, expires_on, remaining)
        SELECT id, 'program', %(day)s, %(points)s FROM accounts WHERE kind = 'member_points' RETURNING id, account_id),
    transfers AS (
        INSERT INTO transfer (debit_account_id, credit_account_id, amount, unit, event, source, reason, actor, key, at)
        SELECT (SELECT id FROM account WHERE kind = 'points_issued'), account_id, %(points)s, 'PTS', 'earn', 'bench', 'bench',
            'bench', 'bench:' || account_id, now() FROM lots RETURNING id, credit_account_id)
    INSERT INTO lot_entry (transfer_id, lot_id, amount)
    SELECT t.id, l.id, %(points)s FROM transfers t JOIN lots l ON l.account_id = t.credit_account_id"""

# What has to be written for the books to balance, as one transaction of plain statements: no locks, no portions, nothing that
# could be taken up again after a kill.
_INSERT_TRANSFERS = """
    INSERT INTO transfer (debit_account_id, credit_account_id, amount, unit, event, source, reason, actor, key, at)
    SELECT account_id, %(lapsed)s, remaining, 'PTS', 'lapse', 'lot:' || id, expires_on::text, 'bare', 'lapse:' || id, now()
    FROM lot WHERE is_open AND expires_on <= %(day)s"""
_INSERT_ENTRIES = """
    INSERT INTO lot_entry (transfer_id, lot_id, amount)
    SELECT t.id, l.id, -t.amount FROM transfer t JOIN lot l ON l.account_id = t.debit_account_id WHERE t.actor = 'bare'"""
_UPDATE_BALANCES = """
    UPDATE account SET balance = balance - l.remaining FROM lot l
    WHERE l.account_id = account.id AND l.is_open AND l.expires_on <= %(day)s"""
_UPDATE_LOTS = "UPDATE lot SET remaining = 0 WHERE is_open AND expires_on <= %(day)s"


class Seconds(NamedTuple):
    """How long it took: ours, the same rows in bare SQL, and of these the transfers and lots alone."""

    ours: float
    bare: float
    half: float


def measure(installation: Installation, members: int) -> Seconds:
    """Our lapse and the bare INSERT…SELECT + UPDATE of the same rows, each on its own copy of the same database."""
    with own_database(installation, FILLED) as filled:
        migrations.upgrade(filled)
        asyncio.run(_fill(filled, members))
        with own_database(installation, BARE, template=FILLED) as bare:
            whole, half = _lapse_barely(bare)
        return Seconds(asyncio.run(_lapse(filled, members)), whole, half)


@contextmanager
def own_database(installation: Installation, name: str, template: str = "template0") -> Iterator[str]:
    """A database beside that of the installation, for as long as the block lasts."""
    parts: dict[str, Any] = conninfo_to_dict(installation.url)
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
    with psycopg.connect(installation.url, autocommit=True) as connection:
        connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
        try:
            yield (
                _as_address(installation.url, name)
                if "://" in installation.url
                else make_conninfo(**parts | {"dbname": name})
            )
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _as_address(url: str, name: str) -> str:
    head, question, query = url.partition("?")
    return f"{head.rpartition('/')[0]}/{name}{question}{query}"


async def _fill(url: str, members: int) -> None:
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        async with connection.transaction():
            await ensure_program(connection)
        await connection.execute(_FILL, {"members": members, "points": POINTS, "day": LAST_DAY})
        await connection.execute("VACUUM ANALYZE")


def _lapse_barely(url: str) -> tuple[float, float]:
    """Seconds for all rows, and of these for the transfers and lots."""
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT id FROM account WHERE kind = 'points_lapsed'").fetchone()
        assert found is not None
        values, half, began = {"day": LAST_DAY, "lapsed": found[0]}, 0.0, time.monotonic()
        for statement in (_INSERT_TRANSFERS, _INSERT_ENTRIES, _UPDATE_BALANCES, _UPDATE_LOTS):
            begun = time.monotonic()
            connection.execute(statement, values)
            half += (time.monotonic() - begun) * (statement in (_INSERT_TRANSFERS, _UPDATE_LOTS))
        connection.commit()
        return time.monotonic() - began, half


async def _lapse(url: str, members: int) -> float:
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        began = time.monotonic()
        moved = await lapse_points(connection, date(2026, 1, 1), actor="bench", now=datetime.now(UTC))
        seconds = time.monotonic() - began
    if (moved.lots, moved.points) != (members, members * POINTS):
        raise RuntimeError(f"expected {members} lots to lapse, got {moved}")
    return seconds
