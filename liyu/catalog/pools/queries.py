"""Reading pools: how they stand, their imports and recalls, and who looked at codes. Whose pools is the first argument."""

from datetime import date, datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.catalog.pools.forecast import LONG, SHORT, Forecast, Use, forecast
from liyu.catalog.pools.models import FREE
from liyu.catalog.pools.replace import KEPT, WAITS
from liyu.core.clock import local_date, start_of_day
from liyu.core.database import fetch_all
from liyu.core.errors import NotFoundError
from liyu.partners.scope import PartnerScope, partner_filter

LEVELS = ("empty", "low", "fine", "idle")
PAGE_SIZE = 12
FAULTS_SHOWN = 50

_POOLS = f"""
    SELECT i.id, i.sku, i.state, i.name_zh, i.name_en, i.partner_id, p.code AS partner_code, p.name_zh AS partner_zh,
        p.name_en AS partner_en, s.taken - k.kept AS taken, k.kept, w.low_at, coalesce(w.lead_days, 14) AS lead_days, w.told_at,
        (SELECT count(*) FROM pool_code c WHERE c.item_id = i.id AND {FREE}) AS free,
        (SELECT count(*) FROM pool_code c JOIN redemption r ON r.id = c.redemption_id AND {KEPT}
            WHERE c.item_id = i.id AND {WAITS}) AS waiting,
        used.last_week, used.last_four_weeks, (SELECT min(made_at) FROM pool_import m WHERE m.item_id = i.id) AS since
    FROM item i JOIN item_stock s ON s.item_id = i.id LEFT JOIN partner p ON p.id = i.partner_id
    LEFT JOIN pool_watch w ON w.item_id = i.id
    CROSS JOIN LATERAL (SELECT count(*) AS kept FROM pool_code c WHERE c.item_id = i.id AND c.kept) AS k
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(r.quantity), 0)::bigint AS last_four_weeks,
            coalesce(sum(r.quantity) FILTER (WHERE r.created_at >= %(week)s), 0)::bigint AS last_week
        FROM redemption r WHERE r.item_id = i.id AND r.created_at >= %(month)s AND {KEPT}) AS used
    WHERE i.kind = 'code' AND (%(partner)s::bigint IS NULL OR i.partner_id = %(partner)s)
        AND (%(sku)s::text IS NULL OR i.sku = %(sku)s)
    ORDER BY i.id"""

_IMPORTS = f"""
    SELECT m.id, m.file_name, m.ok, m.failed, m.existing, m.duplicate, m.made_by, m.made_at,
        (SELECT count(*) FROM pool_code c WHERE c.import_id = m.id AND {FREE}) AS free,
        (SELECT count(*) FROM pool_code c WHERE c.import_id = m.id AND c.recall_id IS NOT NULL) AS recalled
    FROM pool_import m
    WHERE m.item_id = %(item)s AND (%(import)s::bigint IS NULL OR m.id = %(import)s) ORDER BY m.id DESC LIMIT %(size)s"""

_RECALLS = f"""
    SELECT x.id, x.import_id, x.reason, x.made_by, x.made_at, count(c.id) FILTER (WHERE c.redemption_id IS NULL) AS withdrawn,
        count(c.replaced_by) AS replaced, count(*) FILTER (WHERE {WAITS} AND {KEPT}) AS waiting,
        count(*) FILTER (WHERE {WAITS} AND NOT {KEPT}) AS refunded
    FROM pool_recall x LEFT JOIN pool_code c ON c.recall_id = x.id LEFT JOIN redemption r ON r.id = c.redemption_id
    WHERE x.item_id = %(item)s AND (%(recall)s::bigint IS NULL OR x.id = %(recall)s)
    GROUP BY x.id ORDER BY x.id DESC LIMIT %(size)s"""

_REVEALS = """
    SELECT v.actor, v.by_staff, v.reason, v.codes, v.at, r.number FROM pool_reveal v JOIN redemption r ON r.id = v.redemption_id
    WHERE v.item_id = %(item)s ORDER BY v.id DESC LIMIT %(size)s"""

_FAULTS = """
    SELECT f.row, f.status, f.fault, o.sku AS other_sku, o.partner_id AS other_partner_id
    FROM pool_import_fault f LEFT JOIN item o ON o.id = f.other_item_id
    WHERE f.import_id = %(import)s ORDER BY f.row LIMIT %(size)s"""


class Pool(Struct):
    """How a pool stands."""

    id: int
    sku: str
    state: str
    name_zh: str
    name_en: str
    partner_id: int | None
    partner_code: str | None
    partner_zh: str | None
    partner_en: str | None
    taken: int
    """Codes given out."""
    kept: int
    """Codes set aside for winners of draws."""
    low_at: int | None
    lead_days: int
    told_at: datetime | None
    free: int
    waiting: int
    """Recalled codes whose members wait for another one."""
    last_week: int
    last_four_weeks: int
    since: datetime | None
    outlook: Forecast | None = None

    @property
    def future(self) -> Forecast:
        """The forecast, which every reading of this module sets."""
        assert self.outlook is not None
        return self.outlook


