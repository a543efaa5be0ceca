"""Reads of vouchers for operators: the list with its filters, and everything that happened to one."""

from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct, structs
from psycopg import AsyncConnection

from liyu.core.database import fetch_all
from liyu.core.errors import NotFoundError
from liyu.members.service.finder import MemberFilter, list_members
from liyu.vouchers.facts import VoucherFacts, fetch_facts

PAGE = 50
GROUPS = ("usable", "offered", "frozen", "used_up", "expired", "cancelled", "printed")


class VoucherFilter(Struct, frozen=True):
    """What to look for. `voucher_id` stands for a code or a number that was typed in; then `text` is empty."""

    text: str = ""
    voucher_id: int | None = None
    sku: str | None = None
    group: str | None = None
    ends_before: datetime | None = None


class VoucherLine(Struct, frozen=True):
    """One voucher in the list."""

    id: int
    sku: str
    item_zh: str
    item_en: str
    partner_zh: str | None
    partner_en: str | None
    redemption_number: str | None
    run_number: int | None
    holder: str | None
    holder_name: str | None
    is_given: bool
    state: str
    frozen_at: datetime | None
    uses: int
    uses_allowed: int
    expires_at: datetime

    @property
    def last_moment(self) -> datetime:
        """It lies on the last day; the instant at which it runs out is the midnight that ends it."""
        return self.expires_at - timedelta(microseconds=1)


class VoucherEvent(Struct, frozen=True):
    """Something that happened to a voucher. `kind` is `issued`, `step`, `change`, `use`, `undo` or `gift`; `what` says more."""

    kind: str
    what: str
    at: datetime
    actor: str
    reason: str
    before: datetime | None
    after: datetime | None
    store_zh: str | None
    store_en: str | None


_GROUPS = {
    "usable": "v.state IN ('issued', 'partly_used') AND v.frozen_at IS NULL AND v.expires_at > %(now)s",
    "offered": "v.state = 'offered'",
    "frozen": "v.frozen_at IS NOT NULL",
    "used_up": "v.state = 'used_up'",
    "expired": "(v.state = 'expired' OR (v.state IN ('issued', 'partly_used') AND v.expires_at <= %(now)s))",
    "cancelled": "v.state = 'cancelled'",
    "printed": "v.state = 'printed'",
}

_LIST = """
    SELECT v.id, i.sku, i.name_zh AS item_zh, i.name_en AS item_en, p.name_zh AS partner_zh, p.name_en AS partner_en,
        r.number AS redemption_number, v.run_number, m.external_id AS holder, m.name AS holder_name,
        coalesce(v.holder_id <> v.member_id, v.holder_id IS NOT NULL) AS is_given, v.state, v.frozen_at, v.uses,
        v.uses_allowed, v.expires_at
    FROM voucher v JOIN item i ON i.id = v.item_id LEFT JOIN partner p ON p.id = v.partner_id
    LEFT JOIN redemption r ON r.id = v.redemption_id LEFT JOIN member m ON m.id = coalesce(v.holder_id, v.member_id)
    WHERE {conditions} ORDER BY v.id DESC LIMIT %(most)s"""

_CONDITIONS = {
    "voucher_id": "v.id = %(voucher_id)s",
    "sku": "i.sku = %(sku)s",
    "ends_before": "v.expires_at > %(now)s AND v.expires_at <= %(ends_before)s",
    "after": "v.id < %(after)s",
    # Each part by an index of its own: a list of a million is not read for one voucher.
    "text": """v.id IN (
            SELECT o.id FROM redemption x JOIN voucher o ON o.redemption_id = x.id WHERE x.number = upper(%(text)s)
            UNION ALL SELECT id FROM voucher WHERE member_id = ANY(%(members)s) AND holder_id IS NULL
            UNION ALL SELECT id FROM voucher WHERE holder_id = ANY(%(members)s))""",
}
_MOST_MEMBERS = 200
"""So many members that fit a text are looked into: a commoner name wants more of it."""

