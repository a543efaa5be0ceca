"""Tags and badges by hand and by rule, segments, and the conditions that both are made of."""

from datetime import timedelta

import pytest
from psycopg.errors import ForeignKeyViolation

from liyu.core.errors import InvalidInputError
from liyu.members.errors import MemberClosedError, UnknownMemberError
from liyu.members.tags.conditions import KINDS, Conditions, read_conditions
from liyu.members.tags.errors import NameTakenError, TagByRuleError, UnknownTagError
from liyu.members.tags.queries import (
    Audience,
    badges_for,
    count_audience,
    first_of_audience,
    iterate_audience,
    list_segments,
    tag_changes,
    tags_of,
)
from liyu.members.tags.segments import delete_segment, save_segment
from liyu.members.tags.service import TagFacts, edit_tag, evaluate_rules, make_tag, set_active, set_member_tag
from tests.world import NOW, ZONE, World, open_world

TODAY = NOW.astimezone(ZONE).date()


def conditions(*rows: tuple[str, str], match: str = "all") -> Conditions:
    return read_conditions(rows, match, TODAY, ZONE)


async def _people(world: World) -> None:
    """a has spent 3,000 in Shanghai yesterday, b 100 half a year ago, c nothing."""
    for name in "abc":
        await world.member(name)
    await world.connection.execute("UPDATE member SET city = '上海', birthday = '1990-11-05' WHERE external_id = 'a'")
    await world.connection.execute("UPDATE member SET city = '北京', birthday = '1990-05-05' WHERE external_id = 'b'")
    await world.post(
        world.purchase("a", 300_000, reference="p-1"), world.purchase("b", 10_000, at=NOW - timedelta(days=180))
    )


async def _fitting(world: World, wanted: Conditions) -> str:
    found = await first_of_audience(world.connection, Audience(conditions=wanted), TODAY, ZONE)
    return "".join(one.external_id for one in found)


async def _tag(world: World, **facts: object) -> None:
    async with world.connection.transaction():
        await make_tag(world.connection, TagFacts(**({"name_zh": "标签"} | facts)), now=NOW)  # type: ignore[arg-type]


async def _holders(world: World, code: str) -> str:
    return str(
        await world.one(
            "SELECT coalesce(string_agg(m.external_id, '' ORDER BY m.external_id), '') FROM member_tag h "
            "JOIN tag g ON g.id = h.tag_id JOIN member m ON m.id = h.member_id WHERE g.code = %s",
            code,
        )
    )


async def test_every_condition_finds_the_members_that_it_names(database_url: str) -> None:
    async with open_world(database_url) as world:
        await _people(world)
        await _tag(world, code="vip", name_zh="贵宾")
        await set_member_tag(world.connection, "b", "vip", given=True, actor="staff:1", now=NOW)
        expected = {
            "tier": ("gold; 银卡会员", "a"), "growth_min": ("100", "ab"), "growth_max": ("100", "bc"),
            "balance_min": ("3,000", "a"),
            "balance_max": ("0", "c"), "spent_min": ("100", "ab"), "spent_max": ("99", "c"), "purchases_min": ("1", "ab"),
            "bought_within": ("30", "a"), "not_bought_for": ("30", "bc"), "city": ("上海；广州", "a"),
            "joined_within": ("0", "abc"), "joined_before": ("1", ""), "birthday_month": ("now", "a"), "tag": ("贵宾", "b"),
            "not_tag": ("vip", "ac"),
        }  # fmt: skip
        assert set(expected) == set(KINDS)
        for kind, (value, names) in expected.items():
            assert await _fitting(world, conditions((kind, value))) == names, kind
        both = ("city", "上海"), ("spent_max", "99")
        assert await _fitting(world, conditions(*both)) == ""
        assert await _fitting(world, conditions(*both, match="any")) == "ac"
        await world.connection.execute("UPDATE member SET state = 'closed' WHERE external_id = 'c'")
        assert await _fitting(world, conditions(("growth_max", "100"))) == "b"


def test_faulty_conditions_are_all_named() -> None:
    with pytest.raises(InvalidInputError) as refusal:
        conditions(("spent_min", "many"), ("", "ignored"), ("birthday_month", "13"), ("nonsense", "1"), ("city", " ; "))
    assert [reason.details["field"] for reason in refusal.value.reasons] == ["value_0", "value_2", "value_3", "value_4"]
    with pytest.raises(InvalidInputError):
        conditions(("", ""))


async def test_a_rule_gives_and_takes_its_tag_and_nobody_else_does(database_url: str) -> None:
    async with open_world(database_url) as world:
        await _people(world)
        await _tag(world, code="spender", rule=conditions(("spent_min", "1000")))
        for given in (1, 0):
            done = await evaluate_rules(world.connection, TODAY, now=NOW, zone=ZONE)
            assert (done.given, done.taken) == (given, 0)
        assert await _holders(world, "spender") == "a"
        for external_id, give in (("a", False), ("b", True)):
            with pytest.raises(TagByRuleError):
                await set_member_tag(world.connection, external_id, "spender", given=give, actor="staff:1", now=NOW)
        with pytest.raises(ForeignKeyViolation):
            await world.connection.execute(
                "INSERT INTO member_tag (member_id, tag_id, by_rule, actor, at) "
                "SELECT m.id, g.id, false, 'x', now() FROM member m, tag g WHERE m.external_id = 'b'"
            )
        await world.post(world.event("a", "return", 290_000, reference="p-1"))
        done = await evaluate_rules(world.connection, TODAY, now=NOW, zone=ZONE)
        assert (done.given, done.taken, await _holders(world, "spender")) == (0, 1, "")
        member_id = await world.one("SELECT id FROM member WHERE external_id = 'a'")
        history = await tag_changes(world.connection, member_id)
        assert [(one.given, one.reason, one.actor) for one in history] == [
            (False, "by_rule", "system"), (True, "by_rule", "system"),
        ]  # fmt: skip


