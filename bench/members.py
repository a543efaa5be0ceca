"""The console's page of one member among very many, and finding one, over HTTP with an operator signed in (half within 30 ms)."""

import asyncio
import re
import secrets
import statistics
import time
from html import unescape
from typing import NamedTuple

import httpx
import psycopg
from psycopg import AsyncConnection

from bench.installation import Installation, serve
from bench.lapse import own_database
from liyu.members.service.index import index_due

FILLED = "members_filled"
VISITED = 400
"""Members whose pages are asked for; they have a long history, all others one purchase."""
EVENTS = 60
SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈"
GIVEN = "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚桂文华玉建国红小梅林宇浩然子涵欣怡晨曦雨桐思远嘉琪志鹏俊晓东海燕"

_FILL = """
    WITH members AS (
        INSERT INTO member (external_id, card_number, phone, name, state, tier_id, growth, joined_at, activated_at)
        SELECT 'member-' || n, 'card-' || n, '+861' || lpad((3000000000 + n::bigint * 6999 %% 6999999937)::text, 10, '0'),
            substr(%(surnames)s, (n * 7 %% length(%(surnames)s)) + 1, 1)
                || substr(%(given)s, (n * 13 / 7 %% length(%(given)s)) + 1, 1)
                || CASE WHEN n %% 5 > 0 THEN substr(%(given)s, (n * 31 / 3 %% length(%(given)s)) + 1, 1) ELSE '' END,
            'active', (SELECT id FROM tier ORDER BY rank LIMIT 1), 0, now() - n * interval '10 seconds', now()
        FROM generate_series(1, %(members)s) AS n RETURNING id),
    accounts AS (
        INSERT INTO account (kind, unit, member_id, balance)
        SELECT kind, 'PTS', id, CASE kind WHEN 'member_points' THEN 300 ELSE 0 END
        FROM members, unnest(ARRAY['member_points', 'member_pending', 'member_debt']) AS kind RETURNING id, kind),
    lots AS (
        INSERT INTO lot (account_id, funder, expires_on, remaining)
        SELECT id, 'program', current_date + 400, 300 FROM accounts WHERE kind = 'member_points' RETURNING id, account_id),
    transfers AS (
        INSERT INTO transfer (debit_account_id, credit_account_id, amount, unit, event, source, reason, actor, key, at)
        SELECT (SELECT id FROM account WHERE kind = 'points_issued'), account_id, 300, 'PTS', 'earn', 'purchase:b-' || account_id,
            'purchase', 'bench', 'bench:' || account_id, now() FROM lots RETURNING id, credit_account_id)
    INSERT INTO lot_entry (transfer_id, lot_id, amount)
    SELECT t.id, l.id, 300 FROM transfers t JOIN lots l ON l.account_id = t.credit_account_id"""

_FILL_HISTORY = """
    WITH visited AS (
        SELECT m.id AS member_id, a.id AS account_id, m.external_id FROM member m
        JOIN account a ON a.member_id = m.id AND a.kind = 'member_points' WHERE m.external_id = ANY(%(visited)s)),
    events AS (
        INSERT INTO earning_event (member_id, type, reference, amount_minor, currency, occurred_at, received_at, points, growth,
            lines, body_hash)
        SELECT member_id, 'purchase', external_id || '-' || n, 1000, 'CNY', now() - n * interval '3 days', now(), 10, 0,
            '[{"rule": "purchase", "version": 1, "points": 10, "growth": 0}]', ''
        FROM visited, generate_series(1, %(events)s) AS n),
    moves AS (
        INSERT INTO transfer (debit_account_id, credit_account_id, amount, unit, event, source, reason, actor, key, at)
        SELECT (SELECT id FROM account WHERE kind = 'points_issued'), account_id, 10, 'PTS', 'earn',
            'purchase:' || external_id || '-' || n, 'purchase', 'bench', 'history:' || account_id || ':' || n,
            now() - n * interval '3 days' FROM visited, generate_series(1, %(events)s) AS n
        RETURNING id, credit_account_id),
    entries AS (
        INSERT INTO lot_entry (transfer_id, lot_id, amount)
        SELECT m.id, l.id, 10 FROM moves m JOIN lot l ON l.account_id = m.credit_account_id),
    lots AS (UPDATE lot SET remaining = remaining + 10 * %(events)s FROM visited v WHERE lot.account_id = v.account_id),
    balances AS (UPDATE account SET balance = balance + 10 * %(events)s FROM visited v WHERE account.id = v.account_id),
    notes AS (
        INSERT INTO member_note (member_id, text, author, at)
        SELECT member_id, 'A note', 'staff:1', now() - n * interval '9 days' FROM visited, generate_series(1, 6) AS n)
    INSERT INTO audit_event (at, actor, action, object)
    SELECT now() - n * interval '5 days', 'staff:1', 'member.adjust', 'member:' || external_id
    FROM visited, generate_series(1, 12) AS n"""