_EVENTS = """
    SELECT 'step' AS kind, to_state AS what, at, actor, reason, NULL::timestamptz AS before, NULL::timestamptz AS after,
        NULL AS store_zh, NULL AS store_en FROM voucher_transition
    WHERE voucher_id = %(voucher)s AND reason NOT IN ('verified', 'gift', 'gift_accepted', 'gift_taken_back', 'gift_lapsed')
        AND NOT (from_state = 'used_up' AND to_state IN ('issued', 'partly_used'))
    UNION ALL SELECT 'change', change, at, actor, reason, expires_before, expires_after, NULL, NULL
    FROM voucher_change WHERE voucher_id = %(voucher)s
    UNION ALL SELECT 'use', use_number::text, f.verified_at, f.verifier, '', NULL, NULL, s.name_zh, s.name_en
    FROM verification f LEFT JOIN store s ON s.id = f.store_id WHERE f.voucher_id = %(voucher)s
    UNION ALL SELECT 'undo', use_number::text, f.undone_at, f.undone_by, f.undo_reason, NULL, NULL, s.name_zh, s.name_en
    FROM verification f LEFT JOIN store s ON s.id = f.store_id WHERE f.voucher_id = %(voucher)s AND f.undone_at IS NOT NULL
    UNION ALL SELECT 'gift', 'open', offered_at, 'member:' || giver_id, '', NULL, expires_at, NULL, NULL
    FROM voucher_gift WHERE voucher_id = %(voucher)s
    UNION ALL SELECT 'gift', state, decided_at, CASE state WHEN 'accepted' THEN 'member:' || receiver_id
        WHEN 'taken_back' THEN 'member:' || giver_id ELSE 'system' END, '', NULL, NULL, NULL, NULL
    FROM voucher_gift WHERE voucher_id = %(voucher)s AND state <> 'open'
    UNION ALL SELECT 'issued', v.state, v.issued_at, coalesce(
            (SELECT o.actor FROM redemption_transition o WHERE o.redemption_id = v.redemption_id ORDER BY o.id LIMIT 1), 'system'
        ), '', NULL, NULL, NULL, NULL
    FROM voucher v WHERE v.id = %(voucher)s
    ORDER BY at DESC, kind"""
_VOUCHERS_OF_USES = "SELECT 'verification:' || id, voucher_id FROM verification WHERE id = ANY(%s)"


async def list_vouchers(
    connection: AsyncConnection[Any], wanted: VoucherFilter, *, now: datetime, after: int | None = None
) -> tuple[list[VoucherLine], int | None]:
    """One page of vouchers, the newest first, and the cursor of the next page.

    A text is an order's number, or finds members as their own list does.
    """
    values: dict[str, Any] = {"after": after, **structs.asdict(wanted)}
    conditions = [condition for name, condition in _CONDITIONS.items() if values[name] not in (None, "")]
    conditions.append(_GROUPS[wanted.group] if wanted.group else "true")
    values |= {"now": now, "most": PAGE + 1, "members": await _find_members(connection, wanted.text)}
    found = await fetch_all(connection, VoucherLine, _LIST.format(conditions=" AND ".join(conditions)), values)
    return found[:PAGE], found[PAGE - 1].id if len(found) > PAGE else None


async def _find_members(connection: AsyncConnection[Any], text: str) -> list[int]:
    if not text:
        return []
    found = await list_members(connection, MemberFilter(text=text), size=_MOST_MEMBERS)
    return [line.id for line in found.lines]


async def read_voucher(connection: AsyncConnection[Any], voucher_id: int) -> VoucherFacts:
    """One voucher with everything around it, for operators. Raises NotFoundError."""
    found = await fetch_facts(connection, "WHERE v.id = %(voucher)s", {"voucher": voucher_id})
    if not found:
        raise NotFoundError
    return found[0]


async def voucher_history(connection: AsyncConnection[Any], voucher_id: int) -> list[VoucherEvent]:
    """Everything that happened to a voucher, the latest first."""
    return await fetch_all(connection, VoucherEvent, _EVENTS, {"voucher": voucher_id})


async def item_id_of(connection: AsyncConnection[Any], sku: str) -> int:
    """The id of an item by its number. Raises NotFoundError."""
    row = await (await connection.execute("SELECT id FROM item WHERE sku = %s", (sku,))).fetchone()
    if row is None:
        raise NotFoundError
    return int(row[0])


async def vouchers_of_uses(connection: AsyncConnection[Any], sources: list[str]) -> dict[str, int]:
    """The voucher of each use, by the source of its ledger entry, such as `verification:22`."""
    numbers = [number for kind, _, number in (one.partition(":") for one in sources) if kind == "verification"]
    found = await connection.execute(_VOUCHERS_OF_USES, ([int(one) for one in numbers if one.isdecimal()],))
    return dict(await found.fetchall())
