"""Partners with stores and agreements, items that they take, and tills that verify on connections of their own."""

import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any

from psycopg import AsyncConnection

from liyu.redemption.fulfil import complete_when_used_up
from liyu.vouchers.check import Checked, check
from liyu.vouchers.desk import VerifyDesk
from liyu.vouchers.shown import VerifyRequest
from liyu.vouchers.tokens import Tokens
from liyu.vouchers.undo import Undone, undo
from liyu.vouchers.verify import Verified, verify
from tests.world import NOW, ZONE, World

TOKENS = Tokens("a-secret-for-tests-" + "0" * 32)
FEE = 1_600

_PARTNER = """
    INSERT INTO partner (code, name_zh, name_en, category, state, created_at)
    VALUES (%(code)s, %(code)s || '咖啡', %(code)s || ' Coffee', 'coffee', 'active', now()) RETURNING id"""
_STORE = """
    INSERT INTO store (partner_id, code, name_zh, name_en, city_zh, city_en, address_zh, address_en, opening_hours, active)
    VALUES (%(partner)s, %(code)s, %(code)s || '店', %(code)s || ' store', '上海', 'Shanghai', '南京西路', 'Nanjing Road', '', true)
    RETURNING id"""
_LINE = """
    INSERT INTO agreement_line (partner_id, code, version, mode, title_zh, title_en, currency, unit_price_minor,
        commission_minor, free_quota, tax_rate_basis_points, valid_from)
    VALUES (%(partner)s, 'L', 1, 'concierge', '服务费', 'Fee', 'CNY', %(fee)s, 0, 0, 600, '2020-01-01') RETURNING id"""


@dataclass(slots=True)
class Shops:
    """Two partners: LUCK with the stores SH1 and SH2, TEA with the store BJ1."""

    world: World
    partners: dict[str, int] = field(default_factory=dict)
    stores: dict[str, int] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    nonces: Any = field(default_factory=lambda: itertools.count(1))

    async def voucher(
        self,
        *,
        partner: str | None = "LUCK",
        uses: int = 1,
        stores: tuple[str, ...] = (),
        member: str = "m-1",
        agreement: bool = True,
    ) -> int:
        """A fresh voucher of a new item of one partner."""
        return (await self.vouchers(1, partner=partner, uses=uses, stores=stores, member=member, agreement=agreement))[
            0
        ]

    async def vouchers(
        self,
        quantity: int,
        *,
        partner: str | None = "LUCK",
        uses: int = 1,
        stores: tuple[str, ...] = (),
        member: str = "m-1",
        agreement: bool = True,
    ) -> list[int]:
        """Fresh vouchers of one redemption."""
        sku = await self.world.item(f"right-{next(self.nonces)}", kind="partner_right", points=1)
        await self.world.connection.execute(
            "UPDATE item SET partner_id = %s, agreement_line_id = %s, uses = %s WHERE sku = %s",
            (
                self.partners[partner] if partner else None,
                self.lines[partner] if partner and agreement else None,
                uses,
                sku,
            ),
        )
        for store in stores:
            await self.world.connection.execute(
                "INSERT INTO item_store SELECT id, %s FROM item WHERE sku = %s", (self.stores[store], sku)
            )
        if not await self.world.one("SELECT 1 FROM member WHERE external_id = %s", member):
            await self.world.member(member, points=1_000)
        return (await self.world.redeem(member, sku, quantity)).voucher_ids

    def request(
        self,
        voucher_id: int,
        *,
        text: str | None = None,
        store: str | None = "SH1",
        nonce: str | None = None,
        partner: str | None = "LUCK",
        allowed: str | None = None,
        verifier: str = "staff:1",
        in_hand: bool = False,
        pin: str | None = None,
    ) -> VerifyRequest:
        """What a till sends; with a nonce of its own when none is given."""
        return VerifyRequest(
            text=TOKENS.codes.code_of(voucher_id) if text is None else text,
            store_code=store,
            nonce=nonce or f"n-{next(self.nonces)}",
            verifier=verifier,
            partner_id=self.partners[partner] if partner else None,
            allowed_store_id=self.stores[allowed] if allowed else None,
            in_hand=in_hand,
            pin=pin,
        )

    async def verify(self, voucher_id: int, *, now: datetime = NOW, **wish: Any) -> Verified:
        """Verify on the world's connection."""
        return await verify_on(self.world.connection, self.request(voucher_id, **wish), now=now)

    async def undo(
        self, verification_id: int, *, reason: str = "wrong drink", partner: str | None = "LUCK", now: datetime = NOW
    ) -> Undone:
        """Take a verification back on the world's connection."""
        return await undo_on(self.world.connection, self, verification_id, reason=reason, partner=partner, now=now)

    async def check(self, voucher_id: int, *, partner: str | None = "LUCK", store: str | None = "SH1") -> Checked:
        """Look at a voucher."""
        request = self.request(voucher_id, store=store, partner=partner)
        return await check(self.world.connection, request, now=NOW, zone=ZONE, tokens=TOKENS)

    async def state(self, voucher_id: int) -> tuple[str, int]:
        """State and uses of a voucher."""
        found = await self.world.connection.execute("SELECT state, uses FROM voucher WHERE id = %s", (voucher_id,))
        row = await found.fetchone()
        assert row is not None
        return row[0], row[1]

    async def steps(self, voucher_id: int) -> list[tuple[str, str]]:
        """The transitions of a voucher, in order."""
        found = await self.world.connection.execute(
            "SELECT from_state, to_state FROM voucher_transition WHERE voucher_id = %s ORDER BY id", (voucher_id,)
        )
        return [(row[0], row[1]) for row in await found.fetchall()]

    async def footprint(self) -> dict[str, Any]:
        """Everything that a verification changes."""
        tables = ("verification", "voucher_transition", "payable_entry", "transfer", "redemption_transition")
        counts = {table: await self.world.one(f"SELECT count(*) FROM {table}") for table in tables}
        return counts | {"uses": await self.world.one("SELECT sum(uses) FROM voucher")}


