"""A small program for the tests of the API: two partners with stores, a few items, members with points, keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from psycopg import AsyncConnection

from liyu.catalog.publish import publish_items
from liyu.catalog.records import ItemRecord
from liyu.core.access.keys import create_api_key
from liyu.core.database import Sessions, driver_connection, unit_of_work
from liyu.members.points.events import Event
from liyu.members.points.post import post_events
from liyu.members.program import ensure_program
from liyu.redemption.books import prove_books
from tests.web.conftest import NOW

ZONE = ZoneInfo("Asia/Shanghai")
DAY = timedelta(days=1)

ITEMS = [
    ItemRecord(
        sku="LATTE",
        kind="partner_right",
        name_zh="拿铁兑换券",
        name_en="Latte",
        points=100,
        stock=5,
        per_member_limit=3,
        partner="ALPHA",
        agreement_line="SERVICE",
        scene="coffee",
    ),
    ItemRecord(sku="NOODLES", kind="coupon", name_zh="面条券", points=50, partner="BETA", scene="dining"),
    ItemRecord(sku="CUP", kind="goods", name_zh="马克杯", name_en="Cup", points=300, stock=2, scene="home"),
    ItemRecord(sku="LOUNGE", kind="coupon", name_zh="贵宾厅", name_en="Lounge", points=10, tier="gold", scene="travel"),
    ItemRecord(
        sku="LATER", kind="goods", name_zh="未开抢", name_en="Later", points=10, on_sale_from=NOW + DAY, scene="home"
    ),
    ItemRecord(
        sku="CUP-RED", kind="goods", name_zh="马克杯", points=330, variant_of="CUP", variant_zh="红色", scene="home"
    ),
]

_PARTNER = """
    INSERT INTO partner (code, name_zh, name_en, category, state, created_at)
    VALUES (%s, %s, %s, 'coffee', 'active', now()) RETURNING id"""
_STORE = """
    INSERT INTO store (partner_id, code, name_zh, name_en, city_zh, city_en, address_zh, address_en, opening_hours, active)
    VALUES (%s, %s, %s, %s, '上海', 'Shanghai', '', '', '', true)"""
_LINE = """
    INSERT INTO agreement_line (partner_id, code, version, mode, title_zh, title_en, currency, unit_price_minor,
        commission_minor, free_quota, tax_rate_basis_points, valid_from)
    VALUES (%s, 'SERVICE', 1, 'concierge', '按次', 'Per use', 'CNY', 1500, 0, 0, 600, '2020-01-01')"""


@dataclass
class World:
    """What the tests of the API stand on."""

    sessions: Sessions
    partner_ids: dict[str, int]

    async def build(self) -> "World":
        """The program, its partners, items and two members: M1 with 1,000 points, M2 with none."""
        async with unit_of_work(self.sessions) as session:
            connection = await driver_connection(session)
            await ensure_program(connection)
            for code in ("ALPHA", "BETA"):
                self.partner_ids[code] = await _insert_partner(connection, code)
            await publish_items(connection, ITEMS, actor="test", now=NOW - 30 * DAY, zone=ZONE)
        await self.earn("M1", 1_000, "first")
        await self.earn("M2", 0, "nothing")
        return self

    async def earn(self, member: str, points: int, reference: str, at: datetime = NOW - DAY) -> None:
        """Give a member points for a purchase; they are enrolled if need be."""
        event = Event(
            member=member,
            type="purchase",
            reference=reference,
            occurred_at=at,
            amount_minor=points * 100,
            currency="CNY",
        )
        async with unit_of_work(self.sessions) as session:
            connection = await driver_connection(session)
            (posted,) = await post_events(connection, [event], actor="test", now=NOW, zone=ZONE, enrol_unknown=True)
        assert posted.status == "ok"

    async def key(self, *scopes: str, partner: str | None = None) -> str:
        """The text of a new key."""
        partner_id = self.partner_ids[partner] if partner else None
        async with unit_of_work(self.sessions) as session:
            return await create_api_key(session, "test", scopes or ("all",), partner_id, now=NOW)

    async def fetch(self, query: str, *values: object) -> list[Any]:
        """The rows of a query."""
        async with self.sessions() as session:
            connection = await driver_connection(session)
            return await (await connection.execute(query, values)).fetchall()

    async def execute(self, query: str, *values: object) -> None:
        """Change something behind the API's back."""
        async with unit_of_work(self.sessions) as session:
            await (await driver_connection(session)).execute(query, values)

    async def fingerprint(self) -> list[Any]:
        """All that a refusal must not change."""
        counts = ", ".join(
            f"(SELECT count(*) FROM {table})"
            for table in (
                "member",
                "member_state_change",
                "transfer",
                "lot_entry",
                "earning_event",
                "redemption",
                "redemption_transition",
                "voucher",
                "verification",
                "payable_entry",
            )
        )
        sums = (
            "(SELECT coalesce(sum(balance), 0) FROM account), (SELECT sum(taken) FROM item_stock), "
            "(SELECT md5(string_agg(m::text, '' ORDER BY id)) FROM member m), "
            "(SELECT coalesce(sum(used), 0) FROM limit_use), (SELECT coalesce(sum(uses), 0) FROM voucher)"
        )
        return await self.fetch(f"SELECT {counts}, {sums}")

    async def assert_books_balance(self) -> None:
        """Prove the books."""
        async with self.sessions() as session:
            proof = await prove_books(await driver_connection(session), NOW)
        assert proof.balanced, proof.offenders


class Api(httpx.AsyncClient):
    """A program with a key."""

    async def redeem(
        self, member: str, sku: str, key: str, quantity: int | None = None, **more: object
    ) -> httpx.Response:
        """POST /redemptions."""
        body: dict[str, Any] = {"member": member, "sku": sku, **more}
        if quantity is not None:
            body["quantity"] = quantity
        return await self.post("/redemptions", json=body, headers={"idempotency-key": key})

    async def voucher(self, key: str = "for a voucher", sku: str = "LATTE") -> str:
        """The code of a fresh voucher of M1."""
        answer = await self.redeem("M1", sku, key)
        assert answer.status_code == 201, answer.text
        code: str = answer.json()["vouchers"][0]["code"]
        return code

    async def verify(self, code: str, store: str | None = "A1", nonce: str = "n1") -> httpx.Response:
        """POST /vouchers/verify."""
        return await self.post("/vouchers/verify", json={"code": code, "store": store, "nonce": nonce})

    async def balance(self, member: str = "M1") -> int:
        """The balance of a member."""
        return int((await self.get(f"/members/{member}")).json()["balance"])


def problem_of(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem document of a refusal, which must have this status and code."""
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == status
    assert document["detail"]
    return document


def fields_of(document: dict[str, Any]) -> set[str]:
    """The fields that a problem document names."""
    return {reason["field"] for reason in document["reasons"]}


def codes_of(document: dict[str, Any]) -> Sequence[str]:
    """The codes of all reasons."""
    return [reason["code"] for reason in document["reasons"]]


async def _insert_partner(connection: AsyncConnection[Any], code: str) -> int:
    found = await connection.execute(_PARTNER, (code, f"{code}公司", code.title()))
    row = await found.fetchone()
    assert row is not None
    partner_id = int(row[0])
    for number in (1, 2):
        await connection.execute(_STORE, (partner_id, f"{code[0]}{number}", f"{number}号店", f"Store {number}"))
    await connection.execute(_LINE, (partner_id,))
    return partner_id
