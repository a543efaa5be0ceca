"""What the console, and later the portal, reads of items in every state. The mall reads the snapshot instead."""

from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.catalog.errors import ItemNotFoundError
from liyu.catalog.pools.models import FREE
from liyu.catalog.states import STATES
from liyu.core.database import fetch_all, fetch_one

PAGE_SIZE = 50
LONGEST_TEXT = 100

_LINES = """
    FROM item i JOIN item_stock s ON s.item_id = i.id LEFT JOIN partner p ON p.id = i.partner_id
    LEFT JOIN tier t ON t.id = i.tier_id
    WHERE (%(partner_id)s::bigint IS NULL OR i.partner_id = %(partner_id)s)
        AND (%(kind)s::text IS NULL OR i.kind = %(kind)s) AND (%(scene)s::text IS NULL OR i.scene = %(scene)s)
        AND (NOT %(drops)s OR i.is_drop) AND (NOT %(sold_out)s OR s.taken >= s.total)
        AND (%(pattern)s::text IS NULL OR i.sku ILIKE %(pattern)s OR i.name_zh ILIKE %(pattern)s
            OR i.name_en ILIKE %(pattern)s OR p.name_zh ILIKE %(pattern)s OR p.name_en ILIKE %(pattern)s)"""


class ItemFilter(Struct, frozen=True):
    """Which items to list. With `partner_id` only that partner's own: the portal always sets it (docs/rules.md 16)."""

    text: str = ""
    state: str | None = None
    kind: str | None = None
    scene: str | None = None
    partner_id: int | None = None
    drops: bool = False
    sold_out: bool = False


class ItemLine(Struct, frozen=True):
    """An item in a list."""

    id: int
    sku: str
    kind: str
    state: str
    name_zh: str
    name_en: str
    scene: str
    points: int
    cash_minor: int
    is_drop: bool
    on_sale_from: datetime | None
    on_sale_to: datetime | None
    per_member_limit: int | None
    total: int | None
    taken: int
    partner_code: str | None
    partner_zh: str | None
    partner_en: str | None
    tier_zh: str | None
    tier_en: str | None
    variant_zh: str | None
    variant_en: str | None
    changed_at: datetime


class ItemLines(Struct, frozen=True):
    """One page of items, the newest first; `next` is the id behind which the following page begins."""

    lines: list[ItemLine]
    next: int | None


class ItemFacts(Struct, frozen=True):
    """All about one item."""

    id: int
    sku: str
    kind: str
    state: str
    name_zh: str
    name_en: str
    summary_zh: str
    summary_en: str
    description_zh: str
    description_en: str
    rules_zh: list[str]
    rules_en: list[str]
    scene: str
    points: int
    cash_minor: int
    value_minor: int
    is_drop: bool
    on_sale_from: datetime | None
    on_sale_to: datetime | None
    per_member_limit: int | None
    per_day_limit: int | None
    voucher_days: int
    uses: int
    created_at: datetime
    changed_at: datetime
    total: int | None
    taken: int
    partner_id: int | None
    partner_code: str | None
    partner_zh: str | None
    partner_en: str | None
    partner_state: str | None
    tier_code: str | None
    tier_zh: str | None
    tier_en: str | None
    line_code: str | None
    line_mode: str | None
    line_zh: str | None
    line_en: str | None
    codes_free: int
    codes_given: int
    visible_from: datetime | None
    visible_to: datetime | None
    per_order_limit: int | None
    per_person_limit: int | None
    tier_prices: list[dict[str, Any]]
    """Prices of tiers: `code`, `name_zh`, `name_en`, `points`; the lowest tier first."""
    tags: list[dict[str, Any]]
    """Tags of which members need one: `code`, `name_zh`, `name_en`."""
    cities: list[str]
    lead_sku: str | None
    """The item that it is a variant of."""
    variant_zh: str | None
    variant_en: str | None
    coupon_purpose: str | None
    coupon_form: str | None
    coupon_threshold_minor: int | None
    coupon_benefit: int | None
    ships_days: int | None
    ships_not_to: list[str]
    cancel_hours: int | None
    return_days: int | None
    giftable: bool


class ItemStoreLine(Struct, frozen=True):
    """A store that an item is restricted to."""

    code: str
    name_zh: str
    name_en: str
    city_zh: str
    city_en: str
    active: bool


class ItemStateLine(Struct, frozen=True):
    """One change of an item's state."""

    from_state: str | None
    to_state: str
    reason: str
    actor: str
    at: datetime


class VariantLine(Struct, frozen=True):
    """A variant of an item."""

    sku: str
    state: str
    variant_zh: str
    variant_en: str | None
    points: int
    total: int | None
    taken: int


class ItemPage(Struct, frozen=True):
    """What the page of an item shows. No stores: all of the partner's take its vouchers."""

    item: ItemFacts
    stores: list[ItemStoreLine]
    changes: list[ItemStateLine]
    variants: list[VariantLine]


async def list_items(
    connection: AsyncConnection[Any], wanted: ItemFilter, *, after: int | None = None, size: int = PAGE_SIZE
) -> ItemLines:
    """One page of the items that the filter leaves, the newest first."""
    lines = await fetch_all(
        connection,
        ItemLine,
        "SELECT i.id, i.sku, i.kind, i.state, i.name_zh, i.name_en, i.scene, i.points, i.cash_minor, i.is_drop, "
        "i.on_sale_from, i.on_sale_to, i.per_member_limit, s.total, s.taken, p.code AS partner_code, "
        "p.name_zh AS partner_zh, p.name_en AS partner_en, t.name_zh AS tier_zh, t.name_en AS tier_en, "
        "i.variant_zh, i.variant_en, i.changed_at "
        f"{_LINES} AND (%(state)s::text IS NULL OR i.state = %(state)s) "
        "AND (%(after)s::bigint IS NULL OR i.id < %(after)s) ORDER BY i.id DESC LIMIT %(size)s",
        {**_values(wanted), "state": wanted.state, "after": after, "size": size + 1},
    )
    return ItemLines(lines[:size], lines[size - 1].id if len(lines) > size else None)


