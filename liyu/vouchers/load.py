"""Lock, then load: what a batch of presented vouchers needs, in one round trip of pipelined statements.

Locks are taken in the order of `docs/algorithms/desk.md`: redemptions by id, since the vouchers of one complete it together, and
then vouchers by id. What is read under a lock is read by a later statement.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct
from psycopg import AsyncConnection, AsyncCursor

from liyu.core.clock import local_date
from liyu.core.limits import READ_WINDOWS, Subject, Windows
from liyu.core.webhooks.messages import HEARS_ANYBODY
from liyu.vouchers.state import DayLimit, Done, ItemTerms, PartnerName, StoreName, TillState, TillStore, VoucherState

MOST_NAMED = 4
"""Stores that a refusal names."""
NO_VOUCHER = 0
"""Stands for every unreadable code, so that it costs the same questions to the database as one that reads well."""

_LOCK_REDEMPTIONS = """
    SELECT r.id FROM redemption r
    WHERE r.id IN (SELECT v.redemption_id FROM voucher v WHERE v.id = ANY(%(vouchers)b::bigint[]))
    ORDER BY r.id FOR UPDATE"""

_LOCK_VOUCHERS = "SELECT v.id FROM voucher v WHERE v.id = ANY(%(vouchers)b::bigint[]) ORDER BY v.id FOR UPDATE"

_LAST_USE = """
    SELECT json_build_array(f.verified_at, CASE WHEN s.id IS NOT NULL THEN json_build_array(s.name_zh, s.name_en) END)
    FROM verification f LEFT JOIN store s ON s.id = f.store_id
    WHERE f.voucher_id = v.id AND f.undone_at IS NULL ORDER BY f.id DESC LIMIT 1"""

_VOUCHERS = f"""
    SELECT json_object_agg(v.id, json_build_array(
        v.id, v.generation, v.redemption_id, v.item_id, v.partner_id, v.agreement_line_id, v.state, v.uses, v.uses_allowed,
        v.issued_at, v.expires_at, v.frozen_at IS NOT NULL, v.paper_until, m.id, m.state, m.name,
        CASE WHEN v.uses >= v.uses_allowed THEN ({_LAST_USE}) END))
    FROM voucher v LEFT JOIN member m ON m.id = coalesce(v.holder_id, v.member_id)
    WHERE v.id = ANY(%(vouchers)b::bigint[])"""

_ITEMS = """
    SELECT json_object_agg(i.id, json_build_array(
        i.sku, i.name_zh, i.name_en, (SELECT json_agg(t.store_id) FROM item_store t WHERE t.item_id = i.id),
        (SELECT json_build_array(t.usable_from, t.uses_a_day, t.member_uses_a_day, t.paper_confirmed,
                t.store_uses_a_day)
            FROM till_rule t WHERE t.item_id = i.id)))
    FROM item i WHERE i.id IN (SELECT v.item_id FROM voucher v WHERE v.id = ANY(%(vouchers)b::bigint[]))"""

_PARTNERS = """
    SELECT json_object_agg(p.id, json_build_array(p.code, p.name_zh, p.name_en))
    FROM partner p WHERE p.id IN (SELECT v.partner_id FROM voucher v WHERE v.id = ANY(%(vouchers)b::bigint[]))"""

_STORES = """
    SELECT json_agg(json_build_array(s.id, s.partner_id, s.code, s.name_zh, s.name_en) ORDER BY s.id)
    FROM store s WHERE s.active AND (upper(s.code) = ANY(%(codes)b::text[]) OR s.id = ANY(%(stores)b::bigint[]))"""

# The table grows for ever and what is looked up in it is new: whatever the planner believes of its size, each nonce is a look-up
# by key. OFFSET 0 keeps it from turning the question around.
_DONE = """
    SELECT json_agg(json_build_array(w.verifier, w.nonce, json_build_array(
        f.id, f.voucher_id, f.use_number, f.verified_at, f.undone_at, s.code,
        CASE WHEN s.id IS NOT NULL THEN json_build_array(s.name_zh, s.name_en) END)))
    FROM unnest(%(verifiers)b::text[], %(nonces)b::text[]) AS w(verifier, nonce)
    CROSS JOIN LATERAL (
        SELECT * FROM verification f WHERE f.verifier = w.verifier AND f.nonce = w.nonce OFFSET 0) AS f
    LEFT JOIN store s ON s.id = f.store_id"""

_LOAD = f"""
    SELECT json_build_object('vouchers', ({_VOUCHERS}), 'items', ({_ITEMS}), 'partners', ({_PARTNERS}), 'stores', ({_STORES}),
        'done', ({_DONE}), 'windows', ({READ_WINDOWS}), 'is_heard', {HEARS_ANYBODY},
        'ids', ARRAY(SELECT nextval('verification_id_seq') FROM generate_series(1, %(count)s)))::text"""

_TAKEN_AT = f"""
    SELECT json_object_agg(v.id, (
        SELECT coalesce(json_agg(json_build_array(s.name_zh, s.name_en) ORDER BY s.id), '[]') FROM (
            SELECT s.id, s.name_zh, s.name_en FROM store s WHERE s.active AND s.partner_id = v.partner_id AND (
                NOT EXISTS (SELECT FROM item_store t WHERE t.item_id = v.item_id)
                OR EXISTS (SELECT FROM item_store t WHERE t.item_id = v.item_id AND t.store_id = s.id))
            ORDER BY s.id LIMIT {MOST_NAMED + 1}) AS s))::text
    FROM voucher v WHERE v.id = ANY(%(vouchers)b::bigint[])"""


_USED_TODAY = """
    SELECT d.item_id, d.counted, d.used FROM unnest(%(items)s::bigint[], %(counted)s::text[]) AS w(item_id, counted)
    JOIN till_day_use d ON d.item_id = w.item_id AND d.counted = w.counted AND d.day = %(day)s"""


class Question(Struct, frozen=True):
    """What must be known to answer one till."""

    voucher_id: int
    """`NO_VOUCHER` for what is no voucher's."""
    verifier: str
    nonce: str
    store_code: str | None
    store_id: int | None
    """The only store of a cashier who is bound to one."""
    subjects: tuple[Subject, ...] = ()
    """Under which limits unknown codes are counted."""
    pin_tries: tuple[Subject, ...] = ()
    """Under which wrong PINs are; none where no PIN was told."""