async def test_a_badge_that_was_earned_stays_and_shows_what_the_others_need(database_url: str) -> None:
    async with open_world(database_url) as world:
        await _people(world)
        facts = {"is_badge": True, "icon": "medal", "needs_zh": "消费满 1000 元", "needs_en": "Spend ¥1,000"}
        await _tag(world, code="big", rule=conditions(("spent_min", "1000")), **facts)
        await _tag(world, code="friend", **facts)
        await evaluate_rules(world.connection, TODAY, now=NOW, zone=ZONE)
        await world.post(world.event("a", "return", 290_000, reference="p-1"))
        await evaluate_rules(world.connection, TODAY, now=NOW, zone=ZONE)
        member_id = await world.one("SELECT id FROM member WHERE external_id = 'a'")
        badges = await badges_for(world.connection, member_id)
        assert [(one.code, one.at is not None, one.needs_en) for one in badges] == [
            ("big", True, "Spend ¥1,000"), ("friend", False, "Spend ¥1,000"),
        ]  # fmt: skip


async def test_by_hand_counts_once_is_kept_with_its_reason_and_refusals_change_nothing(database_url: str) -> None:
    async with open_world(database_url) as world:
        await _people(world)
        await _tag(world, code="vip")
        await _tag(world, code="coffee")
        give = {"given": True, "actor": "staff:1", "now": NOW, "reason": "asked"}
        assert await set_member_tag(world.connection, "a", "vip", **give) is True  # type: ignore[arg-type]
        assert await set_member_tag(world.connection, "a", "vip", **give) is False  # type: ignore[arg-type]
        await set_member_tag(world.connection, "a", "coffee", **give)  # type: ignore[arg-type]
        member_id = await world.one("SELECT id FROM member WHERE external_id = 'a'")
        assert [one.code for one in await tags_of(world.connection, member_id)] == ["vip", "coffee"]
        await world.connection.execute("UPDATE member SET state = 'closed' WHERE external_id = 'c'")
        for member, code, error in (
            ("nobody", "vip", UnknownMemberError), ("a", "none", UnknownTagError), ("c", "vip", MemberClosedError),
        ):  # fmt: skip
            with pytest.raises(error):
                await set_member_tag(world.connection, member, code, **give)  # type: ignore[arg-type]
        with pytest.raises(NameTakenError):
            await _tag(world, code="vip")
        assert await world.one("SELECT count(*) FROM member_tag_change") == 2


async def test_a_rule_can_be_changed_and_a_retired_tag_rests(database_url: str) -> None:
    async with open_world(database_url) as world:
        await _people(world)
        await _tag(world, code="spender", rule=conditions(("spent_min", "1000")))
        await evaluate_rules(world.connection, TODAY, now=NOW, zone=ZONE)
        facts = TagFacts(code="spender", name_zh="买过", rule=conditions(("spent_min", "1")))
        await edit_tag(world.connection, facts)
        await set_active(world.connection, "spender", active=False)
        await evaluate_rules(world.connection, TODAY, now=NOW, zone=ZONE)
        assert await _holders(world, "spender") == "a"
        await set_active(world.connection, "spender", active=True)
        await evaluate_rules(world.connection, TODAY, now=NOW, zone=ZONE, code="spender")
        assert await _holders(world, "spender") == "ab"


async def test_who_was_merged_counts_as_the_one_who_lives_on_and_nowhere_else(database_url: str) -> None:
    async with open_world(database_url) as world:
        await _people(world)
        everybody = conditions(("growth_min", "0"))
        await _tag(world, code="all", rule=everybody)
        await world.connection.execute(
            "UPDATE member SET state = 'merged', merged_into = (SELECT id FROM member WHERE external_id = 'a') "
            "WHERE external_id = 'c'"
        )
        assert await _fitting(world, everybody) == "ab"
        assert await count_audience(world.connection, Audience(), TODAY, ZONE) == 2
        async with world.connection.transaction():
            exported = iterate_audience(world.connection, Audience(), TODAY, ZONE)
            assert [one.external_id async for one in exported] == ["a", "b"]
        done = await evaluate_rules(world.connection, TODAY, now=NOW, zone=ZONE)
        assert (done.given, await _holders(world, "all")) == (2, "ab")


async def test_an_audience_is_a_tier_a_tag_and_a_segment_together(database_url: str) -> None:
    async with open_world(database_url) as world:
        await _people(world)
        await _tag(world, code="vip")
        for name in "ab":
            await set_member_tag(world.connection, name, "vip", given=True, actor="staff:1", now=NOW)
        wanted = conditions(("spent_min", "1"))
        segment = await save_segment(world.connection, "Buyers", wanted, actor="staff:1", now=NOW)
        with pytest.raises(NameTakenError):
            await save_segment(world.connection, "Buyers", wanted, actor="staff:1", now=NOW)
        (line,) = await list_segments(world.connection)
        audience = Audience("gold", "vip", line.conditions)
        assert await count_audience(world.connection, audience, TODAY, ZONE) == 1
        assert await count_audience(world.connection, Audience(), TODAY, ZONE) == 3
        async with world.connection.transaction():
            found = [one async for one in iterate_audience(world.connection, audience, TODAY, ZONE)]
        assert [(one.external_id, one.tags, one.balance) for one in found] == [("a", ["vip"], 3_000)]
        await delete_segment(world.connection, segment)
        assert await list_segments(world.connection) == []
