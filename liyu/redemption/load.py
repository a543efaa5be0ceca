"""Lock, then load: what a batch needs, in one round trip of pipelined statements.

Locks are always taken in this order, everywhere: member accounts by id, then item stocks by id. What is read under a lock is
read by a later statement, so that it is what the last holder of the lock has committed.
"""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct
from psycopg import AsyncConnection, AsyncCursor

from liyu.catalog.pools.models import FREE
from liyu.redemption.drops.offers import read_offers
from liyu.redemption.state import DeskState, Ids, ItemState, KeptAnswer, MemberState, PersonState, RedeemRequest

SCARCE = 4
"""Stock counts as scarce when it would not last for so many batches that want as much as this one."""

_LOCK_ACCOUNTS = """
    SELECT a.id FROM account a
    WHERE a.kind = 'member_points' AND a.member_id IN (
        SELECT coalesce(merged_into, id) FROM member WHERE external_id = ANY(%(members)b::text[]))
    ORDER BY a.id FOR UPDATE"""

LOCK_STOCKS = "SELECT item_id FROM item_stock WHERE item_id = ANY(%(items)b::bigint[]) ORDER BY item_id FOR UPDATE"

_WISHES = """
    SELECT m.external_id, coalesce(m.merged_into, m.id) AS member_id, coalesce(i.variant_of, i.id) AS limits_id
    FROM unnest(%(wished_by)b::text[], %(wished)b::text[]) AS w(member, sku)
    JOIN member m ON m.external_id = w.member LEFT JOIN item i ON i.sku = w.sku"""

_MEMBERS = """
    SELECT json_object_agg(k.external_id, json_build_array(
        m.id, a.id, m.state, m.growth, t.rank, t.name_zh, t.name_en,
        ARRAY(SELECT json_build_array(l.id, l.account_id, l.expires_on, l.remaining)
            FROM lot l WHERE l.account_id = a.id AND l.remaining > 0)))
    FROM wish AS k JOIN member m ON m.id = k.member_id
    JOIN tier t ON t.id = m.tier_id JOIN account a ON a.member_id = m.id AND a.kind = 'member_points'"""

_ITEMS = """
    SELECT json_object_agg(i.sku, json_build_array(
        i.id, i.sku, i.kind, i.state, i.points, i.cash_minor, s.total, s.taken, i.on_sale_from, i.on_sale_to,
        i.per_member_limit, i.per_day_limit, coalesce(t.rank, 0), coalesce(t.threshold, 0),
        coalesce(t.name_zh, ''), coalesce(t.name_en, ''), i.partner_id, coalesce(p.state = 'active', true),
        i.agreement_line_id, i.voucher_days, i.uses, i.variant_of, i.per_order_limit, i.per_person_limit,
        CASE WHEN i.tier_points IS NOT NULL THEN (
            SELECT json_agg(json_build_array(y.rank, x.points) ORDER BY y.rank)
            FROM jsonb_to_recordset(i.tier_points) AS x(tier_id bigint, points bigint) JOIN tier y ON y.id = x.tier_id) END,
        CASE WHEN i.tag_ids IS NOT NULL THEN (
            SELECT json_agg(json_build_array(g.id, g.name_zh, g.name_en) ORDER BY g.id)
            FROM tag g WHERE i.tag_ids @> to_jsonb(g.id)) END,
        i.cities))
    FROM item i JOIN item_stock s ON s.item_id = i.id
    LEFT JOIN tier t ON t.id = i.tier_id LEFT JOIN partner p ON p.id = i.partner_id
    WHERE i.sku = ANY(%(skus)b::text[])"""

# The tables below grow for ever and what is looked up in them is new: whatever the planner believes of their size, each wish
# is a look-up by key. OFFSET 0 keeps it from turning the question around.
_USED = """
    SELECT json_agg(json_build_array(u.item_id, u.member_id, u.period, u.used))
    FROM wish AS w
    CROSS JOIN LATERAL (
        SELECT * FROM limit_use u
        WHERE u.item_id = w.limits_id AND u.member_id = w.member_id AND u.period IN ('', %(today)s) OFFSET 0) AS u"""

