"""Bulk issue: everybody meant gets it exactly once, whatever happens; who does not is told why."""

import asyncio
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from psycopg import AsyncConnection

from liyu.core.errors import InvalidInputError
from liyu.members.imports.errors import FileUnreadableError
from liyu.members.tags.conditions import Condition, Conditions
from liyu.redemption.campaigns import issue
from liyu.redemption.campaigns.errors import (
    NobodyMeantError,
    OwnCampaignError,
    StepNotPossibleError,
)
from liyu.redemption.campaigns.issue import carry_out, issue_next, list_left
from liyu.redemption.campaigns.people import list_of, read_list
from liyu.redemption.campaigns.preview import preview
from liyu.redemption.campaigns.records import Chosen, count_reasons, list_faults, list_gifts, list_steps, load_campaign
from liyu.redemption.campaigns.service import (
    Draft,
    approve_campaign,
    discard_campaign,
    draft_campaign,
    finish_campaign,
    finish_decided,
    forget_drafts,
    refuse_campaign,
    resume_campaign,
    start_campaign,
    stop_campaign,
    try_again,
)
from liyu.redemption.errors import ItemDoesNotFitError, NameTakenError
from liyu.redemption.giving import give
from tests.world import NOW, ZONE, World, open_world

TODAY = date(2026, 11, 22)
LIST = Chosen("list", "list.csv")


async def draft(world: World, sku: str, people: list[str] | None = None, **facts: Any) -> int:
    """A draft for members by number, or for everybody."""
    facts = {"name": f"campaign {next(world.keys)}", "reason": "谢谢", **facts}
    chosen = facts.pop("chosen", LIST if people else Chosen("everybody"))
    async with world.connection.transaction():
        made, _ = await draft_campaign(
            world.connection,
            Draft(sku=sku, chosen=chosen, **facts),
            actor="staff:1",
            now=world.clock.now(),
            zone=ZONE,
            listed=list_of(people) if people else None,
        )
    return made


async def start(world: World, campaign_id: int, actor: str = "staff:1") -> str:
    async with world.connection.transaction():
        return await start_campaign(world.connection, campaign_id, actor=actor, now=world.clock.now(), zone=ZONE)


async def run(world: World, campaign_id: int) -> None:
    await carry_out(world.connection, campaign_id, actor="system", now=world.clock.now, zone=ZONE)


async def act(world: World, step: Any, campaign_id: int, actor: str = "staff:1", **more: Any) -> Any:
    async with world.connection.transaction():
        return await step(world.connection, campaign_id, actor=actor, now=world.clock.now(), **more)


async def outcomes(world: World, campaign_id: int) -> dict[str, str | None]:
    lines = (await list_gifts(world.connection, campaign_id)).lines
    return {one.external_id: one.reason or one.state for one in lines}


