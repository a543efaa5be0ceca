"""The desk on a real database: what a redemption writes, replays, refusals that change nothing, faults that harm nobody."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from psycopg import AsyncConnection

from liyu.core.clock import local_date
from liyu.core.errors import IdempotencyConflictError
from liyu.redemption import desk as desk_module
from liyu.redemption.desk import Redeemed
from liyu.redemption.errors import RefusedError, UnknownItemError, UnknownMemberError
from liyu.redemption.load import is_contested, load_state, lock_and_read_stocks
from liyu.redemption.save import Batch
from liyu.redemption.state import DeskState, RedeemRequest
from tests.world import NOW, ZONE, World, open_world


async def test_a_redemption_moves_points_stock_limit_and_voucher_together(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m", points=500)
        sku = await world.item(points=120, stock=10, per_member_limit=3)
        redeemed = await world.redeem("m", sku, 2)
        assert (redeemed.state, redeemed.points, len(redeemed.voucher_ids)) == ("confirmed", 240, 2)
        assert redeemed.number.startswith("R")
        assert (await world.balances("m"))["points"] == 260
        assert await world.footprint() == {
            "redemption": 1, "redemption_transition": 1, "transfer": 2, "lot_entry": 2, "voucher": 2, "limit_use": 1,
            "points": 260, "taken": 2,
        }  # fmt: skip


async def test_an_item_that_costs_nothing_moves_no_points(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m")
        redeemed = await world.redeem("m", await world.item(points=0))
        assert redeemed.points == 0
        assert (await world.footprint())["transfer"] == 0


async def test_the_same_key_returns_the_first_answer_and_another_body_conflicts(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m", points=500)
        sku = await world.item()
        first = await world.redeem("m", sku, key="k")
        again = await world.redeem("m", sku, key="k")
        assert again.replayed
        assert (again.number, again.voucher_ids, again.expires_at) == (
            first.number,
            first.voucher_ids,
            first.expires_at,
        )
        with pytest.raises(IdempotencyConflictError):
            await world.redeem("m", sku, 2, key="k")
        assert (await world.balances("m"))["points"] == 400


async def test_a_refusal_is_the_first_answer_too(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m", points=50)
        sku = await world.item()
        with pytest.raises(RefusedError) as first:
            await world.redeem("m", sku, key="k")
        await world.post(world.purchase("m", 100_000))
        with pytest.raises(RefusedError) as again:
            await world.redeem("m", sku, key="k")
        assert [reason.details for reason in again.value.reasons] == [reason.details for reason in first.value.reasons]
        assert (await world.redeem("m", sku)).points == 100


async def test_the_same_key_twice_in_one_batch_is_one_redemption(database_url: str) -> None:
    async with open_world(database_url) as world, world.desk() as desk:
        await world.member("m", points=500)
        wish = world.wish("m", await world.item())
        one, other = await asyncio.gather(desk.redeem(wish), desk.redeem(wish))
        assert one.number == other.number
        assert sorted([one.replayed, other.replayed]) == [False, True]


@pytest.mark.parametrize(
    ("facts", "quantity", "code"),
    [
        ({"stock": 0}, 1, "sold_out"),
        ({"stock": 1}, 2, "sold_out"),
        ({"points": 501}, 1, "not_enough_points"),
        ({"per_member_limit": 1}, 2, "limit_reached"),
        ({"per_day_limit": 1}, 2, "limit_reached"),
        ({"tier": "gold"}, 1, "tier_too_low"),
        ({"on_sale_from": NOW + timedelta(hours=1)}, 1, "not_on_sale"),
        ({"on_sale_to": NOW - timedelta(hours=1)}, 1, "not_on_sale"),
        ({"state": "paused"}, 1, "not_on_sale"),
        ({"cash_minor": 100}, 1, "payment_unavailable"),
    ],
)
async def test_a_refusal_says_why_and_changes_nothing(
    database_url: str, facts: dict[str, Any], quantity: int, code: str
) -> None:
    async with open_world(database_url) as world:
        await world.member("m", points=500)
        sku = await world.item(**facts)
        before = await world.footprint()
        with pytest.raises(RefusedError) as refusal:
            await world.redeem("m", sku, quantity)
        assert refusal.value.stable_code == code
        assert await world.footprint() == before


async def test_a_frozen_member_is_refused(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m", points=500)
        sku = await world.item()
        await world.connection.execute("UPDATE member SET state = 'frozen'")
        with pytest.raises(RefusedError) as refusal:
            await world.redeem("m", sku)
        assert refusal.value.stable_code == "member_frozen"


async def test_strangers_are_told_apart_from_refusals(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m", points=500)
        with pytest.raises(UnknownMemberError):
            await world.redeem("nobody", await world.item())
        with pytest.raises(UnknownItemError):
            await world.redeem("m", "nothing")


async def test_one_request_that_the_database_refuses_harms_no_other_of_its_batch(database_url: str) -> None:
    async with open_world(database_url) as world, world.desk() as desk:
        for name in ("a", "b", "c"):
            await world.member(name, points=500)
        sku = await world.item()
        # The decision sees 500 points, the database does not let this account go below 450.
        await world.connection.execute(
            "ALTER TABLE account ADD CONSTRAINT guard "
            "CHECK (balance >= 450 OR member_id <> (%s)::bigint OR kind <> 'member_points')"
            % await world.one("SELECT id FROM member WHERE external_id = 'b'")
        )
        outcomes = await asyncio.gather(
            *(desk.redeem(world.wish(name, sku)) for name in ("a", "b", "c")), return_exceptions=True
        )
        assert [isinstance(outcome, Redeemed) for outcome in outcomes] == [True, False, True]
        assert (await world.balances("b"))["points"] == 500


async def _load(world: World, connection: AsyncConnection[Any], wishes: list[RedeemRequest]) -> DeskState:
    """Read what a batch needs and lock what it must, as the desk does; the transaction stays open."""
    today = local_date(NOW, ZONE)
    state, _ = await load_state(connection, wishes, NOW, today, ZONE, payments_available=False)
    if is_contested(state, wishes):
        await lock_and_read_stocks(connection, state, wishes)
    return state


@pytest.mark.parametrize(
    ("facts", "is_locked"),
    [
        ({"stock": None}, False),
        ({"stock": 8}, False),
        ({"stock": 7}, True),
        ({"stock": 0}, False),
        ({"kind": "code"}, True),
    ],
)
async def test_only_scarce_stock_and_codes_are_locked_while_a_batch_is_decided(
    database_url: str, facts: dict[str, Any], is_locked: bool
) -> None:
    async with open_world(database_url) as world:
        wishes = [world.wish(await world.member(name, points=500), "item-1") for name in ("a", "b")]
        await world.item(**facts)
        async with await AsyncConnection.connect(database_url, autocommit=True) as connection:
            await _load(world, connection, wishes)
            free = await world.one("SELECT count(*) FROM (SELECT FROM item_stock FOR UPDATE SKIP LOCKED) AS free")
            assert free == (0 if is_locked else 1)
            await connection.rollback()


async def test_a_batch_that_counted_on_stock_which_others_took_is_decided_again_one_by_one(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_world(database_url) as world, world.desk() as desk:
        wishes = [world.wish(await world.member(name, points=500), "item-1") for name in ("a", "b")]
        await world.item(stock=8)
        save_batch = vars(desk_module)["save"]

        async def save_after_others(connection: AsyncConnection[Any], batch: Batch, redeemed: int) -> None:
            await world.connection.execute("UPDATE item_stock SET taken = 7 WHERE taken = 0")
            await save_batch(connection, batch, redeemed)

        monkeypatch.setattr(desk_module, "save", save_after_others)
        first, second = await asyncio.gather(*(desk.redeem(wish) for wish in wishes), return_exceptions=True)
        assert isinstance(first, Redeemed)
        assert isinstance(second, RefusedError)
        assert second.stable_code == "sold_out"
        assert await world.footprint() | {"transfer": 0, "lot_entry": 0} == {
            "redemption": 1, "redemption_transition": 1, "transfer": 0, "lot_entry": 0, "voucher": 1, "limit_use": 0,
            "points": 900, "taken": 8,
        }  # fmt: skip
        await world.connection.execute("UPDATE item_stock SET taken = 1")


async def test_a_caller_that_goes_away_changes_nothing_about_the_outcome(database_url: str) -> None:
    async with open_world(database_url) as world, world.desk() as desk:
        await world.member("m", points=500)
        wish = world.wish("m", await world.item())
        caller = asyncio.create_task(desk.redeem(wish))
        await asyncio.sleep(0)
        caller.cancel()
        await asyncio.gather(caller, return_exceptions=True)
        assert (await desk.redeem(wish)).replayed


async def test_the_desk_goes_on_after_its_connection_was_cut(database_url: str) -> None:
    async with open_world(database_url) as world, world.desk() as desk:
        await world.member("m", points=500)
        sku = await world.item()
        await desk.redeem(world.wish("m", sku))
        await world.connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert (await desk.redeem(world.wish("m", sku))).points == 100
        assert (await world.balances("m"))["points"] == 300


async def test_points_are_taken_from_the_lot_that_lapses_first(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m")
        await world.post(
            world.purchase("m", 10_000, at=NOW - timedelta(days=20)),
            world.purchase("m", 10_000, at=NOW - timedelta(days=400)),
        )
        await world.redeem("m", await world.item(points=150))
        assert {day.year: rest for day, rest in (await world.lots("m")).items() if day} == {2026: 0, 2027: 50}