async def count_by_state(connection: AsyncConnection[Any], wanted: ItemFilter) -> dict[str, int]:
    """How many items of each state the filter leaves; its own state does not matter."""
    found = await connection.execute(f"SELECT i.state, count(*) {_LINES} GROUP BY i.state", _values(wanted))
    counted = dict(await found.fetchall())
    return {state: counted.get(state, 0) for state in STATES}


async def load_item(connection: AsyncConnection[Any], sku: str, *, partner_id: int | None = None) -> ItemPage:
    """All about the item with this number; with `partner_id` it must be theirs. Raises ItemNotFoundError."""
    item = await fetch_one(connection, ItemFacts, _FACTS, {"sku": sku, "partner_id": partner_id})
    if item is None:
        raise ItemNotFoundError
    stores = await fetch_all(
        connection,
        ItemStoreLine,
        "SELECT s.code, s.name_zh, s.name_en, s.city_zh, s.city_en, s.active FROM item_store i "
        "JOIN store s ON s.id = i.store_id WHERE i.item_id = %s ORDER BY s.code",
        (item.id,),
    )
    changes = await fetch_all(
        connection,
        ItemStateLine,
        "SELECT from_state, to_state, reason, actor, at FROM item_state_change WHERE item_id = %s ORDER BY id DESC",
        (item.id,),
    )
    variants = await fetch_all(
        connection,
        VariantLine,
        "SELECT i.sku, i.state, i.variant_zh, i.variant_en, i.points, s.total, s.taken FROM item i "
        "JOIN item_stock s ON s.item_id = i.id WHERE i.variant_of = %s ORDER BY i.position, i.id",
        (item.id,),
    )
    return ItemPage(item, stores, changes, variants)


_FACTS = f"""
    SELECT i.id, i.sku, i.kind, i.state, i.name_zh, i.name_en, i.summary_zh, i.summary_en, i.description_zh,
        i.description_en, i.rules_zh, i.rules_en, i.scene, i.points, i.cash_minor, i.value_minor, i.is_drop,
        i.on_sale_from, i.on_sale_to, i.per_member_limit, i.per_day_limit, i.voucher_days, i.uses, i.created_at,
        i.changed_at, s.total, s.taken, p.id AS partner_id, p.code AS partner_code, p.name_zh AS partner_zh,
        p.name_en AS partner_en, p.state AS partner_state, t.code AS tier_code, t.name_zh AS tier_zh, t.name_en AS tier_en,
        a.code AS line_code, a.mode AS line_mode, a.title_zh AS line_zh, a.title_en AS line_en,
        (SELECT count(*) FROM pool_code c WHERE c.item_id = i.id AND {FREE}) AS codes_free,
        (SELECT count(*) FROM pool_code c WHERE c.item_id = i.id AND c.redemption_id IS NOT NULL) AS codes_given,
        i.visible_from, i.visible_to, i.per_order_limit, i.per_person_limit, i.coupon_purpose, i.coupon_form,
        (SELECT coalesce(jsonb_agg(jsonb_build_object('code', y.code, 'name_zh', y.name_zh, 'name_en', y.name_en,
                'points', x.points) ORDER BY y.rank), '[]')
            FROM jsonb_to_recordset(i.tier_points) AS x(tier_id bigint, points bigint) JOIN tier y ON y.id = x.tier_id)
            AS tier_prices,
        (SELECT coalesce(jsonb_agg(jsonb_build_object('code', g.code, 'name_zh', g.name_zh, 'name_en', g.name_en) ORDER BY g.id),
                '[]') FROM tag g WHERE i.tag_ids @> to_jsonb(g.id)) AS tags,
        coalesce(i.cities, '[]') AS cities, (SELECT sku FROM item l WHERE l.id = i.variant_of) AS lead_sku,
        i.variant_zh, i.variant_en, i.coupon_threshold_minor, i.coupon_benefit, i.ships_days,
        coalesce(i.ships_not_to, '[]') AS ships_not_to, i.cancel_hours, i.return_days, i.giftable
    FROM item i JOIN item_stock s ON s.item_id = i.id LEFT JOIN partner p ON p.id = i.partner_id
    LEFT JOIN tier t ON t.id = i.tier_id LEFT JOIN agreement_line a ON a.id = i.agreement_line_id
    WHERE i.sku = %(sku)s AND (%(partner_id)s::bigint IS NULL OR i.partner_id = %(partner_id)s)"""


def _values(wanted: ItemFilter) -> dict[str, Any]:
    return {
        "partner_id": wanted.partner_id,
        "kind": wanted.kind,
        "scene": wanted.scene,
        "drops": wanted.drops,
        "sold_out": wanted.sold_out,
        "pattern": _pattern(wanted.text.strip()[:LONGEST_TEXT]),
    }


def _pattern(text: str) -> str | None:
    if not text:
        return None
    escaped = "".join(f"\\{one}" if one in "\\%_" else one for one in text.replace("\0", ""))
    return f"%{escaped}%"