_ANSWERS = """
    SELECT json_agg(json_build_array(a.scope, a.key, json_build_array(a.body_hash, a.answer)))
    FROM unnest(%(scopes)b::text[], %(keys)b::text[]) AS w(scope, key)
    CROSS JOIN LATERAL (
        SELECT * FROM idempotent_answer a WHERE a.scope = w.scope AND a.key = w.key OFFSET 0) AS a"""

_RESERVED = """
    SELECT json_build_array(
        ARRAY(SELECT nextval('redemption_id_seq') FROM generate_series(1, %(orders)s)),
        ARRAY(SELECT nextval('transfer_id_seq') FROM generate_series(1, %(orders)s)),
        ARRAY(SELECT nextval('voucher_id_seq') FROM generate_series(1, %(units)s)))"""

_LOAD = f"""
    WITH wish AS MATERIALIZED ({_WISHES})
    SELECT json_build_object('members', ({_MEMBERS}), 'items', ({_ITEMS}), 'used', ({_USED}), 'answers', ({_ANSWERS}),
        'ids', ({_RESERVED}))::text"""

_FREE_CODES = f"""
    SELECT json_object_agg(w.id, ARRAY(
        SELECT c.id FROM pool_code c WHERE c.item_id = w.id AND {FREE}
        ORDER BY c.id LIMIT w.quantity))
    FROM unnest(%(items_with_codes)b::bigint[], %(wanted)b::bigint[]) AS w(id, quantity)"""

_LOAD_STOCKS = f"SELECT json_build_object('items', ({_ITEMS}), 'codes', ({_FREE_CODES}))::text"

# Whoever gives or takes a tag by hand holds the account; a tag's rule takes it from everybody at once, and waits for these rows.
_PEOPLE = """
    SELECT json_object_agg(k.external_id, json_build_array(coalesce(m.person_id, m.id), m.city,
        ARRAY(SELECT t.tag_id FROM member_tag t WHERE t.member_id = m.id FOR KEY SHARE)))
    FROM member k JOIN member m ON m.id = coalesce(k.merged_into, k.id) WHERE k.external_id = ANY(%(members)b::text[])"""

_USED_BY_PEOPLE = """
    SELECT json_agg(json_build_array(u.item_id, u.member_id, u.period, u.used))
    FROM unnest(%(members)b::text[]) AS w(member) JOIN member k ON k.external_id = w.member
    JOIN member m ON m.id = coalesce(k.merged_into, k.id)
    CROSS JOIN (SELECT DISTINCT coalesce(variant_of, id) AS id FROM item WHERE sku = ANY(%(skus)b::text[])) AS i
    CROSS JOIN LATERAL (
        SELECT * FROM limit_use u
        WHERE u.item_id = i.id AND u.member_id = coalesce(m.person_id, m.id) AND u.period = 'person' OFFSET 0) AS u"""

_LOAD_STOCKS_AND_PEOPLE = f"""
    SELECT json_build_object('items', ({_ITEMS}), 'codes', ({_FREE_CODES}), 'people', ({_PEOPLE}),
        'used', ({_USED_BY_PEOPLE}))::text"""


class MergedMeanwhileError(Exception):
    """Somebody was merged into another member while their account was waited for: other accounts must be locked."""


class _Loaded(Struct):
    """The answer of `_LOAD`. What is not there is null."""

    members: dict[str, MemberState] | None
    items: dict[str, ItemState] | None
    used: list[tuple[int, int, str, int]] | None
    answers: list[tuple[str, str, KeptAnswer]] | None
    ids: Ids


class _LoadedStocks(Struct):
    """The answer of `_LOAD_STOCKS`."""

    items: dict[str, ItemState] | None
    codes: dict[int, list[int]] | None
    people: dict[str, PersonState] | None = None
    used: list[tuple[int, int, str, int]] | None = None


_loaded = msgspec.json.Decoder(_Loaded)
_loaded_stocks = msgspec.json.Decoder(_LoadedStocks)