async def test_what_the_preview_says_is_what_happens_and_the_books_agree(database_url: str) -> None:
    async with open_world(database_url) as world:
        people = await world.members("gets", "limit", "person", "frozen", "new", "holds", "has no points")
        await world.item(
            "cup", points=500, tier="gold", per_member_limit=1, per_person_limit=2, stock=5, cash_minor=100
        )
        await world.connection.execute("UPDATE item SET value_minor = 1800, tag_ids = '[99]', per_order_limit = 1")
        ids = dict(await (await world.connection.execute("SELECT external_id, id FROM member")).fetchall())
        await world.connection.execute("UPDATE member SET state = 'frozen' WHERE external_id = 'frozen'")
        await world.connection.execute("UPDATE member SET state = 'pre_registered' WHERE external_id = 'new'")
        await world.connection.execute(
            "INSERT INTO limit_use SELECT id, %s, '', 1, 1 FROM item UNION ALL SELECT id, %s, 'person', 2, 2 FROM item",
            (ids["limit"], ids["person"]),
        )
        first = await draft(world, "cup", ["holds"])
        await start(world, first)
        await run(world, first)
        await world.connection.execute("DELETE FROM limit_use WHERE member_id = %s", (ids["holds"],))

        second = await draft(world, "cup", people, skips_holders=True)
        campaign = await load_campaign(world.connection, second)
        seen = await preview(world.connection, campaign, now=NOW, today=TODAY, zone=ZONE)
        assert (seen.people, seen.get_it, seen.units, seen.stock_left, seen.short) == (7, 2, 2, 4, 0)
        assert (seen.cost_minor, seen.cost_basis, seen.is_offered) == (3600, "value", True)
        assert await start(world, second) == "issuing"
        await run(world, second)

        assert await outcomes(world, second) == {
            "gets": "given", "has no points": "given", "limit": "limit_reached", "person": "person_limit_reached",
            "frozen": "member_frozen", "new": "member_not_active", "holds": "holds_one",
        }  # fmt: skip
        assert await count_reasons(world.connection, second) == seen.left_out
        done = await load_campaign(world.connection, second)
        assert (done.state, done.given, done.waiting, done.left_out) == ("finished", 2, 0, 5)
        paid = "SELECT count(*) FROM redemption WHERE (points, cash_minor, state, channel) = (0, 0, 'confirmed', 'campaign')"
        assert await world.one(paid) == 3
        assert await world.one("SELECT count(*) FROM voucher WHERE state = 'issued'") == 3
        assert await world.one("SELECT count(*) FROM member_notice WHERE topic = 'campaign_once'") == 3
        assert await world.one("SELECT taken FROM item_stock") == 3


async def test_the_preview_knows_for_whom_the_stock_does_not_last(database_url: str) -> None:
    async with open_world(database_url) as world:
        people = await world.members(*(f"m-{number}" for number in range(7)))
        await world.item("cup", stock=5, per_member_limit=2)
        await world.connection.execute("UPDATE item SET value_minor = 100")
        await world.connection.execute(
            "INSERT INTO limit_use SELECT i.id, m.id, '', 1, 2 FROM item i, member m WHERE external_id IN ('m-0', 'm-6')"
        )
        one = await draft(world, "cup", people, quantity=2)
        campaign = await load_campaign(world.connection, one)
        seen = await preview(world.connection, campaign, now=NOW, today=TODAY, zone=ZONE)
        assert (seen.people, seen.get_it, seen.units, seen.short, seen.cost_minor) == (7, 2, 10, 5, 400)
        assert seen.left_out == [("not_enough_left", 4), ("limit_reached", 1)]
        await start(world, one)
        await run(world, one)
        assert await count_reasons(world.connection, one) == seen.left_out


async def test_who_was_left_out_is_tried_again_and_nobody_is_given_twice(database_url: str) -> None:
    async with open_world(database_url) as world:
        people = await world.members(*(f"m-{number}" for number in range(5)))
        await world.item("cup", stock=3)
        one = await draft(world, "cup", people)
        await start(world, one)
        await run(world, one)
        assert sorted((await outcomes(world, one)).values(), key=str) == ["given"] * 3 + ["sold_out"] * 2
        with pytest.raises(StepNotPossibleError):
            await act(world, resume_campaign, one)
        await world.connection.execute("UPDATE item_stock SET total = 10")
        assert await act(world, try_again, one) == 2
        await run(world, one)
        assert set((await outcomes(world, one)).values()) == {"given"}
        assert await world.one("SELECT taken FROM item_stock") == 5
        with pytest.raises(NobodyMeantError):
            await act(world, try_again, one)
        assert [step.to_state for step in await list_steps(world.connection, one)] == [
            "draft", "issuing", "finished", "issuing", "finished",
        ]  # fmt: skip


