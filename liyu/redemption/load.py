"""Lock, then load: what a batch needs, in one round trip of pipelined statements (DESIGN §4).

Locks are always taken in this order, everywhere: member accounts by id, then item stocks by id. What is read under a lock is
read by a later statement, so that it is what the last holder of the lock has committed.
"""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from psycopg import AsyncConnection, AsyncCursor

from liyu.core.bulk import encode_rows
from liyu.members.points.lots import OpenLot
from liyu.redemption.state import Answer, DeskState, Ids, ItemState, MemberState, RedeemRequest

_WISHES = "json_to_recordset(%(wishes)s::json) AS w(member text, sku text, scope text, key text, quantity bigint)"

_LOCK_ACCOUNTS = f"""
    SELECT a.id FROM account a
    WHERE a.kind = 'member_points' AND a.member_id IN (SELECT m.id FROM {_WISHES} JOIN member m ON m.external_id = w.member)
    ORDER BY a.id FOR UPDATE"""

_LOCK_STOCKS = f"""
    SELECT s.item_id FROM item_stock s
    WHERE s.item_id IN (SELECT i.id FROM {_WISHES} JOIN item i ON i.sku = w.sku)
    ORDER BY s.item_id FOR UPDATE"""

_MEMBERS = f"""
    SELECT m.external_id, m.id, a.id, m.state, m.growth, t.rank, t.name_zh, t.name_en
    FROM (SELECT DISTINCT member FROM {_WISHES}) AS w JOIN member m ON m.external_id = w.member
    JOIN tier t ON t.id = m.tier_id JOIN account a ON a.member_id = m.id AND a.kind = 'member_points'"""

_LOTS = f"""
    SELECT l.id, l.account_id, l.expires_on, l.remaining
    FROM (SELECT DISTINCT member FROM {_WISHES}) AS w JOIN member m ON m.external_id = w.member
    JOIN account a ON a.member_id = m.id AND a.kind = 'member_points'
    CROSS JOIN LATERAL (SELECT * FROM lot l WHERE l.account_id = a.id AND l.remaining > 0 OFFSET 0) AS l"""

_ITEMS = f"""
    SELECT i.id, i.sku, i.kind, i.state, i.points, i.cash_minor, s.total, s.taken, i.on_sale_from, i.on_sale_to,
        i.per_member_limit, i.per_day_limit, coalesce(t.rank, 0), coalesce(t.threshold, 0),
        coalesce(t.name_zh, ''), coalesce(t.name_en, ''), i.partner_id, coalesce(p.state = 'active', true),
        i.agreement_line_id, i.voucher_days, i.uses
    FROM (SELECT DISTINCT sku FROM {_WISHES}) AS w JOIN item i ON i.sku = w.sku JOIN item_stock s ON s.item_id = i.id
    LEFT JOIN tier t ON t.id = i.tier_id LEFT JOIN partner p ON p.id = i.partner_id"""

# The tables below grow for ever and what is looked up in them is new: whatever the planner believes of their size, each wish
# is a look-up by key. OFFSET 0 keeps it from turning the question around.
_LIMITS = f"""
    SELECT u.item_id, u.member_id, u.period, u.used
    FROM {_WISHES} JOIN member m ON m.external_id = w.member JOIN item i ON i.sku = w.sku
    CROSS JOIN LATERAL (
        SELECT * FROM limit_use u
        WHERE u.item_id = i.id AND u.member_id = m.id AND u.period IN ('', %(today)s) OFFSET 0) AS u"""

_ANSWERS = f"""
    SELECT a.scope, a.key, a.answer
    FROM {_WISHES} CROSS JOIN LATERAL (
        SELECT * FROM idempotent_answer a WHERE a.scope = w.scope AND a.key = w.key OFFSET 0) AS a"""

_POOL_CODES = f"""
    SELECT c.item_id, c.id
    FROM (SELECT i.id, sum(w.quantity) AS wanted FROM {_WISHES} JOIN item i ON i.sku = w.sku AND i.kind = 'code' GROUP BY i.id) AS w
    CROSS JOIN LATERAL (
        SELECT id, item_id FROM pool_code WHERE item_id = w.id AND redemption_id IS NULL ORDER BY id LIMIT w.wanted) AS c"""

_RESERVE = """
    SELECT array(SELECT nextval('redemption_id_seq') FROM generate_series(1, %(orders)s)),
        array(SELECT nextval('transfer_id_seq') FROM generate_series(1, %(orders)s)),
        array(SELECT nextval('voucher_id_seq') FROM generate_series(1, %(units)s))"""


async def load_state(
    connection: AsyncConnection[Any],
    requests: list[RedeemRequest],
    now: datetime,
    today: date,
    zone: ZoneInfo,
    *,
    payments_available: bool,
) -> tuple[DeskState, Ids]:
    """Begin a transaction, lock the accounts and stocks that the requests touch, load all that deciding needs, reserve ids.

    Raises psycopg's LockNotAvailable when a lock cannot be had in time.
    """
    values = {"wishes": encode_rows(requests), "today": today.isoformat()}
    counts = {"orders": len(requests), "units": sum(request.quantity for request in requests)}
    async with connection.pipeline():
        await connection.execute("BEGIN")
        await connection.execute(_LOCK_ACCOUNTS, values)
        of_members = (_MEMBERS, _LOTS, _LIMITS, _ANSWERS)
        members, lots, limits, answers = [await connection.execute(query, values) for query in of_members]
        reserved = await connection.execute(_RESERVE, counts)
        # The stock of a hot item is what everybody waits for: it is locked last, when all else has been read.
        await connection.execute(_LOCK_STOCKS, values)
        items, codes = [await connection.execute(query, values) for query in (_ITEMS, _POOL_CODES)]
    state = DeskState(
        now=now,
        today=today,
        members=await _read_members(members, lots),
        items={row[1]: ItemState(*row) for row in await items.fetchall()},
        used={(item, member, period): used for item, member, period, used in await limits.fetchall()},
        answers={(scope, key): msgspec.convert(answer, Answer) for scope, key, answer in await answers.fetchall()},
        pool_codes=await _read_codes(codes),
        zone=zone,
        payments_available=payments_available,
    )
    return state, Ids(*(await reserved.fetchone() or ([], [], [])))


async def _read_members(members: AsyncCursor[Any], lots: AsyncCursor[Any]) -> dict[str, MemberState]:
    lots_of: dict[int, list[OpenLot]] = {}
    for row in await lots.fetchall():
        lot = OpenLot(*row)
        lots_of.setdefault(lot.account_id, []).append(lot)
    return {
        external_id: MemberState(
            member_id, account_id, state, growth, rank, name_zh, name_en, lots_of.get(account_id, [])
        )
        for external_id, member_id, account_id, state, growth, rank, name_zh, name_en in await members.fetchall()
    }


async def _read_codes(codes: AsyncCursor[Any]) -> dict[int, Any]:
    found: dict[int, list[int]] = {}
    for item_id, code_id in await codes.fetchall():
        found.setdefault(item_id, []).append(code_id)
    return {item_id: iter(ids) for item_id, ids in found.items()}
