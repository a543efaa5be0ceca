"""A program with the demo's partners, and the demo's items where a test asks for them."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from psycopg import AsyncConnection

import liyu
from liyu.catalog.publish import publish_items
from liyu.catalog.records import PLAIN_FIELDS, ItemRecord
from liyu.members.program import ensure_program

DATA = Path(liyu.__file__).parent / "demo" / "data"
NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
ZONE = ZoneInfo("Asia/Shanghai")
SECRET = "a-secret-for-tests-" + "0" * 32

HOURS = {"h": 1, "d": 24}


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[AsyncConnection[Any]]:
    """A connection in autocommit to a database with a program and the demo's partners."""
    async with await AsyncConnection.connect(database_url, autocommit=True, options="-c timezone=UTC") as opened:
        await ensure_program(opened)
        await add_partners(opened)
        yield opened


@pytest.fixture
async def demo_items(connection: AsyncConnection[Any]) -> list[ItemRecord]:
    """The demo's items, published."""
    records = [read_demo_item(row) for row in json.loads((DATA / "items.json").read_text())]
    await publish_items(connection, records, actor="test", now=NOW, zone=ZONE)
    return records


async def add_partners(connection: AsyncConnection[Any]) -> None:
    for partner in json.loads((DATA / "partners.json").read_text()):
        found = await connection.execute(
            "INSERT INTO partner (code, name_zh, name_en, category, state, created_at) "
            "VALUES (%(code)s, %(name_zh)s, %(name_en)s, %(category)s, 'active', now()) RETURNING id",
            partner,
        )
        row = await found.fetchone()
        assert row is not None
        for line in partner["agreement"]:
            await connection.execute(
                "INSERT INTO agreement_line (partner_id, code, version, mode, title_zh, title_en, currency, unit_price_minor, "
                "commission_minor, free_quota, tax_rate_basis_points, valid_from) VALUES (%(partner)s, %(code)s, 1, %(mode)s, "
                "%(title_zh)s, %(title_en)s, 'CNY', %(unit_price_minor)s, %(commission_minor)s, %(free_quota)s, "
                "%(tax_rate_bp)s, '2020-01-01')",
                {**line, "partner": row[0]},
            )
        for store in partner["stores"]:
            await connection.execute(
                "INSERT INTO store (partner_id, code, name_zh, name_en, city_code, city_zh, city_en, address_zh, address_en, "
                "opening_hours, active) VALUES (%(partner)s, %(code)s, %(name_zh)s, %(name_en)s, %(city)s, %(city_name_zh)s, "
                "%(city_name_en)s, %(address_zh)s, %(address_en)s, %(opening_hours)s, true)",
                {**store, "partner": row[0]},
            )


def read_demo_item(row: dict[str, Any]) -> ItemRecord:
    drop = row["drop"]
    given = {
        name: row[name]
        for name in (*PLAIN_FIELDS, "stock", "tier", "partner", "agreement_line", "stores")
        if name in row
    }
    if row["voucher_days"] is None:
        del given["voucher_days"]
    if drop:
        given |= {
            "is_drop": True,
            "on_sale_from": NOW + _shift(drop["opens"]),
            "on_sale_to": NOW + _shift(drop["closes"]),
        }
    return ItemRecord(**given)


def _shift(text: str) -> timedelta:
    return timedelta(hours=int(text[:-1]) * HOURS[text[-1]])


async def fetch(connection: AsyncConnection[Any], query: str, *values: object) -> list[Any]:
    return await (await connection.execute(query, values)).fetchall()


async def add_member(connection: AsyncConnection[Any], external_id: str) -> int:
    found = await fetch(
        connection,
        "INSERT INTO member (external_id, card_number, state, tier_id, growth, joined_at) "
        "SELECT %s, %s, 'active', min(id), 0, now() FROM tier RETURNING id",
        external_id,
        external_id,
    )
    return int(found[0][0])


async def add_redemption(
    connection: AsyncConnection[Any], member_id: int, item_id: int, state: str = "completed"
) -> int:
    found = await fetch(
        connection,
        "INSERT INTO redemption (number, member_id, item_id, quantity, points, cash_minor, state, channel, created_at) "
        "VALUES (gen_random_uuid()::text, %s, %s, 1, 10, 0, %s, 'mall', now()) RETURNING id",
        member_id,
        item_id,
        state,
    )
    return int(found[0][0])
