"""What becomes of the demo's orders: parcels with numbers, top-ups, one held and one released, after-sale open and decided."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import AsyncConnection

from liyu.core.clock import FixedClock
from liyu.demo.activity import DEMO_MEMBER
from liyu.redemption.aftersale.queries import OPERATOR
from liyu.redemption.aftersale.service import Wish, approve, open_request
from liyu.redemption.cancel import release_redemption
from liyu.redemption.desk import Desk
from liyu.redemption.save import hash_request
from liyu.redemption.shipping.carriers import CARRIERS
from liyu.redemption.shipping.parcels import Waybill, receive_parcels, send_parcel
from liyu.redemption.state import RedeemRequest
from liyu.redemption.topup.deliver import settle_top_up

STAFF = "demo"
SENT_AFTER, RECEIVED_AFTER = timedelta(hours=26), timedelta(hours=50)
WITH_CASH = """
    SELECT sku FROM item WHERE state = 'live' AND cash_minor > 0 AND NOT is_drop AND tier_id IS NULL ORDER BY points LIMIT 1"""

_ADDRESSES = (
    ("上海市", "上海市", "徐汇区", "漕溪北路 398 号 1203 室"),
    ("浙江省", "杭州市", "西湖区", "文三路 90 号 6 幢 501"),
    ("四川省", "成都市", "武侯区", "人民南路四段 27 号"),
    ("广东省", "深圳市", "南山区", "科技园科苑路 15 号 B 座"),
)
_GIVE_ADDRESSES = """
    INSERT INTO redemption_address (redemption_id, recipient, phone, province, city, district, detail)
    SELECT r.id, coalesce(m.name, '会员 ' || m.external_id), coalesce(m.phone, '+8613800138000'), a.province, a.city, a.district,
        a.detail
    FROM redemption r JOIN item i ON i.id = r.item_id AND i.kind = 'goods' JOIN member m ON m.id = r.member_id
    JOIN unnest(%s::text[], %s::text[], %s::text[], %s::text[]) WITH ORDINALITY AS a(province, city, district, detail, place)
        ON a.place = 1 + r.id %% %s
    ON CONFLICT DO NOTHING"""
_GOODS = """
    SELECT r.id, r.number, r.created_at, r.member_id FROM redemption r JOIN item i ON i.id = r.item_id
    WHERE i.kind = 'goods' AND r.state = 'confirmed' AND r.created_at <= %s ORDER BY r.id"""
_TOP_UPS = """
    SELECT r.id, r.number, r.created_at FROM top_up t JOIN redemption r ON r.id = t.redemption_id
    WHERE t.state = 'waiting' AND r.created_at <= %s ORDER BY r.id"""
_RETURNABLE = """
    SELECT r.number, r.member_id FROM redemption r JOIN item i ON i.id = r.item_id JOIN member m ON m.id = r.member_id
    JOIN parcel p ON p.redemption_id = r.id
    WHERE i.kind = 'goods' AND r.state = 'completed' AND p.received_at > %(since)s AND (m.external_id = %(own)s) = %(of_own)s
        AND (i.partner_id IS NOT NULL) = %(of_partner)s
    ORDER BY r.id DESC LIMIT 1"""


async def fulfil_orders(connection: AsyncConnection[Any], database_url: str, now: datetime, zone: ZoneInfo) -> None:
    """Carry the demo's orders out as a shop does; the newest still wait. The connection is in autocommit."""
    columns = [list(column) for column in zip(*_ADDRESSES, strict=True)]
    await connection.execute(_GIVE_ADDRESSES, (*columns, len(_ADDRESSES)))
    await _send(connection, now)
    await _credit(connection, now, zone)
    await _hold_two(connection, database_url, now, zone)
    await _ask(connection, now, zone)