class _Loaded(Struct):
    """The answer of `_LOAD`. What is not there is null."""

    vouchers: dict[int, VoucherState] | None
    items: dict[int, ItemTerms] | None
    partners: dict[int, PartnerName] | None
    stores: list[TillStore] | None
    done: list[tuple[str, str, Done]] | None
    windows: list[tuple[str, str, datetime, int]] | None
    is_heard: bool
    ids: list[int]


_loaded = msgspec.json.Decoder(_Loaded)
_taken_at = msgspec.json.Decoder(dict[int, list[StoreName]])


async def load_state(
    connection: AsyncConnection[Any],
    questions: Sequence[Question],
    now: datetime,
    zone: ZoneInfo,
    *,
    locked: bool,
    begin: bool = False,
) -> tuple[TillState, list[int]]:
    """All that deciding needs, and as many fresh ids of verifications as there are questions; `begin` opens the transaction.

    With `locked`, redemptions and vouchers are locked before. Raises psycopg's LockNotAvailable when a lock cannot be had in time.
    """
    subjects = {subject for question in questions for subject in (*question.subjects, *question.pin_tries)}
    values = {
        "vouchers": sorted({question.voucher_id for question in questions}),
        "codes": sorted({question.store_code.upper() for question in questions if question.store_code}),
        "stores": sorted({question.store_id for question in questions if question.store_id is not None}),
        "verifiers": [question.verifier for question in questions],
        "nonces": [question.nonce for question in questions],
        "limits": [name for name, _ in subjects],
        "subjects": [subject for _, subject in subjects],
        "count": len(questions) if locked else 0,
    }
    async with connection.pipeline():
        if begin:
            await connection.execute("BEGIN")
        if locked:
            await connection.execute(_LOCK_REDEMPTIONS, values)
            await connection.execute(_LOCK_VOUCHERS, values)
        answer = await connection.execute(_LOAD, values)
    loaded = _loaded.decode(await _text_of(answer))
    windows = {(name, subject): (began, hits) for name, subject, began, hits in loaded.windows or ()}
    state = TillState(
        now=now,
        zone=zone,
        vouchers=loaded.vouchers or {},
        items=loaded.items or {},
        partners=loaded.partners or {},
        stores=loaded.stores or [],
        done={(verifier, nonce): done for verifier, nonce, done in loaded.done or ()},
        guesses=Windows(now, windows),
        is_heard=loaded.is_heard,
    )
    return state, loaded.ids[::-1]


async def name_stores(connection: AsyncConnection[Any], state: TillState, vouchers: list[int]) -> None:
    """Read where vouchers are taken that were shown at a store that does not take them."""
    if vouchers:
        answer = await connection.execute(_TAKEN_AT, {"vouchers": vouchers})
        state.taken_at = _taken_at.decode(await _text_of(answer))


async def count_uses_of_the_day(
    connection: AsyncConnection[Any], state: TillState, limits: Collection[DayLimit]
) -> None:
    """Read how often was used today what has a limit for the day."""
    if limits:
        values = {
            "items": [limit.item_id for limit in limits],
            "counted": [limit.counted for limit in limits],
            "day": local_date(state.now, state.zone),
        }
        found = await connection.execute(_USED_TODAY, values)
        state.used_today = {(item, counted): used for item, counted, used in await found.fetchall()}


async def _text_of(answer: AsyncCursor[Any]) -> str:
    """The JSON document that is all of an answer."""
    row = await answer.fetchone()
    assert row is not None
    return str(row[0])
