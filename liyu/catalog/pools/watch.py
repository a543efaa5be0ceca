"""Telling those who can do something about it that a pool runs low: once, until it is well filled again."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.catalog.pools.queries import Pool, list_pools
from liyu.core.database import fetch_all
from liyu.core.i18n import N_, Message, Translate
from liyu.core.outbox import MAIL, OutboxRow, post_many
from liyu.partners.scope import EVERY_PARTNER

_WATCH = """
    INSERT INTO pool_watch (item_id, low_at, lead_days) VALUES (%(item)s, %(low_at)s, %(lead_days)s)
    ON CONFLICT (item_id) DO UPDATE SET low_at = excluded.low_at, lead_days = excluded.lead_days, told_at = NULL"""
_TELL = """
    INSERT INTO pool_watch (item_id, told_at) VALUES (%(item)s, %(now)s)
    ON CONFLICT (item_id) DO UPDATE SET told_at = excluded.told_at WHERE pool_watch.told_at IS NULL"""
_RECOVER = "UPDATE pool_watch SET told_at = NULL WHERE item_id = ANY(%s) AND told_at IS NOT NULL"
_PEOPLE = """
    SELECT email, audience, locale FROM staff
    WHERE active AND (
        (audience = 'operator' AND role = 'operator') OR (partner_id = %s AND role IN ('owner', 'manager'))) ORDER BY id"""


class _Person(Struct):
    email: str
    audience: str
    locale: str | None


async def set_watch(connection: AsyncConnection[Any], item_id: int, *, low_at: int | None, lead_days: int) -> None:
    """Say when a pool is low: with so many free codes, or when it runs out within so many days."""
    await connection.execute(_WATCH, {"item": item_id, "low_at": low_at, "lead_days": lead_days})


async def watch_pools(
    connection: AsyncConnection[Any], *, now: datetime, zone: ZoneInfo, translate: Translate, base_url: str, locale: str
) -> int:
    """Mail operators and the partner's owners and managers about live pools that became low; how many pools.

    The connection is in autocommit. That it was said and the mail are one transaction, so nothing is said twice.
    """
    pools = [pool for pool in await list_pools(EVERY_PARTNER, connection, now=now, zone=zone) if pool.state == "live"]
    low = [pool for pool in pools if pool.future.level in ("empty", "low")]
    await connection.execute(_RECOVER, ([pool.id for pool in pools if pool not in low],))
    told = 0
    for pool in low:
        async with connection.transaction():
            if (await connection.execute(_TELL, {"item": pool.id, "now": now})).rowcount:
                await _mail(connection, pool, now, translate, base_url.rstrip("/"), locale)
                told += 1
    return told


async def _mail(
    connection: AsyncConnection[Any], pool: Pool, now: datetime, translate: Translate, base_url: str, locale: str
) -> None:
    people = await fetch_all(connection, _Person, _PEOPLE, (pool.partner_id,))
    homes = {"operator": f"{base_url}/console/pools/{pool.sku}", "partner": f"{base_url}/partner/codes/{pool.sku}"}
    rows = []
    for person in people:
        language = person.locale or locale
        subject, body = (translate(text, language) for text in _write(pool, homes[person.audience]))
        rows.append(OutboxRow(MAIL, person.email, subject, body, language, now, now))
    await post_many(connection, rows)


def _write(pool: Pool, address: str) -> tuple[Message, Message]:
    values = {
        "item": {"zh": pool.name_zh, "en": pool.name_en}, "free": pool.free, "day": pool.future.runs_out_on,
        "address": address,
    }  # fmt: skip
    if not pool.free:
        subject, text = (
            N_("“%(item)s” has no codes left"),
            N_("The pool of “%(item)s” is empty. Import codes: %(address)s"),
        )
    elif pool.future.runs_out_on is None:
        subject = N_("“%(item)s” has %(free)s codes left")
        text = N_("The pool of “%(item)s” has %(free)s codes left. Import more: %(address)s")
    else:
        subject = N_("“%(item)s” has %(free)s codes left")
        text = N_(
            "The pool of “%(item)s” has %(free)s codes left; at the present rate it is empty on %(day)s. Import more: %(address)s"
        )
    return Message(subject, values), Message(text, values)