async def _send(connection: AsyncConnection[Any], now: datetime) -> None:
    carriers = list(CARRIERS.values())
    found = await connection.execute(_GOODS, (now - SENT_AFTER,))
    for redemption_id, number, created_at, member_id in await found.fetchall():
        carrier = carriers[redemption_id % len(carriers)]
        waybill = Waybill(carrier.code, tracking_number(carrier.example, redemption_id))
        async with connection.transaction():
            await send_parcel(connection, number, waybill, partner_id=None, actor=STAFF, now=created_at + SENT_AFTER)
            if created_at + RECEIVED_AFTER < now:
                await receive_parcels(
                    connection, redemption_id, actor=f"member:{member_id}", now=created_at + RECEIVED_AFTER
                )


def tracking_number(example: str, seed: int) -> str:
    """A number that looks like the carrier's own: the example with its last digits from the order's id."""
    digits = f"{seed * 7919 % 10**8:08d}"
    return example[: -len(digits)] + digits


async def _credit(connection: AsyncConnection[Any], now: datetime, zone: ZoneInfo) -> None:
    found = await connection.execute(_TOP_UPS, (now - timedelta(days=1),))
    for redemption_id, number, created_at in await found.fetchall():
        async with connection.transaction():
            await settle_top_up(
                connection, number, redemption_id, delivered=True, actor=STAFF, reason="topped_up",
                now=created_at + timedelta(minutes=8), zone=zone,
            )  # fmt: skip


async def _hold_two(connection: AsyncConnection[Any], database_url: str, now: datetime, zone: ZoneInfo) -> None:
    """An order that waits for its cash part, and one that was not paid in time."""
    sku = await (await connection.execute(WITH_CASH)).fetchone()
    member = await (await connection.execute("SELECT id FROM member WHERE external_id = %s", (DEMO_MEMBER,))).fetchone()
    if sku is None or member is None:
        return
    clock = FixedClock(now)
    desk = Desk(database_url, clock, zone, payments_available=True)
    await desk.open()
    try:
        for key, before in (("released", timedelta(hours=3)), ("held", timedelta(minutes=5))):
            clock.instant = now - before
            wish = RedeemRequest(
                "demo", f"cash-{key}", hash_request(DEMO_MEMBER, sku[0], 1), DEMO_MEMBER, sku[0], 1, "mall", f"member:{member[0]}"
            )  # fmt: skip
            held = await desk.redeem(wish)
            if key == "released":
                async with connection.transaction():
                    await release_redemption(
                        connection, held.number, reason="not_paid_in_time", actor="system",
                        now=clock.instant + timedelta(minutes=31), zone=zone,
                    )  # fmt: skip
    finally:
        await desk.close()


async def _ask(connection: AsyncConnection[Any], now: datetime, zone: ZoneInfo) -> None:
    """Requests: of the demo's own member and for a partner's goods, which wait, and one of somebody else that was granted."""
    since = now - timedelta(days=6)
    for of_own, of_partner, wish in (
        (True, False, Wish("exchange", "damaged", "背带的缝线开了，想换一个。", 1)),
        (False, False, Wish("refund", "parts_missing", "少了一个配件，不用寄回了，退积分就好。", 1)),
        (False, True, Wish("return", "not_as_described", "滤杯比图片上小一圈，想退掉。", 1)),
    ):
        values = {"since": since, "own": DEMO_MEMBER, "of_own": of_own, "of_partner": of_partner}
        found = await (await connection.execute(_RETURNABLE, values)).fetchone()
        if found is None:
            continue
        number, member_id = found
        asked = now - timedelta(hours=20)
        async with connection.transaction():
            request = await open_request(
                connection, member_id, number, wish, [], actor=f"member:{member_id}", now=asked, zone=zone
            )
            if not of_own and not of_partner:
                await approve(
                    connection, OPERATOR, request, words="抱歉给你添麻烦了，积分已退回。", actor=STAFF,
                    now=asked + timedelta(hours=3), zone=zone,
                )  # fmt: skip