async def test_several_workers_and_a_killed_one_give_to_each_once(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issue, "PORTION", 7)
    async with open_world(database_url) as world:
        people = await world.members(*(f"m-{number}" for number in range(60)))
        await world.item("cup", stock=55)
        one = await draft(world, "cup", people)
        await start(world, one)
        # One worker dies inside its transaction, with everything written and nothing committed.
        async with await AsyncConnection.connect(world.url, autocommit=True) as dying:

            async def die(*_: Any) -> int:
                raise asyncio.CancelledError

            with monkeypatch.context() as patch:
                patch.setattr("liyu.redemption.giving.save", die)
                with pytest.raises(asyncio.CancelledError):
                    await carry_out(dying, one, actor="system", now=world.clock.now, zone=ZONE)
            assert await list_left(world.connection) == []  # As long as it lives, it is at it.
        assert await world.one("SELECT count(*) FROM redemption") == 0
        await world.connection.execute("SELECT pg_advisory_xact_lock(hashtext('liyu:campaign'), %s::int)", (one,))
        assert await list_left(world.connection) == [one]

        async def work() -> None:
            async with await AsyncConnection.connect(world.url, autocommit=True) as own:
                await carry_out(own, one, actor="system", now=world.clock.now, zone=ZONE)

        await asyncio.gather(*(work() for _ in range(4)))
        found = await load_campaign(world.connection, one)
        assert (found.state, found.given, found.left_out) == ("finished", 55, 5)
        assert await world.one("SELECT count(*) FROM redemption") == 55
        assert await world.one("SELECT count(DISTINCT member_id) FROM redemption") == 55


async def test_a_stopped_campaign_goes_on_where_it_was(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issue, "PORTION", 4)
    async with open_world(database_url) as world:
        people = await world.members(*(f"m-{number}" for number in range(10)))
        await world.item("cup")
        one = await draft(world, "cup", people)
        await start(world, one)
        campaign = await load_campaign(world.connection, one)
        assert await issue_next(world.connection, campaign, actor="system", now=NOW, zone=ZONE) == 4
        await act(world, stop_campaign, one)
        await run(world, one)
        assert (await load_campaign(world.connection, one)).waiting == 6
        await act(world, resume_campaign, one)
        await run(world, one)
        assert (await load_campaign(world.connection, one)).given == 10


