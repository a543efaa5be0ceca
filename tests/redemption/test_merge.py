"""Merging two members: nothing is lost, nothing is doubled, nothing is stranded; it is done once, for ever."""

import asyncio
from datetime import date, timedelta
from typing import Any

import pytest
from psycopg.errors import RestrictViolation

from liyu.core.errors import InvalidInputError
from liyu.core.migrations.tables import metadata
from liyu.members.enrol import find_members
from liyu.members.errors import UnknownMemberError
from liyu.members.points.history import list_movements
from liyu.members.profile import MemberChanges, save_member
from liyu.members.queries import find_member_id, read_member
from liyu.members.service import merge as members_merge
from liyu.members.service.errors import ChangedMeanwhileError, NotMergeableError
from liyu.redemption.cancel import cancel_redemption
from liyu.redemption.desk import Redeemed
from liyu.redemption.errors import RefusedError
from liyu.redemption.merge import Merged, merge, preview_merge
from liyu.redemption.save import hash_request
from liyu.redemption.state import RedeemRequest
from liyu.vouchers.merge import count_vouchers
from tests.world import NOW, ZONE, World, open_world

MERGED_BY_REDEMPTION = {
    "redemption", "favourite", "item_seen", "candidate_vote", "drop_entry", "drop_offer", "voucher", "voucher_gift",
}  # fmt: skip
READ_OVER_BOTH = {"drop_note", "voucher_reminder", "campaign_gift", "gift_code"}


async def join(world: World, source: str = "s", target: str = "t", *, seen: str | None = None) -> Merged:
    async with world.connection.transaction():
        return await merge(
            world.connection, source, target, reason="One person", actor="staff:1", now=world.clock.now(), zone=ZONE, seen=seen
        )  # fmt: skip


async def refusals(world: World, source: str, target: str) -> list[str]:
    before = await world.footprint()
    with pytest.raises(NotMergeableError) as refusal:
        await join(world, source, target)
    assert await world.footprint() == before
    return [reason.code for reason in refusal.value.reasons]


async def change(world: World, member: str, **fields: Any) -> None:
    changes = MemberChanges(**fields)
    async with world.connection.transaction():
        await save_member(world.connection, member, changes, actor="test", now=world.clock.now(), zone=ZONE)


async def test_every_table_that_points_at_a_member_has_its_place_in_a_merge() -> None:
    pointing = {
        table.name for table in metadata.tables.values() for key in table.foreign_keys if key.column.table.name == "member"
    }  # fmt: skip
    assert pointing == {*members_merge.GO_OVER, *members_merge.STAY, *MERGED_BY_REDEMPTION, *READ_OVER_BOTH}


