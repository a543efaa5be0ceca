"""Whether a voucher would be accepted: the reasons against it, in the order in which they are told."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct, convert
from psycopg import AsyncConnection
from psycopg.rows import class_row

from liyu.vouchers.errors import (
    AlreadyVerifiedError,
    AlreadyVerifiedSomewhereError,
    GiftPendingError,
    MemberFrozenError,
    NotActivatedError,
    NotYetValidError,
    NowhereTakenError,
    OtherStoreError,
    StaleTokenError,
    UnknownStoreError,
    UnknownVoucherError,
    VoucherCancelledError,
    VoucherExpiredError,
    VoucherRefusedError,
    WrongPartnerError,
    WrongStoreError,
)
from liyu.vouchers.facts import VoucherFacts, fetch_facts
from liyu.vouchers.tokens import Presented

MOST_NAMED = 4
"""Stores that a refusal names."""
NO_VOUCHER = 0
"""Stands for every unreadable code, so that it costs the same questions to the database as one that reads well."""


class TillStore(Struct):
    """The store at which the verifier stands."""

    id: int
    partner_id: int
    code: str
    name_zh: str
    name_en: str


class Asked(Struct, frozen=True):
    """Who asks where. `partner_id` None is the operator, who may verify the vouchers of any partner."""

    partner_id: int | None
    store: TillStore | None
    names_store: bool
    """Whether a store was named at all; without one that exists it is a wrong store, not a missing one."""
    now: datetime
    zone: ZoneInfo


class Known(Struct, frozen=True):
    """What the database says of a presented voucher: nothing, or its facts and what the decision needs beside them."""

    facts: VoucherFacts | None
    store_takes_it: bool
    taken_at: "list[StoreName]"
    """The first open stores that take it."""
    last_use: "LastUse | None"


class StoreName(Struct, array_like=True):
    """What a store is called."""

    zh: str
    en: str


class LastUse(Struct):
    """When and where a voucher was last verified and not taken back."""

    verified_at: datetime
    store_zh: str | None
    store_en: str | None


_STORE = """
    SELECT id, partner_id, code, name_zh, name_en FROM store
    WHERE active AND CASE WHEN %(code)s::text IS NULL THEN id = %(own)s ELSE upper(code) = upper(%(code)s) END"""

STORE_TAKES = """(v.partner_id IS NULL OR EXISTS (
    SELECT FROM store s WHERE s.id = %(store)s AND s.partner_id = v.partner_id AND (
        NOT EXISTS (SELECT FROM item_store t WHERE t.item_id = v.item_id)
        OR EXISTS (SELECT FROM item_store t WHERE t.item_id = v.item_id AND t.store_id = s.id))))"""
"""Whether the store takes the voucher `v`; the operator's own vouchers are taken anywhere."""

_TAKEN_AT = f"""
    SELECT {STORE_TAKES}, coalesce((SELECT json_agg(json_build_array(s.name_zh, s.name_en) ORDER BY s.id) FROM (
        SELECT s.id, s.name_zh, s.name_en FROM store s WHERE s.active AND s.partner_id = v.partner_id AND (
            NOT EXISTS (SELECT FROM item_store t WHERE t.item_id = v.item_id)
            OR EXISTS (SELECT FROM item_store t WHERE t.item_id = v.item_id AND t.store_id = s.id))
        ORDER BY s.id LIMIT {MOST_NAMED + 1}) AS s), '[]')
    FROM voucher v WHERE v.id = %(voucher)s"""

_LAST_USE = """
    SELECT f.verified_at, s.name_zh AS store_zh, s.name_en AS store_en
    FROM verification f LEFT JOIN store s ON s.id = f.store_id
    WHERE f.voucher_id = %(voucher)s AND f.undone_at IS NULL ORDER BY f.id DESC LIMIT 1"""


