"""What members did with their points: redemptions over two months, verified at real tills, some cancelled, some expired."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import AsyncConnection

from liyu.core.clock import FixedClock
from liyu.demo.files import read_json
from liyu.demo.history import post_day, turn_day
from liyu.members.points.events import Event
from liyu.redemption.cancel import cancel_redemption
from liyu.redemption.desk import Desk, Redeemed
from liyu.redemption.errors import RefusedError
from liyu.redemption.fulfil import complete_when_used_up
from liyu.redemption.save import hash_request
from liyu.redemption.state import RedeemRequest
from liyu.vouchers.shown import VerifyRequest
from liyu.vouchers.tokens import Tokens
from liyu.vouchers.verify import verify

SEED = 20111209
DAYS = 75
DEMO_MEMBER: str = read_json("members")[0]["customer"]
DEMO_MEMBER_WISHES = {
    52: "DINTAIFUNG-XLB",
    30: "LUCKIN-ANYCUP",
    17: "CODE-EBOOK",
    9: "ATOUR-BREAKFAST",
    4: "G-DOTBAG",
    2: "LUCKIN-ANYCUP",
}
"""What the member of the demo's login redeemed, so many days ago; a wallet with something in it."""
PARTNER_GOODS, TO_PICK_UP = "G-POUROVER", "LUCKIN-TUMBLER"
NOON = 12
HALF_A_DAY = (4, 7)
"""Redemptions before and after noon, from and to."""
RUSH_SHARE = (0.2, 0.6)
VERIFIED_SHARE = 0.78
CANCELLED_SHARE = 0.04


@dataclass(slots=True)
class Offer:
    """An item that the demo's members redeem."""

    sku: str
    partner_id: int | None
    stores: list[str]
    uses: int


@dataclass(slots=True)
class Due:
    """A voucher that somebody will use on a day."""

    day: date
    voucher_id: int
    partner_id: int
    store: str


