"""Printed for a campaign: no till takes a number before it is activated, and whoever bears it uses it once."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from psycopg import AsyncConnection

from liyu.core.clock import local_date
from liyu.core.errors import DomainError, InvalidInputError, NotFoundError
from liyu.redemption.books import prove_books
from liyu.vouchers.errors import (
    AlreadyVerifiedError,
    NotActivatedError,
    UnknownVoucherError,
    VoucherCancelledError,
    VoucherExpiredError,
    VoucherFrozenError,
)
from liyu.vouchers.expire import expire_vouchers
from liyu.vouchers.facts import fetch_facts
from liyu.vouchers.office import freeze_voucher
from liyu.vouchers.runs import claims
from liyu.vouchers.runs.claims import Claimed, claim_voucher
from liyu.vouchers.runs.errors import (
    CannotClaimError,
    InWalletError,
    ItemNotForRunsError,
    NotEnoughStockError,
    NothingInRangeError,
    OwnRunError,
    RunNameTakenError,
    SpentError,
)
from liyu.vouchers.runs.queries import list_numbers, load_run
from liyu.vouchers.runs.service import decide_range, make_run
from liyu.vouchers.serials import serial_of
from liyu.vouchers.verify import Verified
from tests.vouchers.tills import FEE, TOKENS, Connections, Shops, open_shops, verify_on
from tests.world import NOW, ZONE, World, open_world

LAST_DAY = local_date(NOW, ZONE) + timedelta(days=30)
ACT: dict[str, Any] = {"reason": "Handed out", "actor": "staff:1", "now": NOW, "zone": ZONE}


class Fair:
    """A run of five numbers of one partner's right, of which there are ten in stock; vouchers by number."""

    def __init__(self, world: World, shops: Shops) -> None:
        self.world, self.shops = world, shops
        self.run, self.sku, self.ids = 0, "", dict[int, int]()

    async def make(self, total: int = 5, name: str = "Fair", **wish: Any) -> int:
        return await make_run(
            self.world.connection, self.sku, name=name, total=total, actor="staff:1", now=NOW, zone=ZONE,
            **{"last_day": LAST_DAY} | wish,
        )  # fmt: skip

    async def decide(self, act: str, first: int, last: int) -> int:
        async with self.world.connection.transaction():
            return await decide_range(self.world.connection, self.run, act, first=first, last=last, **ACT)

    async def claim(
        self, member: str, text: str, *, now: datetime = NOW, on: AsyncConnection[Any] | None = None
    ) -> Claimed:
        connection = on or self.world.connection
        (member_id,) = await (
            await connection.execute("SELECT id FROM member WHERE external_id = %s", (member,))
        ).fetchone() or (0,)
        async with connection.transaction():
            return await claim_voucher(
                connection, member_id, text, tokens=TOKENS, actor=f"member:{member_id}", now=now, zone=ZONE
            )

    async def taken(self) -> int:
        return int(
            await self.world.one(
                "SELECT taken FROM item_stock s JOIN item i ON i.id = s.item_id WHERE sku = %s", self.sku
            )
        )

    async def footprint(self) -> tuple[int, ...]:
        tables = ("voucher_run", "voucher", "voucher_run_activation", "voucher_transition", "voucher_change")
        return (*[await self.world.one(f"SELECT count(*) FROM {table}") for table in tables], await self.taken())


async def open_fair(world: World) -> Fair:
    fair = Fair(world, await open_shops(world))
    of_member = await fair.shops.voucher()
    item = await world.one("SELECT item_id FROM voucher WHERE id = %s", of_member)
    await world.connection.execute("UPDATE item_stock SET total = 10 WHERE item_id = %s", (item,))
    fair.sku = await world.one("SELECT sku FROM item WHERE id = %s", item)
    fair.run = await fair.make()
    facts = await fetch_facts(world.connection, "WHERE v.run_id = %(run)s", {"run": fair.run})
    fair.ids = {one.run_number or 0: one.id for one in facts}
    assert sorted(fair.ids.values()) == [fair.ids[number] for number in range(1, 6)]
    return fair


def code_of(voucher_id: int, generation: int = 0) -> str:
    return TOKENS.codes.code_of(serial_of(voucher_id, generation))


