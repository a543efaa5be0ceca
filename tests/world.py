"""A small world for tests: a program, members with points, items, and the shortest way to make them move."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from liyu.core.clock import FixedClock
from liyu.core.ledger.prove import ProofResult
from liyu.members.enrol import NewMember, enrol_members
from liyu.members.points.events import Event, Posted
from liyu.members.points.post import post_events
from liyu.members.program import DEFAULT_RULES, DEFAULT_TERMS, DEFAULT_TIERS, ProgramTerms, RuleRow, ensure_program
from liyu.redemption.books import prove_books
from liyu.redemption.desk import Desk, Redeemed
from liyu.redemption.save import hash_request
from liyu.redemption.state import RedeemRequest

ZONE = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)

_ITEM = """
    WITH made AS (
        INSERT INTO item (sku, kind, state, name_zh, name_en, summary_zh, summary_en, description_zh, description_en, rules_zh,
            rules_en, scene, points, cash_minor, value_minor, is_drop, on_sale_from, on_sale_to, per_member_limit, per_day_limit,
            per_order_limit, per_person_limit, tag_ids, cities, tier_points, variant_of,
            tier_id, voucher_days, uses, position, created_at, changed_at)
        VALUES (%(sku)s, %(kind)s, %(state)s, %(sku)s, %(sku)s, '', '', '', '', '[]', '[]', 'dining', %(points)s, %(cash_minor)s,
            0, false, %(on_sale_from)s, %(on_sale_to)s, %(per_member_limit)s, %(per_day_limit)s,
            %(per_order_limit)s, %(per_person_limit)s, %(tag_ids)s, %(cities)s, %(tier_points)s,
            (SELECT id FROM item WHERE sku = %(variant_of)s), (SELECT id FROM tier WHERE code = %(tier)s), 90, 1, 0, now(), now())
        RETURNING id)
    INSERT INTO item_stock (item_id, total, taken) SELECT id, %(stock)s, 0 FROM made"""

_ITEM_DEFAULTS: dict[str, Any] = {
    "kind": "coupon", "state": "live", "points": 100, "cash_minor": 0, "stock": None, "tier": None, "on_sale_from": None,
    "on_sale_to": None, "per_member_limit": None, "per_day_limit": None, "per_order_limit": None, "per_person_limit": None,
    "tag_ids": None, "cities": None, "tier_points": None, "variant_of": None,
}  # fmt: skip


@dataclass(slots=True)
class World:
    """One database with a program; the connection is in autocommit."""

    url: str
    connection: AsyncConnection[Any]
    clock: FixedClock
    keys: Any = field(default_factory=lambda: itertools.count(1))

    async def member(self, external_id: str = "m-1", points: int = 0) -> str:
        """Enrol a member, with points that came from one purchase of the day before."""
        await self.members(external_id, points=points)
        return external_id

    async def members(self, *external_ids: str, points: int = 0) -> list[str]:
        """Enrol some at once, each with points that came from one purchase of the day before."""
        newcomers = [NewMember(external_id=external_id) for external_id in external_ids]
        async with self.connection.transaction():
            await enrol_members(self.connection, newcomers, actor="test", now=self.clock.now())
        if points:
            posted = await self.post(*(self.purchase(external_id, points * 100) for external_id in external_ids))
            assert {one.status for one in posted} == {"ok"}
        return list(external_ids)

    def purchase(self, member: str, amount_minor: int, *, at: datetime | None = None, reference: str = "") -> Event:
        """A purchase, the day before when no time is given."""
        at = at or self.clock.now() - timedelta(days=1)
        return self.event(member, "purchase", amount_minor, at=at, reference=reference)

    def event(
        self,
        member: str,
        kind: str,
        amount_minor: int | None = None,
        *,
        at: datetime | None = None,
        reference: str = "",
    ) -> Event:
        """An event with a reference of its own when none is given."""
        return Event(
            member=member,
            type=kind,
            reference=reference or f"ref-{next(self.keys)}",
            occurred_at=at or self.clock.now(),
            amount_minor=amount_minor,
            currency=None if amount_minor is None else "CNY",
        )

    async def post(self, *events: Event, enrol_unknown: bool = False) -> list[Posted]:
        """Post events in one transaction."""
        async with self.connection.transaction():
            return await post_events(
                self.connection,
                list(events),
                actor="test",
                now=self.clock.now(),
                zone=ZONE,
                enrol_unknown=enrol_unknown,
            )

    async def item(self, sku: str = "item-1", **facts: Any) -> str:
        """Put an item on sale."""
        facts = {name: Jsonb(value) if isinstance(value, list) else value for name, value in facts.items()}
        await self.connection.execute(_ITEM, _ITEM_DEFAULTS | facts | {"sku": sku})
        return sku

    @asynccontextmanager
    async def desk(self, **options: Any) -> AsyncIterator[Desk]:
        """A desk on this database."""
        desk = Desk(self.url, self.clock, ZONE, **options)
        await desk.open()
        try:
            yield desk
        finally:
            await desk.close()

    def wish(self, member: str, sku: str, quantity: int = 1, *, key: str = "") -> RedeemRequest:
        """A request with a key of its own when none is given."""
        key = key or f"key-{next(self.keys)}"
        return RedeemRequest("test", key, hash_request(member, sku, quantity), member, sku, quantity, "api", "test")

    async def redeem(self, member: str, sku: str, quantity: int = 1, *, key: str = "") -> Redeemed:
        """Redeem at a desk that is opened for this one request."""
        async with self.desk() as desk:
            return await desk.redeem(self.wish(member, sku, quantity, key=key))

    async def balances(self, member: str) -> dict[str, int]:
        """The cached balances of a member's accounts by kind, without the prefix."""
        found = await self.connection.execute(
            "SELECT a.kind, a.balance FROM account a JOIN member m ON m.id = a.member_id WHERE m.external_id = %s",
            (member,),
        )
        return {kind.removeprefix("member_"): balance for kind, balance in await found.fetchall()}

    async def lots(self, member: str) -> dict[date | None, int]:
        """What is left in the usable lots of a member, by last day."""
        found = await self.connection.execute(
            "SELECT l.expires_on, sum(l.remaining)::bigint FROM lot l JOIN account a ON a.id = l.account_id "
            "JOIN member m ON m.id = a.member_id WHERE m.external_id = %s AND a.kind = 'member_points' GROUP BY 1",
            (member,),
        )
        return dict(await found.fetchall())

    async def one(self, query: str, *values: Any) -> Any:
        """The first column of the first row of a query."""
        row = await (await self.connection.execute(query, values)).fetchone()
        return None if row is None else row[0]

    async def footprint(self) -> dict[str, int]:
        """How many rows there are of everything that a redemption writes, but for the answers kept for its key."""
        tables = ("redemption", "redemption_transition", "transfer", "lot_entry", "voucher", "limit_use")
        counts = {table: await self.one(f"SELECT count(*) FROM {table}") for table in tables}
        return counts | {
            "points": await self.one("SELECT coalesce(sum(balance), 0) FROM account"),
            "taken": await self.one("SELECT coalesce(sum(taken), 0) FROM item_stock"),
        }

    async def proof(self) -> ProofResult:
        """Prove the books."""
        async with self.connection.transaction():
            return await prove_books(self.connection, self.clock.now())


@asynccontextmanager
async def open_world(
    url: str, *, now: datetime = NOW, terms: ProgramTerms = DEFAULT_TERMS, rules: list[RuleRow] = DEFAULT_RULES
) -> AsyncIterator[World]:
    """A world on a migrated database; the books are proven when it is left."""
    async with await AsyncConnection.connect(url, autocommit=True, options="-c timezone=UTC") as connection:
        async with connection.transaction():
            await ensure_program(connection, terms, DEFAULT_TIERS, rules)
        world = World(url, connection, FixedClock(now))
        yield world
        proof = await world.proof()
        assert proof.balanced, proof.offenders