async def test_lots_keep_their_last_days_and_the_source_ends_at_zero(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("s")
        await world.member("t")
        old = NOW - timedelta(days=400)
        await world.post(world.purchase("s", 30_000), world.purchase("s", 20_000, at=old), world.purchase("t", 10_000))
        merged = await join(world)
        assert merged.members.points.usable == 500
        assert await world.lots("t") == {date(2026, 12, 31): 200, date(2027, 12, 31): 400}
        assert await world.balances("s") == {"points": 0, "pending": 0, "debt": 0}
        assert await world.one("SELECT growth FROM member WHERE external_id = 't'") == 600
        # The member sees the points of both, with their reasons and one running balance.
        movements = (await list_movements(world.connection, await find_member_id(world.connection, "t"))).movements
        assert [one.points for one in movements if one.event != "merge"] == [100, 300, 200]
        assert {one.points for one in movements if one.event == "merge"} == {0}
        assert movements[0].balance == 600


async def test_a_debt_goes_over_and_future_earnings_pay_it_first(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("s", points=100)
        await world.member("t", points=50)
        await world.redeem("s", await world.item(points=100))
        await world.post(world.event("s", "return", 10_000, reference="ref-1"))
        await join(world)
        assert await world.balances("t") == {"points": 50, "pending": 0, "debt": -100}
        await world.post(world.event("t", "purchase", 13_000))
        assert await world.balances("t") == {"points": 80, "pending": 0, "debt": 0}


async def test_the_old_id_redeems_from_the_points_of_who_lives_on(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("s", points=100)
        await world.member("t", points=100)
        await join(world)
        sku = await world.item(points=150, per_member_limit=1)
        assert (await world.redeem("s", sku)).points == 150
        assert (await world.balances("t"))["points"] == 50
        with pytest.raises(RefusedError) as refused:
            await world.redeem("t", sku)
        assert [reason.code for reason in refused.value.reasons] == ["limit_reached", "not_enough_points"]


async def test_both_ids_in_one_batch_spend_what_there_is_once(database_url: str) -> None:
    async with open_world(database_url) as world, world.desk() as desk:
        await world.member("s", points=100)
        await world.member("t", points=100)
        await join(world)
        sku = await world.item(points=150)
        outcomes = await asyncio.gather(
            *(desk.redeem(world.wish(member, sku)) for member in ("s", "t")), return_exceptions=True
        )
        assert [isinstance(outcome, RefusedError) for outcome in outcomes].count(True) == 1
        assert (await world.balances("t"))["points"] == 50


async def test_events_of_the_old_id_reach_who_lives_on(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("s")
        await world.member("t")
        purchase = world.purchase("s", 50_000, reference="A")
        await world.post(purchase)
        await join(world)
        again, returned, both = (
            await world.post(purchase),
            await world.post(world.event("s", "return", 20_000, reference="A")),
            await world.post(world.event("s", "check_in"), world.event("t", "check_in")),
        )
        assert again[0].status == "duplicate"
        assert (returned[0].status, returned[0].points) == ("ok", -200)
        # One person checks in once a day, by whichever id.
        assert [one.points for one in both] == [1, 0]
        assert (await world.balances("t"))["points"] == 301
        assert (await read_member(world.connection, "s")).external_id == "t"
        enrolled = await world.post(world.event("s", "share"), enrol_unknown=True)
        assert enrolled[0].points == 2
        ids = await find_members(world.connection, ["s", "t"])
        assert ids["s"] == ids["t"]


async def test_vouchers_and_orders_go_along_and_can_still_be_cancelled(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("s", points=300)
        await world.member("t", points=10)
        redeemed = await world.redeem("s", await world.item(points=120), 2)
        source = await find_member_id(world.connection, "s")
        async with world.connection.transaction(force_rollback=True):
            # What was used in part can still be used; what is frozen cannot.
            await world.connection.execute("UPDATE voucher SET state = 'partly_used', uses_allowed = 3, uses = 1")
            await world.connection.execute(
                "UPDATE voucher SET frozen_at = now() WHERE id = (SELECT min(id) FROM voucher)"
            )
            counted = await count_vouchers(world.connection, {"source": source, "now": world.clock.now()})
            assert (counted.vouchers, counted.usable) == (2, 1)
        merged = await join(world)
        assert (merged.redemptions, merged.vouchers.vouchers, merged.vouchers.usable) == (1, 2, 2)
        owners = await world.one(
            "SELECT array_agg(DISTINCT m.external_id) FROM voucher v JOIN redemption r ON r.id = v.redemption_id "
            "AND r.member_id = v.member_id JOIN member m ON m.id = v.member_id"
        )
        assert owners == ["t"]
        async with world.connection.transaction():
            target = await find_member_id(world.connection, "t")
            given_back = await cancel_redemption(
                world.connection,
                redeemed.number,
                member_id=target,
                reason="changed_mind",
                actor="t",
                now=NOW,
                zone=ZONE,
            )
        assert given_back == 240
        assert await world.lots("t") == {date(2027, 12, 31): 310}


async def test_limits_of_both_are_used_up_together(database_url: str) -> None:
    async with open_world(database_url) as world:
        sku = await world.item(points=10, per_member_limit=2)
        for member, units in (("s", 2), ("t", 1)):
            await world.member(member, points=100)
            await world.redeem(member, sku, units)
        (passed,) = (await join(world)).passed
        assert (passed.sku, passed.used, passed.cap) == (sku, 3, 2)
        with pytest.raises(RefusedError) as refusal:
            await world.redeem("t", sku)
        assert [reason.code for reason in refusal.value.reasons] == ["limit_reached"]


async def test_first_answers_answer_again_under_the_new_member(database_url: str) -> None:
    async with open_world(database_url) as world, world.desk() as desk:
        sku = await world.item(points=10)
        ids = {}
        for member in ("s", "t"):
            await world.member(member, points=100)
            ids[member] = await find_member_id(world.connection, member)

        def wish(member: str) -> RedeemRequest:
            scope, body = f"member:{ids[member]}", hash_request(member, sku, 1)
            return RedeemRequest(scope, "one-form", body, member, sku, 1, "mall", scope)

        first = await desk.redeem(wish("s"))
        assert (await join(world)).answers == 1
        again = await desk.redeem(wish("t"))
        assert isinstance(again, Redeemed)
        assert (again.number, again.replayed) == (first.number, True)
        assert await world.one("SELECT count(*) FROM redemption") == 1


@pytest.mark.parametrize(
    ("source", "target", "tier"), [(4_000, 100, "gold"), (100, 4_000, "gold"), (600, 600, "silver")]
)
async def test_the_higher_tier_wins_and_growth_adds_up(database_url: str, source: int, target: int, tier: str) -> None:
    async with open_world(database_url) as world:
        await world.member("s", points=source)
        await world.member("t", points=target)
        before = await world.one("SELECT max(tier_until) FROM member")
        await join(world)
        record = await read_member(world.connection, "t")
        assert (record.tier, record.growth) == (tier, source + target)
        assert record.tier_until is not None
        assert before in (None, record.tier_until)
        reasons = await world.one(
            "SELECT array_agg(c.reason ORDER BY c.id) FROM tier_change c JOIN member m ON m.id = c.member_id "
            "WHERE m.external_id = 't'"
        )
        assert reasons[0] == "joined"


async def test_what_the_target_lacks_comes_over_and_phone_and_card_lead_there(database_url: str) -> None:
    async with open_world(database_url) as world:
        await change(world, "s", phone="13800138000", name="张三", city="上海")
        await change(world, "t", name="张三丰")
        merged = await join(world)
        assert merged.members.filled == {"phone": "+8613800138000", "city": "上海"}
        assert merged.members.kept == {"name": ["张三丰", "张三"]}
        record = await read_member(world.connection, "t")
        assert (record.phone, record.name, record.city) == ("+8613800138000", "张三丰", "上海")
        # The next one has a phone of their own that leads to the one who lives on, who may also take it.
        await change(world, "u", phone="13900139000")
        await join(world, "u", "t")
        assert (await read_member(world.connection, "u")).external_id == "t"
        await change(world, "t", phone="13900139000")
        assert (await read_member(world.connection, "t")).phone == "+8613900139000"


async def test_the_preview_is_the_merge_itself_and_changes_nothing(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("s", points=1_200)
        await world.member("t", points=10)
        await world.redeem("s", await world.item())
        before, rows = await world.footprint(), await world.one("SELECT count(*) FROM member_merge")
        async with world.connection.transaction():
            _, preview = await preview_merge(world.connection, "s", "t", actor="staff:1", now=NOW, zone=ZONE)
        assert await world.footprint() == before
        assert await world.one("SELECT count(*) FROM member_merge") == rows == 0
        await world.post(world.event("s", "check_in"))
        with pytest.raises(ChangedMeanwhileError):
            await join(world, seen=preview.fingerprint)
        assert (await world.balances("s"))["points"] == 1_101
        async with world.connection.transaction():
            _, preview = await preview_merge(world.connection, "s", "t", actor="staff:1", now=NOW, zone=ZONE)
        assert (await join(world, seen=preview.fingerprint)).members.points.usable == 1_101


async def test_nobody_is_merged_twice_or_in_a_circle_and_a_chain_leads_to_its_end(database_url: str) -> None:
    async with open_world(database_url) as world:
        for member, points in (("a", 1), ("b", 2), ("c", 4)):
            await world.member(member, points=points)
        await join(world, "a", "b")
        assert await refusals(world, "a", "c") == ["already_merged"]
        assert await refusals(world, "b", "a") == ["already_merged"]
        assert await refusals(world, "c", "c") == ["same_member"]
        await join(world, "b", "c")
        for member in "abc":
            assert (await read_member(world.connection, member)).balance == 7
        assert await refusals(world, "c", "a") == ["already_merged"]
        with pytest.raises(UnknownMemberError):
            await join(world, "c", "nobody")
        with pytest.raises(InvalidInputError):
            async with world.connection.transaction():
                await merge(world.connection, "c", "b", reason=" ", actor="x", now=NOW, zone=ZONE)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE member SET merged_into = NULL, state = 'active' WHERE external_id = 'a'",
        "UPDATE member SET merged_into = (SELECT id FROM member WHERE external_id = 'a'), state = 'merged' WHERE external_id = 'b'",
        "UPDATE member SET merged_into = (SELECT id FROM member WHERE external_id = 'a'), state = 'merged' WHERE external_id = 'c'",
        "UPDATE member SET merged_into = (SELECT id FROM member WHERE external_id = 'c'), state = 'merged' WHERE external_id = 'b'",
        "UPDATE member SET merged_into = id, state = 'merged' WHERE external_id = 'c'",
        "DELETE FROM member_merge",
    ],
)
async def test_the_database_itself_keeps_merges_flat_and_for_good(database_url: str, statement: str) -> None:
    async with open_world(database_url) as world:
        for member in "abc":
            await world.member(member)
        await join(world, "a", "b")
        with pytest.raises(RestrictViolation):
            await world.connection.execute(statement)


async def test_frozen_closed_and_leaving_members_are_not_merged(database_url: str) -> None:
    async with open_world(database_url) as world:
        for member in ("s", "t"):
            await world.member(member, points=5)
        await change(world, "s", state="frozen", reason="x")
        assert await refusals(world, "s", "t") == ["frozen"]
        assert await refusals(world, "t", "s") == ["frozen"]
        await change(world, "s", state="active", reason="x")
        await world.connection.execute(
            "INSERT INTO closing_request (member_id, reason, actor, requested_at, due_at) "
            "SELECT id, '', 'x', now(), now() FROM member WHERE external_id = 's'"
        )
        assert await refusals(world, "s", "t") == ["leaving"]


async def test_a_pre_registered_member_is_activated_by_the_merge(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("s")
        await world.connection.execute("UPDATE member SET state = 'pre_registered', activated_at = NULL")
        await world.post(world.purchase("s", 5_000))
        await world.member("t")
        assert await refusals(world, "t", "s") == ["not_active"]
        await join(world)
        assert await world.lots("t") == {date(2027, 12, 31): 50}


async def test_sessions_of_the_source_end(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("s")
        await world.member("t")
        await world.connection.execute(
            "INSERT INTO session (token_hash, audience, member_id, created_at, last_seen_at, expires_at, address, user_agent) "
            "SELECT 'x', 'member', id, now(), now(), now(), '', '' FROM member WHERE external_id = 's'"
        )
        await join(world)
        assert await world.one("SELECT revoked_at IS NOT NULL FROM session")