async def test_numbers_are_worth_nothing_until_they_are_activated(database_url: str) -> None:
    async with open_world(database_url) as world:
        fair = await open_fair(world)
        shops, ids = fair.shops, fair.ids
        (facts,) = await fetch_facts(world.connection, "WHERE v.id = %(id)s", {"id": ids[1]})
        assert (facts.number, facts.run_total, facts.member_id, facts.last_day(ZONE)) == ("0001", 5, None, LAST_DAY)
        with pytest.raises(NotActivatedError):
            await shops.verify(ids[1])
        assert await fair.decide("activated", 1, 2) == 2
        assert await fair.decide("withdrawn", 2, 3) == 1
        before = await fair.footprint()
        with pytest.raises(NothingInRangeError):
            await fair.decide("activated", 1, 3)
        assert await fair.footprint() == before
        # What is used makes the partner's entry, by the terms that the run pinned.
        verified = await shops.verify(ids[1])
        owed = "SELECT amount_minor FROM payable_entry WHERE source = %s"
        assert await world.one(owed, f"verification:{verified.verification_id}") == FEE
        with pytest.raises(AlreadyVerifiedError):
            await shops.verify(ids[1])
        await shops.undo(verified.verification_id)
        assert await shops.state(ids[1]) == ("issued", 0)
        await shops.verify(ids[1])
        await shops.verify(ids[2])
        with pytest.raises(VoucherCancelledError):
            await shops.verify(ids[3])
        run = await load_run(world.connection, fair.run, NOW)
        assert (run.waiting, run.usable, run.used, run.withdrawn, run.expired, run.in_wallets) == (2, 0, 2, 1, 0, 0)
        assert run.owed_minor == FEE
        later = NOW + timedelta(days=40)
        assert (await load_run(world.connection, fair.run, later)).expired == 2
        await expire_vouchers(world.connection, later)
        assert await shops.state(ids[4]) == ("expired", 0)
        numbers, _ = await list_numbers(world.connection, fair.run, state="expired", after=4, now=later)
        assert [(one.number, one.voucher_id) for one in numbers] == [(5, ids[5])]
        assert (await prove_books(world.connection, NOW)).balanced


async def test_a_run_takes_its_units_from_stock_and_gives_back_what_is_withdrawn(database_url: str) -> None:
    async with open_world(database_url) as world:
        fair = await open_fair(world)
        assert await fair.taken() == 6
        before = await fair.footprint()
        for wish, error in (
            ({"total": 0}, InvalidInputError),
            ({"total": 20_001}, InvalidInputError),
            ({"last_day": local_date(NOW, ZONE) - timedelta(days=1)}, InvalidInputError),
            ({"last_day": LAST_DAY + timedelta(days=999)}, InvalidInputError),
            ({"name": "Second"}, NotEnoughStockError),
            ({"total": 1}, RunNameTakenError),
        ):
            with pytest.raises(error):
                async with world.connection.transaction():
                    await fair.make(**wish)
        goods = await world.item("goods-1", kind="goods")
        for sku, unfit in (("nothing", NotFoundError), (goods, ItemNotForRunsError)):
            with pytest.raises(unfit):
                await make_run(
                    world.connection, sku, name="X", total=1, last_day=LAST_DAY, actor="staff:1", now=NOW, zone=ZONE
                )
        assert await fair.footprint() == before
        await fair.decide("withdrawn", 4, 99)
        assert await fair.taken() == 4
        assert (await prove_books(world.connection, NOW)).balanced
        # The proof knows of a unit that nobody accounts for.
        await world.connection.execute("UPDATE item_stock SET taken = taken - 1 WHERE total = 10")
        assert not (await prove_books(world.connection, NOW)).balanced
        await world.connection.execute("UPDATE item_stock SET taken = taken + 1 WHERE total = 10")


async def test_above_the_limit_of_a_day_somebody_else_activates(database_url: str) -> None:
    async with open_world(database_url) as world, Connections(database_url, 2) as connections:
        fair = await open_fair(world)
        await world.connection.execute("UPDATE program SET issue_limit = 2")
        before = await fair.footprint()
        with pytest.raises(OwnRunError):
            await fair.decide("activated", 1, 3)
        assert await fair.footprint() == before

        async def activate(on: AsyncConnection[Any], number: int, **who: Any) -> int:
            async with on.transaction():
                return await decide_range(on, fair.run, "activated", first=number, last=number, **ACT | who)

        assert await activate(world.connection, 1) == 1
        # Two at once by the same person: the one that comes second is counted with the first.
        found = await asyncio.gather(
            *(activate(one, number) for one, number in zip(connections, (2, 3), strict=True)), return_exceptions=True
        )
        assert sorted(type(one).__name__ for one in found) == ["OwnRunError", "int"]
        assert await activate(world.connection, 4, actor="staff:2") == 1
        assert await fair.decide("withdrawn", 5, 5) == 1
        assert await activate(world.connection, 2 + isinstance(found[0], int), now=NOW + timedelta(days=1)) == 1