@dataclass(slots=True)
class Activity:
    """One run of the demo's activity: who acts when is drawn from one seeded source, so every run is the same."""

    connection: AsyncConnection[Any]
    desk: Desk
    clock: FixedClock
    tokens: Tokens
    zone: ZoneInfo
    ids: dict[str, int]
    """Of members, by the number that the host knows them by."""
    draw: random.Random = field(default_factory=lambda: random.Random(SEED))  # noqa: S311 - a replay, not a secret
    due: list[Due] = field(default_factory=list)
    count: int = 0

    async def live_through(self, events: list[Event], today: date, now: datetime) -> None:
        """Buy, redeem, verify and cancel day by day until now; everybody spends only what they had by then."""
        members, offers = await self.members(), await self._offers()
        for back in range(DAYS, -1, -1):
            day = today - timedelta(days=back)
            await turn_day(self.connection, day, self.zone)
            for hours in (range(9, 14), range(16, 21)):
                at = datetime.combine(day, datetime.min.time(), self.zone)
                at += timedelta(hours=self.draw.choice(hours), minutes=self.draw.randint(0, 59))
                wishes = [
                    (self.draw.choice(members), self.draw.choice(offers)) for _ in range(self.draw.randint(*HALF_A_DAY))
                ]
                if hours.start < NOON:
                    wishes += [(DEMO_MEMBER, offer) for offer in offers if offer.sku == DEMO_MEMBER_WISHES.get(back)][
                        :1
                    ]
                events = await self._post_until(events, at)
                if at < now:
                    await self._redeem_together(wishes, at)
            await self._verify_due(day, now)
        await self._post_until(events, now)

    async def _post_until(self, events: list[Event], at: datetime) -> list[Event]:
        """Post what has happened by then, and return what is still to come."""
        await post_day(self.connection, [event for event in events if event.occurred_at <= at], at, self.zone)
        return [event for event in events if event.occurred_at > at]

    async def rush(self, now: datetime) -> None:
        """Members storm the drops that have opened: some are sold out, of the others a part is taken."""
        self.clock.instant = now - timedelta(minutes=20)
        members = await self.members()
        for item in read_json("items"):
            drop = item["drop"]
            if drop is None or not drop["opens"].startswith("-"):
                continue
            share = 1 if drop["sold_out"] else self.draw.uniform(*RUSH_SHARE)
            wanted = round(item["stock"] * share)
            self.draw.shuffle(members)
            # More come than there is: the desk sees to it that nobody gets what is not there.
            comers = members if drop["sold_out"] else members[:wanted]
            await asyncio.gather(*(self._redeem(member, item["sku"]) for member in comers))

    async def order_of_partners(self, now: datetime) -> None:
        """Goods of a partner, some days ago and this morning, and something that the member of the login is to pick up."""
        some = [member for member in await self.members() if member != DEMO_MEMBER]
        for before, buyers in ((timedelta(days=4), some[:6]), (timedelta(hours=5), some[6:10])):
            await self.redeem_all(buyers, PARTNER_GOODS, now - before)
        await self.redeem_all([DEMO_MEMBER], TO_PICK_UP, now - timedelta(days=1))

    async def redeem_all(self, members: list[str], sku: str, at: datetime) -> None:
        """Each of these members takes a unit of an item at some instant; a refusal is left at that."""
        self.clock.instant = at
        await asyncio.gather(*(self._redeem(member, sku) for member in members))

    async def _redeem_together(self, wishes: list[tuple[str, Offer]], at: datetime) -> None:
        """Several members at the same moment: the desk settles them as one batch."""
        self.clock.instant = at
        outcomes = await asyncio.gather(*(self._redeem(member, offer.sku) for member, offer in wishes))
        for (member, offer), redeemed in zip(wishes, outcomes, strict=True):
            if redeemed is not None:
                await self._what_becomes_of_it(member, offer, redeemed, at)

    async def _what_becomes_of_it(self, member: str, offer: Offer, redeemed: Redeemed, at: datetime) -> None:
        if redeemed.state == "confirmed" and self.draw.random() < CANCELLED_SHARE:
            async with self.connection.transaction():
                await cancel_redemption(
                    self.connection, redeemed.number, member_id=None, reason="changed_mind",
                    actor=f"member:{self.ids[member]}",
                    now=at + timedelta(minutes=20), zone=self.zone,
                )  # fmt: skip
        elif offer.partner_id is not None and offer.stores:
            self.due += self._plan_uses(redeemed, offer, at.date())

    def _plan_uses(self, redeemed: Redeemed, offer: Offer, day: date) -> Iterator[Due]:
        for voucher_id in redeemed.voucher_ids:
            for _ in range(self.draw.randint(1, offer.uses)):
                if self.draw.random() < VERIFIED_SHARE:
                    later = timedelta(days=self.draw.randint(1, 9))
                    yield Due(day + later, voucher_id, offer.partner_id or 0, self.draw.choice(offer.stores))

    async def _redeem(self, member: str, sku: str) -> Redeemed | None:
        self.count += 1
        request = RedeemRequest(
            "demo", str(self.count), hash_request(member, sku, 1), member, sku, 1, "mall", f"member:{self.ids[member]}"
        )
        try:
            return await self.desk.redeem(request)
        except RefusedError:
            return None

    async def _verify_due(self, day: date, now: datetime) -> None:
        today, self.due = [one for one in self.due if one.day <= day], [one for one in self.due if one.day > day]
        async with self.connection.transaction():
            await self._verify(today, day, now)

    async def _verify(self, uses: list[Due], day: date, now: datetime) -> None:
        for one in uses:
            at = datetime.combine(day, datetime.min.time(), self.zone) + timedelta(
                hours=self.draw.randint(10, 21), minutes=self.count % 60
            )
            if at >= now:
                continue
            request = VerifyRequest(
                text=self.tokens.codes.code_of(one.voucher_id),
                store_code=one.store,
                nonce=f"demo-{one.voucher_id}-{at.isoformat()}",
                verifier="demo",
                partner_id=one.partner_id,
            )
            await verify(
                self.connection, request, now=at, zone=self.zone, tokens=self.tokens, on_used_up=complete_when_used_up
            )

    async def members(self) -> list[str]:
        """Members with points to spend, in an order that is always the same."""
        found = await self.connection.execute(
            "SELECT m.external_id FROM member m JOIN account a ON a.member_id = m.id AND a.kind = 'member_points' "
            "WHERE a.balance >= 300 AND m.external_id <> %s ORDER BY m.name IS NULL, m.id LIMIT 120",
            (DEMO_MEMBER,),
        )
        return [row[0] for row in await found.fetchall()]

    async def _offers(self) -> list[Offer]:
        found = await self.connection.execute(
            "SELECT i.sku, i.partner_id, array_remove(array_agg(s.code ORDER BY s.code), NULL), i.uses "
            "FROM item i LEFT JOIN store s ON s.partner_id = i.partner_id AND s.active "
            "AND (NOT EXISTS (SELECT FROM item_store x WHERE x.item_id = i.id) "
            "OR EXISTS (SELECT FROM item_store x WHERE x.item_id = i.id AND x.store_id = s.id)) "
            "WHERE i.state = 'live' AND NOT i.is_drop AND i.cash_minor = 0 AND i.points <= 3000 GROUP BY i.id ORDER BY i.id"
        )
        offers = [Offer(*row) for row in await found.fetchall()]
        # Partner rights are what members come for; they stand in the draw three times.
        return offers + [offer for offer in offers if offer.partner_id and offer.stores] * 2


@asynccontextmanager
async def open_activity(  # type: ignore[no-untyped-def]
    connection: AsyncConnection[Any], database_url: str, tokens: Tokens, zone: ZoneInfo, start: datetime
):
    """An activity with a desk of its own, whose clock is set as the demo goes through the days."""
    clock = FixedClock(start)
    desk = Desk(database_url, clock, zone)
    await desk.open()
    try:
        found = await connection.execute("SELECT external_id, id FROM member")
        yield Activity(connection, desk, clock, tokens, zone, dict(await found.fetchall()))
    finally:
        await desk.close()