_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')
SEARCHES = {"phone": "{digits}", "name": "{name}", "pinyin": "zhangwei", "initials": "lxm", "surname": "王"}


class Milliseconds(NamedTuple):
    """How long pages took: the member's, and the list for each kind of search; medians, and the slowest of a hundred."""

    page: float
    slow: float
    searches: dict[str, float]


def measure(installation: Installation, members: int) -> Milliseconds:
    """Fill a database of its own with so many members and ask for pages, one after the other."""
    with own_database(installation, FILLED) as url:
        filled = Installation(url, installation.data_dir, members, 0)
        filled.run("db", "upgrade")
        asyncio.run(_fill(url, members))
        password = secrets.token_hex(12)
        filled.run(
            "user", "create", "--email", "bench@example.com", "--name", "Bench", "--role", "admin", "--password", password
        )  # fmt: skip
        with serve(filled, workers=1) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            _sign_in(client, password)
            visits = [f"/console/members/{name}" for name in _visited(members)]
            pages = _time(client, visits)
            searches = {
                kind: statistics.median(_time(client, [f"/console/members?q={word}" for word in words]))
                for kind, words in _words(url).items()
            }
        return Milliseconds(statistics.median(pages), statistics.quantiles(pages, n=100)[98], searches)


def _visited(members: int) -> list[str]:
    step = max(members // VISITED, 1)
    return [f"member-{number}" for number in range(1, members + 1, step)][:VISITED]


async def _fill(url: str, members: int) -> None:
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        values = {
            "members": members,
            "surnames": SURNAMES,
            "given": GIVEN,
            "events": EVENTS,
            "visited": _visited(members),
        }
        await connection.execute(_FILL, values)
        await connection.execute("ANALYZE")
        await connection.execute(_FILL_HISTORY, values)
        await index_due(connection)
        await connection.execute("VACUUM ANALYZE")


def _words(url: str) -> dict[str, list[str]]:
    """What is searched for: parts of the phones and names of some members, and words that fit many."""
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT name, phone FROM member WHERE id % 997 = 1 ORDER BY id LIMIT 40").fetchall()
    return {
        kind: [word.format(name=name, digits=phone[6:11]) for name, phone in rows] for kind, word in SEARCHES.items()
    }


def _sign_in(client: httpx.Client, password: str) -> None:
    found = _TOKEN.search(client.get("/console/login").text)
    assert found is not None
    data = {"csrf_token": unescape(found.group(1)), "email": "bench@example.com", "password": password}
    answer = client.post("/console/login", data=data, headers={"sec-fetch-site": "same-origin"})
    if answer.status_code != 303:
        raise RuntimeError(f"signing in answered {answer.status_code}")


def _time(client: httpx.Client, addresses: list[str]) -> list[float]:
    client.get(addresses[0])
    times = []
    for address in addresses:
        began = time.perf_counter()
        answer = client.get(address)
        times.append((time.perf_counter() - began) * 1000)
        if answer.status_code != 200:
            raise RuntimeError(f"{address} answered {answer.status_code}")
    return times