async def test_who_is_called_back_while_it_ends_is_not_forgotten(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_world(database_url) as world:
        people = await world.members("a", "b")
        await world.item("cup", stock=1)
        one = await draft(world, "cup", people)
        await start(world, one)

        async def call_back_first(*arguments: Any, **more: Any) -> None:
            monkeypatch.setattr(issue, "finish_decided", finish_decided)
            async with await AsyncConnection.connect(database_url, autocommit=True) as other, other.transaction():
                await other.execute("UPDATE item_stock SET total = 2")
                await try_again(other, one, actor="staff:1", now=NOW)
            await finish_decided(*arguments, **more)

        monkeypatch.setattr(issue, "finish_decided", call_back_first)
        await run(world, one)
        found = await load_campaign(world.connection, one)
        assert (found.state, found.given, found.waiting) == ("finished", 2, 0)


async def test_an_ended_campaign_has_decided_on_everybody(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issue, "PORTION", 2)
    async with open_world(database_url) as world:
        people = await world.members("a", "b", "c", "d")
        await world.item("cup")
        one = await draft(world, "cup", people)
        await start(world, one)
        campaign = await load_campaign(world.connection, one)

        async def end_first(*arguments: Any, **more: Any) -> None:
            async with await AsyncConnection.connect(database_url, autocommit=True) as other, other.transaction():
                await finish_campaign(other, one, reason="over", actor="staff:1", now=NOW)
            await give(*arguments, **more)

        assert await issue_next(world.connection, campaign, actor="system", now=NOW, zone=ZONE) == 2
        # The portion in hand when it ends gives nothing: its members are decided on.
        monkeypatch.setattr(issue, "give", end_first)
        await run(world, one)
        assert await outcomes(world, one) == {"a": "given", "b": "given", "c": "campaign_over", "d": "campaign_over"}
        assert await world.one("SELECT count(*) FROM redemption") == 2


async def test_members_who_are_merged_meanwhile_get_it_once(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.members("a", "b", "c", "d")
        await world.item("cup")
        one = await draft(world, "cup", ["a", "b", "c", "d"])
        await start(world, one)
        ids = dict(await (await world.connection.execute("SELECT external_id, id FROM member")).fetchall())

        async def merge(source: str, target: str) -> None:
            await world.connection.execute(
                "UPDATE member SET state = 'merged', merged_into = %s WHERE id = %s", (ids[target], ids[source])
            )

        await merge("a", "b")  # both wait
        await run(world, one)
        assert [(one.member_id, one.reason or one.state) for one in (await list_gifts(world.connection, one)).lines] == [
            (ids["a"], "given_already"), (ids["b"], "given"), (ids["c"], "given"), (ids["d"], "given"),
        ]  # fmt: skip
        # A row that waits again, of somebody whose other membership has it by now.
        await merge("d", "c")
        await world.connection.execute(
            "UPDATE campaign_gift SET state = 'waiting', redemption_id = NULL WHERE member_id = %s", (ids["c"],)
        )
        await world.connection.execute("UPDATE campaign SET state = 'issuing'")
        await world.connection.execute("DELETE FROM idempotent_answer")
        await run(world, one)
        assert await world.one("SELECT reason FROM campaign_gift WHERE member_id = %s", ids["c"]) == "given_already"
        assert await world.one("SELECT count(*) FROM redemption") == 3


async def test_more_than_one_person_may_give_in_a_day_takes_two(database_url: str) -> None:
    async with open_world(database_url) as world:
        people = await world.members(*(f"m-{number}" for number in range(6)))
        await world.item("cup")
        await world.connection.execute("UPDATE program SET issue_limit = 10")
        small, large = await draft(world, "cup", people), await draft(world, "cup", people)
        assert await start(world, small) == "issuing"
        assert await start(world, large) == "asked"
        await run(world, large)
        assert (await load_campaign(world.connection, large)).given == 0
        with pytest.raises(OwnCampaignError):
            await act(world, approve_campaign, large)
        await act(world, approve_campaign, large, actor="staff:2")
        with pytest.raises(StepNotPossibleError):
            await act(world, approve_campaign, large, actor="staff:3")
        await run(world, large)
        found = await load_campaign(world.connection, large)
        assert (found.given, found.asked_by, found.decided_by) == (6, "staff:1", "staff:2")
        # What two people gave does not use up what one may give; another day begins anew.
        world.clock.instant += timedelta(days=1)
        assert await start(world, await draft(world, "cup", people)) == "issuing"
        refused = await draft(world, "cup", people)
        assert await start(world, refused) == "asked"
        await act(world, refuse_campaign, refused, actor="staff:2", reason="too soon")
        assert await world.one("SELECT count(*) FROM campaign_gift WHERE campaign_id = %s", refused) == 0


async def test_drafts_that_make_no_sense_are_refused_and_old_ones_go(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m")
        await world.item("cup")
        await world.item("off", state="paused")
        await world.item("charity", kind="donation")
        made = await draft(world, "cup", ["m"], name="twice")
        for sku in ("off", "charity"):
            with pytest.raises(ItemDoesNotFitError):
                await draft(world, sku, ["m"])
        with pytest.raises(NameTakenError):
            await draft(world, "cup", ["m"], name="twice")
        with pytest.raises(NobodyMeantError):
            await draft(world, "cup", ["nobody"])
        with pytest.raises(InvalidInputError) as fault:
            await draft(world, "cup", ["m"], name=" ", reason="", quantity=11)
        assert {reason.details["field"] for reason in fault.value.reasons} == {"name", "reason", "quantity"}
        assert await world.one("SELECT count(*) FROM campaign") == 1
        async with world.connection.transaction():
            later = NOW + timedelta(days=31)
            assert await forget_drafts(world.connection, before=NOW, actor="system", now=later) == 0
            assert await forget_drafts(world.connection, before=later, actor="system", now=later) == 1
        assert await world.one("SELECT count(*) FROM campaign_gift") == 0
        with pytest.raises(StepNotPossibleError):
            await start(world, made)
        await act(world, discard_campaign, await draft(world, "cup", ["m"], name="twice"))


async def test_a_list_is_read_by_number_or_phone_and_its_faults_are_named(database_url: str, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(
        "手机号,会员号,备注\n13800138001,,x\n,m-2,\n138,,\n,,only a remark\n,nobody,\n+86 138 0013 8001,,again\n,closed,\n"
        "13900139000,,merged\n13800138001,m-2,two people\n",
        "gb18030",
    )
    async with open_world(database_url) as world:
        await world.members("m-1", "m-2", "closed", "merged")
        await world.connection.execute("UPDATE member SET phone = '+8613800138001' WHERE external_id = 'm-1'")
        await world.connection.execute("UPDATE member SET state = 'closed' WHERE external_id = 'closed'")
        await world.connection.execute(
            "UPDATE member SET state = 'merged', phone = '+8613900139000', merged_into = (SELECT id FROM member "
            "WHERE external_id = 'm-2') WHERE external_id = 'merged'"
        )
        await world.item("cup")
        async with world.connection.transaction():
            made, faults = await draft_campaign(
                world.connection,
                Draft(name="list", sku="cup", reason="x", chosen=LIST),
                actor="staff:1", now=NOW, zone=ZONE, listed=read_list(path),
            )  # fmt: skip
        assert set(await outcomes(world, made)) == {"m-1", "m-2"}
        kept = await list_faults(world.connection, made)
        assert [one["row"] for one in kept] == [4, 5, 6, 7, 8, 9, 10]
        assert len(faults) == 7
        # The phone of a membership that was merged leads to the one that lives on.
        assert [kept[place]["values"] for place in (3, 5)] == [{"row": 2}, {"row": 3}]
        await start(world, made)
        await run(world, made)
        assert await list_faults(world.connection, made) == []
        # A list of which nothing can be taken says why, row by row, and leaves nothing behind.
        with pytest.raises(NobodyMeantError) as refusal:
            await draft(world, "cup", [f"nobody-{number}" for number in range(25)])
        said = [str(reason.message) for reason in refusal.value.reasons]
        assert (said[0], said[-1], len(said)) == ("Row 1: No member has this number.", "And 5 more rows.", 21)
        assert await world.one("SELECT count(*) FROM campaign") == 1
    path.write_text("name,remark\na,b\n")
    with pytest.raises(FileUnreadableError):
        read_list(path)


async def test_conditions_choose_who_is_meant_and_goods_go_where_they_can(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.members("at home", "nowhere", "too far")
        await world.connection.execute("UPDATE member SET city = '上海' WHERE external_id = 'at home'")
        await world.item("cup")
        chosen = Chosen("segment", "上海", Conditions([Condition("city", "上海")]))
        made = await draft(world, "cup", chosen=chosen)
        assert set(await outcomes(world, made)) == {"at home"}
        await world.connection.execute(
            "INSERT INTO member_address (member_id, recipient, phone, province, city, district, detail, label, is_default, "
            "changed_at) SELECT id, 'A', '+8613800138001', v.province, '拉萨市', '黄浦区', '1', '', true, now() FROM member "
            "JOIN (VALUES ('at home', '上海市'), ('too far', '西藏自治区')) AS v(who, province) ON v.who = external_id"
        )
        await world.item("box", kind="goods")
        await world.connection.execute('UPDATE item SET ships_not_to = \'["新疆", "西藏"]\'')
        sent = await draft(world, "box")
        campaign = await load_campaign(world.connection, sent)
        seen = await preview(world.connection, campaign, now=NOW, today=TODAY, zone=ZONE)
        await start(world, sent)
        await run(world, sent)
        assert await outcomes(world, sent) == {"at home": "given", "nowhere": "no_address", "too far": "not_sent_there"}
        assert await count_reasons(world.connection, sent) == seen.left_out
        assert await world.one("SELECT province FROM redemption_address") == "上海市"