async def find_store(
    connection: AsyncConnection[Any], code: str | None, *, allowed_store_id: int | None
) -> TillStore | None:
    """The open store that a verifier named, or their own one; None when there is no such store or neither is given.

    A store that is not there is no fault of its own: whether it matters depends on the voucher, and a stranger's code must
    be answered the same at every store. Raises OtherStoreError when a cashier of one store names another.
    """
    code = (code or "").strip() or None
    if code is None and allowed_store_id is None:
        return None
    async with connection.cursor(row_factory=class_row(TillStore)) as cursor:
        await cursor.execute(_STORE, {"code": code, "own": allowed_store_id})
        store = await cursor.fetchone()
    if allowed_store_id is not None and (store is None or store.id != allowed_store_id):
        raise OtherStoreError
    return store


async def load_known(connection: AsyncConnection[Any], presented: Presented | None, asked: Asked) -> Known:
    """Ask the database about a presented voucher; it is asked the same for an unreadable one."""
    values = {
        "voucher": presented.voucher_id if presented else NO_VOUCHER,
        "generation": presented.generation if presented else 0,
        "store": asked.store.id if asked.store else None,
    }
    facts = await fetch_facts(connection, "WHERE v.id = %(voucher)s AND v.generation = %(generation)s", values)
    takes_it, taken_at = await (await connection.execute(_TAKEN_AT, values)).fetchone() or (False, [])
    async with connection.cursor(row_factory=class_row(LastUse)) as cursor:
        await cursor.execute(_LAST_USE, values)
        last_use = await cursor.fetchone()
    return Known(facts[0] if facts else None, bool(takes_it), convert(taken_at, list[StoreName]), last_use)


def find_refusal(presented: Presented | None, known: Known, asked: Asked) -> VoucherRefusedError | None:
    """The first reason against a voucher, or None. The order keeps a stranger from learning anything about it."""
    facts = known.facts
    if presented is None or facts is None:
        return UnknownVoucherError()
    if asked.partner_id is not None and facts.partner_id != asked.partner_id:
        return WrongPartnerError()
    return (
        _refuse_by_time(facts, asked)
        or _refuse_by_place(facts, known, asked)
        or _refuse_by_use(facts, known)
        or (StaleTokenError() if presented.stale else None)
    )


def _refuse_by_time(facts: VoucherFacts, asked: Asked) -> VoucherRefusedError | None:
    if facts.state == "cancelled":
        return VoucherCancelledError()
    if facts.state == "expired" or asked.now >= facts.expires_at:
        return VoucherExpiredError(day=facts.last_day(asked.zone))
    if asked.now < facts.issued_at:
        return NotYetValidError(starts=facts.issued_at)
    if facts.state == "offered":
        return GiftPendingError()
    if facts.state == "printed":
        return NotActivatedError()
    if facts.member_state == "frozen":
        return MemberFrozenError()
    return None


def _refuse_by_place(facts: VoucherFacts, known: Known, asked: Asked) -> VoucherRefusedError | None:
    if known.store_takes_it:
        return None
    if not asked.names_store:
        return UnknownStoreError()
    if not known.taken_at:
        return NowhereTakenError()
    return WrongStoreError(stores={"zh": _list_names(known, "、"), "en": _list_names(known, ", ")})


def _list_names(known: Known, separator: str) -> str:
    names = [one.zh if separator == "、" else one.en or one.zh for one in known.taken_at]
    return separator.join(names[:MOST_NAMED]) + ("…" if len(names) > MOST_NAMED else "")


def _refuse_by_use(facts: VoucherFacts, known: Known) -> VoucherRefusedError | None:
    last = known.last_use
    if facts.uses < facts.uses_allowed or last is None:
        return None
    if last.store_zh is None:
        return AlreadyVerifiedSomewhereError(used_at=last.verified_at)
    return AlreadyVerifiedError(used_at=last.verified_at, store={"zh": last.store_zh, "en": last.store_en})
