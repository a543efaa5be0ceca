"""Redemptions as other programs and operators see them; what members see of their own stands in `orders.py`."""

from datetime import date, datetime
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, structs
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from liyu.core.database import fetch_all
from liyu.core.errors import NotFoundError
from liyu.members.profile import parse_phone
from liyu.redemption.save import redeem_key
from liyu.redemption.states import GIVEN_BACK

Row = TypeVar("Row")


class VoucherRecord(Struct, frozen=True):
    """A voucher of a redemption; its code is made from the id."""

    id: int
    state: str
    expires_at: datetime
    uses: int
    uses_allowed: int
    generation: int = 0
    is_given_away: bool = False
    """Another member holds it by now, and its code is theirs."""
    frozen_at: datetime | None = None


class RedemptionRecord(Struct, frozen=True):
    """A redemption with its item and vouchers. `points` and `cash_minor` are for all units together."""

    id: int
    number: str
    state: str
    member: str
    member_id: int
    sku: str
    kind: str
    name_zh: str
    name_en: str
    partner_id: int | None
    quantity: int
    points: int
    cash_minor: int
    channel: str
    created_at: datetime
    vouchers: list[VoucherRecord]


_REDEMPTION = """
    SELECT r.id, r.number, r.state, m.external_id AS member, r.member_id,
        i.sku, i.kind, i.name_zh, i.name_en, i.partner_id, r.quantity,
        r.points, r.cash_minor, r.channel, r.created_at,
        (SELECT coalesce(json_agg(json_build_object('id', v.id, 'state', v.state, 'expires_at', v.expires_at,
                'uses', v.uses, 'uses_allowed', v.uses_allowed, 'generation', v.generation, 'frozen_at', v.frozen_at,
                'is_given_away', coalesce(v.holder_id <> v.member_id, false)) ORDER BY v.id), '[]')
            FROM voucher v WHERE v.redemption_id = r.id) AS vouchers
    FROM redemption r JOIN member m ON m.id = r.member_id JOIN item i ON i.id = r.item_id
    WHERE r.number = %(number)s AND (%(partner)s::bigint IS NULL OR i.partner_id = %(partner)s)"""


async def read_redemption(
    connection: AsyncConnection[Any], number: str, *, partner_id: int | None = None
) -> RedemptionRecord:
    """Any redemption, for hosts and operators; with `partner_id`, only one of that partner's items. Raises NotFoundError."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_REDEMPTION, {"number": number, "partner": partner_id})
        row = await cursor.fetchone()
    if row is None:
        raise NotFoundError
    return msgspec.convert(row, RedemptionRecord)


class RedemptionFilter(Struct, frozen=True):
    """Which redemptions operators look for: a text is a number, or a member's external id, phone, card or part of a name."""

    text: str = ""
    state: str | None = None
    kind: str | None = None
    sku: str | None = None
    member: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    partner: str | None = None
    """A partner's code."""
    hangs_since: datetime | None = None
    """Orders for which somebody should do something, and nothing has happened since then."""


class RedemptionLine(Struct, frozen=True):
    """A redemption in a list."""

    id: int
    number: str
    state: str
    kind: str
    sku: str
    name_zh: str
    name_en: str
    partner_zh: str | None
    partner_en: str | None
    member: str
    member_name: str | None
    quantity: int
    points: int
    cash_minor: int
    created_at: datetime


class RedemptionLines(Struct, frozen=True):
    """One page of redemptions, the newest first; `next` is the id behind which the following page begins."""

    lines: list[RedemptionLine]
    next: int | None


class LotTaken(Struct, frozen=True):
    """Points that a redemption took from one lot."""

    lot_id: int
    expires_on: date | None
    points: int


class StepLine(Struct, frozen=True):
    """One change of a redemption's state."""

    from_state: str | None
    to_state: str
    reason: str
    actor: str
    at: datetime


class UseLine(Struct, frozen=True):
    """One verification of a voucher; taken back when `undone_at` is set."""

    voucher_id: int
    use_number: int
    store_zh: str | None
    store_en: str | None
    verifier: str
    verified_at: datetime
    undone_at: datetime | None
    undo_reason: str | None


class RedemptionTrail(Struct, frozen=True):
    """Where a redemption's points came from, and what happened to it since."""

    lots: list[LotTaken]
    steps: list[StepLine]
    uses: list[UseLine]
    codes: int
    """Pool codes that were given out with it."""


class DayCounts(Struct, frozen=True):
    """Redemptions of today so far, and of the same weekday last week up to the same time; without those given back."""

    today: int
    week_before: int


_WANTED = """
    FROM redemption r JOIN member m ON m.id = r.member_id JOIN item i ON i.id = r.item_id LEFT JOIN partner p ON p.id = i.partner_id
    WHERE (%(text)s = '' OR r.number = upper(%(text)s) OR m.external_id = %(text)s OR m.card_number = %(text)s
            OR m.phone = %(phone)s OR strpos(lower(m.name), lower(%(text)s)) > 0)
        AND (%(state)s::text IS NULL OR r.state = %(state)s) AND (%(kind)s::text IS NULL OR i.kind = %(kind)s)
        AND (%(sku)s::text IS NULL OR i.sku = %(sku)s) AND (%(member)s::text IS NULL OR m.external_id = %(member)s)
        AND (%(since)s::timestamptz IS NULL OR r.created_at >= %(since)s)
        AND (%(until)s::timestamptz IS NULL OR r.created_at < %(until)s)
        AND (%(partner)s::text IS NULL OR p.code = %(partner)s)
        AND (%(hangs_since)s::timestamptz IS NULL OR (
            (r.state = 'held' OR (r.state IN ('confirmed', 'fulfilling') AND i.kind IN ('goods', 'top_up')))
            AND (SELECT max(t.at) FROM redemption_transition t WHERE t.redemption_id = r.id) <= %(hangs_since)s))"""