async def test_a_printed_voucher_goes_into_a_wallet_and_its_paper_is_none_any_more(database_url: str) -> None:
    async with open_world(database_url) as world:
        fair = await open_fair(world)
        shops, ids = fair.shops, fair.ids
        await world.members("m-2", "m-3")
        await fair.decide("activated", 1, 4)
        paper = TOKENS.static_token(ids[1], LAST_DAY, 1)
        assert await fair.claim("m-2", paper) == Claimed(ids[1])
        assert await fair.claim("m-2", code_of(ids[1]).lower()) == Claimed(ids[1], repeated=True)
        with pytest.raises(UnknownVoucherError):
            await shops.verify(ids[1], text=paper)
        assert (await load_run(world.connection, fair.run, NOW)).in_wallets == 1
        own = await world.one("SELECT min(id) FROM voucher WHERE member_id IS NOT NULL")
        await shops.verify(ids[2])
        await freeze_voucher(world.connection, ids[3], reason="lost", actor="staff:1", now=NOW)
        await world.connection.execute("UPDATE member SET state = 'frozen' WHERE external_id = 'm-1'")
        before = await fair.footprint()
        cases: list[tuple[str, str, type[DomainError], timedelta]] = [
            ("m-3", paper, InWalletError, timedelta()),
            ("m-3", code_of(own), InWalletError, timedelta()),
            ("m-3", code_of(ids[2]), SpentError, timedelta()),
            ("m-3", code_of(ids[3]), VoucherFrozenError, timedelta()),
            ("m-3", code_of(ids[4]), VoucherExpiredError, timedelta(days=40)),
            ("m-3", code_of(ids[5]), NotActivatedError, timedelta()),
            # Of a generation that is not there yet, of no voucher, mistyped, and what another wallet shows just now.
            ("m-3", code_of(ids[5], 1), UnknownVoucherError, timedelta()),
            ("m-3", code_of(99_999), UnknownVoucherError, timedelta()),
            ("m-3", "7K3M", UnknownVoucherError, timedelta()),
            ("m-3", TOKENS.dynamic_token(serial_of(ids[1], 1), NOW), UnknownVoucherError, timedelta()),
            ("m-1", code_of(ids[4]), CannotClaimError, timedelta()),
        ]
        for member, text, error, later in cases:
            with pytest.raises(error):
                await fair.claim(member, text, now=NOW + later)
        assert await fair.footprint() == before
        done = await shops.verify(ids[1], text=code_of(ids[1], 1))
        assert await world.one(
            "SELECT count(*) FROM payable_entry WHERE source = %s", f"verification:{done.verification_id}"
        )
        assert (await prove_books(world.connection, NOW)).balanced


@pytest.mark.parametrize("guarded", [True, False])
async def test_two_members_claim_one_code_at_once(
    database_url: str, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    if not guarded:
        monkeypatch.setattr(
            claims,
            "_CLAIM",
            claims._CLAIM.replace("AND holder_id IS NULL", "").replace("AND generation = %(generation)s", ""),
        )
    async with open_world(database_url) as world, Connections(database_url, 6) as connections:
        fair = await open_fair(world)
        members = await world.members(*(f"c-{number}" for number in range(6)))
        await fair.decide("activated", 1, 5)
        outcomes = await asyncio.gather(
            *(fair.claim(one, code_of(fair.ids[1]), on=own) for one, own in zip(members, connections, strict=True)),
            return_exceptions=True,
        )
        got = [one for one in outcomes if isinstance(one, Claimed)]
        assert (len(got) == 1) is guarded
        if guarded:
            assert sum(isinstance(one, InWalletError) for one in outcomes) == 5
            assert await world.one("SELECT count(*) FROM voucher_change WHERE change = 'claimed'") == 1
            # Of a member and a till the one who comes first has it, and the other one is told so.
            for number in range(2, 6):
                voucher = fair.ids[number]
                by_member, by_till = await asyncio.gather(
                    fair.claim(members[0], code_of(voucher), on=connections[0]),
                    verify_on(connections[1], fair.shops.request(voucher)),
                    return_exceptions=True,
                )
                if isinstance(by_member, Claimed):
                    assert isinstance(by_till, UnknownVoucherError)
                else:
                    assert isinstance(by_member, SpentError)
                    assert isinstance(by_till, Verified)