class ImportLine(Struct, frozen=True):
    """An import, and what is left of it."""

    id: int
    file_name: str
    ok: int
    failed: int
    existing: int
    duplicate: int
    made_by: str
    made_at: datetime
    free: int
    recalled: int

    @property
    def refused(self) -> int:
        """Rows that were not added."""
        return self.failed + self.existing + self.duplicate


class RecallLine(Struct, frozen=True):
    """A recall, and how far it has come."""

    id: int
    import_id: int | None
    reason: str
    made_by: str
    made_at: datetime
    withdrawn: int
    replaced: int
    waiting: int
    refunded: int


class RevealLine(Struct, frozen=True):
    """Somebody looked at codes."""

    actor: str
    by_staff: bool
    reason: str
    codes: int
    at: datetime
    number: str


class FaultLine(Struct, frozen=True):
    """A row that was not added."""

    row: int
    status: str
    fault: str | None
    other_sku: str | None
    other_partner_id: int | None


async def list_pools(
    scope: PartnerScope, connection: AsyncConnection[Any], *, now: datetime, zone: ZoneInfo, sku: str | None = None
) -> list[Pool]:
    """The pools, those that run out first at the top."""
    today = local_date(now, zone)
    values = {
        "partner": partner_filter(scope), "sku": sku, "week": start_of_day(today - timedelta(days=SHORT - 1), zone),
        "month": start_of_day(today - timedelta(days=LONG - 1), zone),
    }  # fmt: skip
    pools = await fetch_all(connection, Pool, _POOLS, values)
    for pool in pools:
        pool.outlook = _look_ahead(pool, today, zone)
    return sorted(pools, key=_urgency)


async def load_pool(
    scope: PartnerScope, connection: AsyncConnection[Any], sku: str, *, now: datetime, zone: ZoneInfo
) -> Pool:
    """One pool. Raises NotFoundError, also for another partner's and for items without one."""
    pools = await list_pools(scope, connection, now=now, zone=zone, sku=sku)
    if not pools:
        raise NotFoundError
    return pools[0]


async def list_imports(connection: AsyncConnection[Any], item_id: int, *, size: int = PAGE_SIZE) -> list[ImportLine]:
    """The latest imports of a pool."""
    return await _rows(connection, ImportLine, _IMPORTS, {"item": item_id, "import": None, "size": size})


async def list_recalls(connection: AsyncConnection[Any], item_id: int, *, size: int = PAGE_SIZE) -> list[RecallLine]:
    """The latest recalls of a pool."""
    return await _rows(connection, RecallLine, _RECALLS, {"item": item_id, "recall": None, "size": size})


async def find_recall(connection: AsyncConnection[Any], item_id: int, recall_id: int) -> RecallLine:
    """A recall of a pool. Raises NotFoundError, also for another pool's."""
    lines = await _rows(connection, RecallLine, _RECALLS, {"item": item_id, "recall": recall_id, "size": 1})
    if not lines:
        raise NotFoundError
    return cast(RecallLine, lines[0])


async def list_reveals(connection: AsyncConnection[Any], item_id: int, *, size: int = PAGE_SIZE) -> list[RevealLine]:
    """Who looked at codes of a pool last."""
    return await _rows(connection, RevealLine, _REVEALS, {"item": item_id, "size": size})


async def list_faults(connection: AsyncConnection[Any], import_id: int, *, size: int = FAULTS_SHOWN) -> list[FaultLine]:
    """The first rows of an import that were not added."""
    return await _rows(connection, FaultLine, _FAULTS, {"import": import_id, "size": size})


async def find_import(connection: AsyncConnection[Any], item_id: int, import_id: int) -> ImportLine:
    """An import of a pool. Raises NotFoundError, also for another pool's."""
    lines = await _rows(connection, ImportLine, _IMPORTS, {"item": item_id, "import": import_id, "size": 1})
    if not lines:
        raise NotFoundError
    return cast(ImportLine, lines[0])


def _look_ahead(pool: Pool, today: date, zone: ZoneInfo) -> Forecast:
    age = (today - local_date(pool.since, zone)).days + 1 if pool.since else 1
    use = Use(pool.last_week, pool.last_four_weeks, max(1, age))
    return forecast(pool.free, use, today, low_at=pool.low_at, lead_days=pool.lead_days)


def _urgency(pool: Pool) -> tuple[bool, int, int, int]:
    days = pool.future.days_left
    return pool.state != "live", LEVELS.index(pool.future.level), days if days is not None else 10**9, pool.id


async def _rows(connection: AsyncConnection[Any], row: type[Any], query: str, values: dict[str, Any]) -> list[Any]:
    return await fetch_all(connection, row, query, values)