_LINE = """
    SELECT r.id, r.number, r.state, i.kind, i.sku, i.name_zh, i.name_en, p.name_zh AS partner_zh, p.name_en AS partner_en,
        m.external_id AS member, m.name AS member_name, r.quantity, r.points, r.cash_minor, r.created_at"""
_LIST = f"""{_LINE}
    {_WANTED} AND (%(after)s::bigint IS NULL OR r.id < %(after)s) ORDER BY r.id DESC LIMIT %(most)s"""

_CHOSEN = f"""{_LINE}
    FROM redemption r JOIN member m ON m.id = r.member_id JOIN item i ON i.id = r.item_id LEFT JOIN partner p ON p.id = i.partner_id
    WHERE r.number = ANY(%(numbers)s) AND (%(partner)s::bigint IS NULL OR i.partner_id = %(partner)s) ORDER BY r.id DESC"""

_LOTS = """
    SELECT l.id AS lot_id, l.expires_on, -e.amount AS points
    FROM transfer t JOIN lot_entry e ON e.transfer_id = t.id JOIN lot l ON l.id = e.lot_id
    WHERE t.key = %s ORDER BY l.expires_on NULLS LAST, l.id"""

_STEPS = """
    SELECT from_state, to_state, reason, actor, at FROM redemption_transition WHERE redemption_id = %s ORDER BY id DESC"""

_USES = """
    SELECT f.voucher_id, f.use_number, s.name_zh AS store_zh, s.name_en AS store_en, f.verifier, f.verified_at, f.undone_at,
        f.undo_reason
    FROM voucher v JOIN verification f ON f.voucher_id = v.id LEFT JOIN store s ON s.id = f.store_id
    WHERE v.redemption_id = %s ORDER BY f.id DESC"""

_COUNTS = """
    SELECT count(*) FILTER (WHERE created_at >= %(today)s) AS today,
        count(*) FILTER (WHERE created_at < %(week_before_now)s) AS week_before
    FROM redemption WHERE (created_at >= %(today)s OR (created_at >= %(week_before)s AND created_at < %(week_before_now)s))
        AND state <> ALL(%(given_back)s)"""


async def list_redemptions(
    connection: AsyncConnection[Any], wanted: RedemptionFilter, *, after: int | None = None, size: int = 50
) -> RedemptionLines:
    """For operators: one page of the redemptions that the filter leaves, the newest first."""
    values = {**_values(wanted), "after": after, "most": size + 1}
    lines = await _rows(connection, RedemptionLine, _LIST, values)
    return RedemptionLines(lines[:size], lines[size - 1].id if len(lines) > size else None)


async def list_by_numbers(
    connection: AsyncConnection[Any], numbers: list[str], *, partner_id: int | None = None
) -> list[RedemptionLine]:
    """Those of the named redemptions that there are, the newest first; with `partner_id`, only of that partner's items."""
    return await _rows(connection, RedemptionLine, _CHOSEN, {"numbers": numbers, "partner": partner_id})


async def count_redemptions(connection: AsyncConnection[Any], wanted: RedemptionFilter) -> int:
    """For operators: how many redemptions the filter leaves."""
    found = await connection.execute(f"SELECT count(*) {_WANTED}", _values(wanted))
    return int((await found.fetchone() or (0,))[0])


def _values(wanted: RedemptionFilter) -> dict[str, Any]:
    text = wanted.text.replace("\0", "").strip()
    return {**structs.asdict(wanted), "text": text, "phone": parse_phone(text)}


async def redemption_trail(connection: AsyncConnection[Any], redemption_id: int) -> RedemptionTrail:
    """For operators: the lots, the history and the uses of a redemption."""
    found = await connection.execute(
        "SELECT count(*) FROM pool_code WHERE redemption_id = %s AND replaced_by IS NULL", (redemption_id,)
    )
    return RedemptionTrail(
        lots=await _rows(connection, LotTaken, _LOTS, (redeem_key(redemption_id),)),
        steps=await _rows(connection, StepLine, _STEPS, (redemption_id,)),
        uses=await _rows(connection, UseLine, _USES, (redemption_id,)),
        codes=(await found.fetchone() or (0,))[0],
    )


async def count_today(
    connection: AsyncConnection[Any], today: datetime, week_before: datetime, week_before_now: datetime
) -> DayCounts:
    """How many redemptions there are since `today` began, and between the two instants of last week."""
    values = {
        "today": today, "week_before": week_before, "week_before_now": week_before_now, "given_back": list(GIVEN_BACK),
    }  # fmt: skip
    return (await _rows(connection, DayCounts, _COUNTS, values))[0]


async def _rows(connection: AsyncConnection[Any], row: type[Row], query: str, values: Any) -> list[Row]:
    return await fetch_all(connection, row, query, values)
