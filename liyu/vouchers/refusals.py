"""Attempts that were refused at tills, counted by reason, store and day: somebody who guesses stands out."""

from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct, field
from psycopg import AsyncConnection

from liyu.core.clock import start_of_day

DAYS = 14
MOST_STORES = 10
GUESSES = ("unknown_voucher", "wrong_pin", "pin_locked")
"""Refusals that somebody who tries codes or PINs leaves behind; the others are about a true voucher."""


class StoreRefusals(Struct, array_like=True):
    """Refusals at one store; no store where none was named or none is open."""

    zh: str | None
    en: str | None
    count: int


class DayRefusals(Struct, array_like=True):
    """Refusals of one day, and how many of them look like guesses."""

    day: date
    count: int
    guesses: int


class Refusals(Struct):
    """Refused attempts of some days: how many, by code, by store (the busiest first) and by day (those without one left out)."""

    total: int = 0
    guesses: int = 0
    reasons: list[tuple[str, int]] = field(default_factory=list)
    stores: list[StoreRefusals] = field(default_factory=list)
    days: list[DayRefusals] = field(default_factory=list)


_COUNT = f"""
    WITH refused AS MATERIALIZED (
        SELECT f.code, f.at, s.name_zh, s.name_en FROM verification_refusal f LEFT JOIN store s ON s.id = f.store_id
        WHERE f.at >= %(start)s AND f.at < %(end)s
            AND (%(partner)s::bigint IS NULL OR coalesce(f.partner_id, s.partner_id) = %(partner)s))
    SELECT json_build_object(
        'total', (SELECT count(*) FROM refused),
        'guesses', (SELECT count(*) FROM refused WHERE code = ANY(%(guesses)s)),
        'reasons', coalesce((SELECT json_agg(json_build_array(code, n) ORDER BY n DESC, code)
            FROM (SELECT code, count(*) AS n FROM refused GROUP BY code) AS r), '[]'),
        'stores', coalesce((SELECT json_agg(json_build_array(name_zh, name_en, n) ORDER BY n DESC, name_zh)
            FROM (SELECT name_zh, name_en, count(*) AS n FROM refused GROUP BY name_zh, name_en
                ORDER BY n DESC, name_zh LIMIT {MOST_STORES}) AS r), '[]'),
        'days', coalesce((SELECT json_agg(json_build_array(day, n, guesses) ORDER BY day DESC)
            FROM (SELECT (at AT TIME ZONE %(zone)s)::date AS day, count(*) AS n,
                count(*) FILTER (WHERE code = ANY(%(guesses)s)) AS guesses FROM refused GROUP BY 1) AS r), '[]'))::text"""

_refusals = msgspec.json.Decoder(Refusals)


async def count_refusals(
    connection: AsyncConnection[Any], partner_id: int | None, *, today: date, zone: ZoneInfo, days: int = DAYS
) -> Refusals:
    """Refusals of so many days up to today, at a partner's tills and by its people; None counts those of all."""
    values = {
        "partner": partner_id,
        "start": start_of_day(today - timedelta(days=days - 1), zone),
        "end": start_of_day(today + timedelta(days=1), zone),
        "zone": zone.key,
        "guesses": list(GUESSES),
    }
    row = await (await connection.execute(_COUNT, values)).fetchone()
    assert row is not None
    return _refusals.decode(row[0])