async def verify_on(connection: AsyncConnection[Any], request: VerifyRequest, *, now: datetime = NOW) -> Verified:
    """Verify on one connection, completing redemptions as the product does."""
    return await verify(connection, request, now=now, zone=ZONE, tokens=TOKENS, on_used_up=complete_when_used_up)


async def undo_on(
    connection: AsyncConnection[Any],
    shops: Shops,
    verification_id: int,
    *,
    reason: str = "wrong drink",
    partner: str | None = "LUCK",
    now: datetime = NOW,
) -> Undone:
    """Take a verification back on one connection."""
    return await undo(
        connection,
        verification_id=verification_id,
        reason=reason,
        actor="staff:2",
        partner_id=shops.partners[partner] if partner else None,
        now=now,
        zone=ZONE,
        window_minutes=10,
        tokens=TOKENS,
    )


@asynccontextmanager
async def open_desk(world: World) -> AsyncIterator[VerifyDesk]:
    """A desk of verifications on this database."""
    desk = VerifyDesk(world.url, world.clock, ZONE, TOKENS, complete_when_used_up)
    await desk.open()
    try:
        yield desk
    finally:
        await desk.close()


async def open_shops(world: World) -> Shops:
    """Found the two partners."""
    shops = Shops(world)
    for code, stores in {"LUCK": ("SH1", "SH2"), "TEA": ("BJ1",)}.items():
        partner = shops.partners[code] = await _insert(world, _PARTNER, {"code": code})
        shops.lines[code] = await _insert(world, _LINE, {"partner": partner, "fee": FEE})
        for store in stores:
            shops.stores[store] = await _insert(world, _STORE, {"partner": partner, "code": store})
    return shops


async def _insert(world: World, statement: str, values: dict[str, Any]) -> int:
    found = await world.connection.execute(statement, values)
    row = await found.fetchone()
    assert row is not None
    return int(row[0])


class Connections:
    """So many real connections to one database, closed at the end."""

    def __init__(self, url: str, count: int) -> None:
        self.url, self.count = url, count
        self.stack = AsyncExitStack()

    async def __aenter__(self) -> list[AsyncConnection[Any]]:
        return [
            await self.stack.enter_async_context(
                await AsyncConnection.connect(self.url, autocommit=True, options="-c timezone=UTC -c lock_timeout=20s")
            )
            for _ in range(self.count)
        ]

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stack.aclose()