async def load_state(
    connection: AsyncConnection[Any],
    requests: list[RedeemRequest],
    now: datetime,
    today: date,
    zone: ZoneInfo,
    *,
    payments_available: bool,
) -> tuple[DeskState, Ids]:
    """Begin a transaction, lock the members' accounts, load all that deciding needs, reserve ids. Stocks are not locked yet.

    The external id of a member who was merged leads to the one who lives on. Raises psycopg's LockNotAvailable when a lock
    cannot be had in time, and MergedMeanwhileError.
    """
    wishes = {(request.member, request.sku) for request in requests}
    values = {
        "members": sorted({member for member, _ in wishes}),
        "skus": sorted({sku for _, sku in wishes}),
        "wished_by": [member for member, _ in wishes],
        "wished": [sku for _, sku in wishes],
        "today": today.isoformat(),
        "scopes": [request.scope for request in requests],
        "keys": [request.key for request in requests],
        "orders": len(requests),
        "units": sum(request.quantity for request in requests),
    }
    async with connection.pipeline():
        await connection.execute("BEGIN")
        accounts = await connection.execute(_LOCK_ACCOUNTS, values)
        answer = await connection.execute(_LOAD, values)
    loaded = _loaded.decode(await _text_of(answer))
    locked = {row[0] for row in await accounts.fetchall()}
    if any(member.account_id not in locked for member in (loaded.members or {}).values()):
        raise MergedMeanwhileError
    state = DeskState(
        now=now,
        today=today,
        members=loaded.members or {},
        items=loaded.items or {},
        used={(item, member, period): used for item, member, period, used in loaded.used or ()},
        answers={(scope, key): kept for scope, key, kept in loaded.answers or ()},
        pool_codes={},
        zone=zone,
        payments_available=payments_available,
    )
    return state, loaded.ids


def is_contested(state: DeskState, requests: list[RedeemRequest]) -> bool:
    """Whether stock must be locked before it is decided on: it is scarce, its units are codes, each of which is one of a kind, the
    item asks who it is (a person's memberships have accounts of their own, so the item's lock is what they meet at), or something
    is kept for who asks.

    Plenty of stock is claimed at the end instead, so that nobody waits for a hot item while others are decided and saved.
    """
    wanted = _wanted_units(state, requests)
    return (
        len(requests) == 1
        or any(_is_scarce(item, wanted[item.id]) for item in state.items.values())
        or any(request.offer is not None for request in requests)
    )


def _is_scarce(item: ItemState, wanted: int) -> bool:
    return (
        item.kind == "code"
        or item.asks_who_it_is
        or (item.total is not None and 0 < item.total - item.taken < SCARCE * wanted)
    )


async def lock_and_read_stocks(
    connection: AsyncConnection[Any], state: DeskState, requests: list[RedeemRequest]
) -> None:
    """Lock the stocks of all items that the requests touch, and read the items and their free codes anew; for items that ask who
    it is, also the people behind the members and what they have used.

    Raises psycopg's LockNotAvailable when a lock cannot be had in time.
    """
    wanted = _wanted_units(state, requests)
    codes = [item.id for item in state.items.values() if item.kind == "code"]
    values: dict[str, Any] = {
        "skus": list(state.items), "items_with_codes": codes, "wanted": [wanted[item] for item in codes]
    }  # fmt: skip
    statement = _LOAD_STOCKS
    if any(item.asks_who_it_is for item in state.items.values()):
        statement, values["members"] = _LOAD_STOCKS_AND_PEOPLE, list(state.members)
    async with connection.pipeline():
        await connection.execute(LOCK_STOCKS, {"items": list(wanted)})
        answer = await connection.execute(statement, values)
    loaded = _loaded_stocks.decode(await _text_of(answer))
    state.items = loaded.items or {}
    state.people = loaded.people or {}
    state.used |= {(item, holder, period): used for item, holder, period, used in loaded.used or ()}
    state.pool_codes = {item: iter(free) for item, free in (loaded.codes or {}).items()}
    if offers := [request.offer for request in requests if request.offer is not None]:
        state.offers = await read_offers(connection, offers)


def _wanted_units(state: DeskState, requests: list[RedeemRequest]) -> dict[int, int]:
    wanted = {item.id: 0 for item in state.items.values()}
    for request in requests:
        if request.sku in state.items:
            wanted[state.items[request.sku].id] += request.quantity
    return wanted


async def _text_of(answer: AsyncCursor[Any]) -> str:
    """The JSON document that is all of an answer."""
    row = await answer.fetchone()
    assert row is not None
    return str(row[0])
