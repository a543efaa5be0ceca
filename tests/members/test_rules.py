"""Rules as data: versions begin and end, nothing that was priced changes, and the preview is what posting then gives."""

import asyncio
from datetime import timedelta

import pytest
from msgspec.structs import replace
from psycopg import AsyncConnection

from liyu.core.errors import DomainError, InvalidInputError
from liyu.members.points.preview import load_rules_of, occasion_of_member, preview_event
from liyu.members.points.rules import (
    NothingToEndError,
    PlannedVersionError,
    RuleDraft,
    RuleExistsError,
    add_rule,
    add_version,
    end_rule,
    load_rule,
    withdraw_planned,
)
from liyu.members.program import DEFAULT_TERMS, RuleRow
from tests.world import NOW, ZONE, open_world

DOUBLE = RuleDraft(event_type="purchase", name_zh="双倍", name_en="Double", points=2, growth=1, per_minor=100)


async def test_a_new_version_counts_from_its_day_and_leaves_what_was_before(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m")
        begins = NOW + timedelta(days=2)
        made = await add_version(world.connection, "purchase", DOUBLE, valid_from=begins, now=NOW)
        assert made.version == 2
        (before,) = await world.post(world.purchase("m", 1_000, at=NOW))
        world.clock.instant = NOW + timedelta(days=3)
        late, after = await world.post(
            world.purchase("m", 1_000, at=begins - timedelta(seconds=1)), world.purchase("m", 1_000, at=begins)
        )
        assert [one.points for one in (before, late, after)] == [10, 10, 20]


async def test_a_rule_ends_and_can_begin_again_but_never_in_the_past(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m")
        connection, later = world.connection, NOW + timedelta(hours=1)
        await end_rule(connection, "purchase", None, now=NOW)
        with pytest.raises(NothingToEndError):
            await end_rule(connection, "purchase", None, now=later)
        with pytest.raises(InvalidInputError):
            await add_version(connection, "purchase", DOUBLE, valid_from=NOW, now=later)
        world.clock.instant = NOW + timedelta(hours=2)
        await add_version(connection, "purchase", DOUBLE, valid_from=None, now=world.clock.now())
        posted = await world.post(
            *(world.purchase("m", 1_000, at=at) for at in (NOW - later.resolution, later, world.clock.now()))
        )
        assert [one.points for one in posted] == [10, 0, 20]


async def test_a_planned_version_is_withdrawn_and_the_one_before_goes_on(database_url: str) -> None:
    async with open_world(database_url) as world:
        connection = world.connection
        await add_version(connection, "purchase", DOUBLE, valid_from=NOW + timedelta(days=1), now=NOW)
        with pytest.raises(PlannedVersionError):
            await add_version(connection, "purchase", DOUBLE, valid_from=NOW + timedelta(days=2), now=NOW)
        await withdraw_planned(connection, "purchase", now=NOW)
        statuses = [one.status(NOW + timedelta(days=9)) for one in await load_rule(connection, "purchase")]
        assert statuses == ["ended", "in_force"]
        with pytest.raises(NothingToEndError):
            await withdraw_planned(connection, "purchase", now=NOW)


async def test_a_draft_is_refused_with_every_fault_and_changes_nothing(database_url: str) -> None:
    async with open_world(database_url) as world:
        nonsense = replace(
            DOUBLE, event_type="share", points=0, growth=0, condition="streak", birthday_basis_points=20_000
        )
        with pytest.raises(InvalidInputError) as refused:
            await add_rule(world.connection, "a b", nonsense, valid_from=NOW - timedelta(days=1), now=NOW)
        assert {reason.details["field"] for reason in refused.value.reasons} == {
            "code", "points", "per_minor", "condition", "every_days", "birthday_span", "valid_from",
        }  # fmt: skip
        with pytest.raises(RuleExistsError):
            await add_rule(world.connection, "purchase", DOUBLE, valid_from=None, now=NOW)
        assert await world.one("SELECT count(*) FROM earning_rule") == 6


async def test_of_two_versions_made_at_once_one_is_refused(database_url: str) -> None:
    async with open_world(database_url) as world:
        begins = NOW + timedelta(days=1)

        async def add() -> bool:
            async with await AsyncConnection.connect(database_url, autocommit=True) as own, own.transaction():
                try:
                    await add_version(own, "purchase", DOUBLE, valid_from=begins, now=NOW)
                except DomainError:
                    return False
                return True

        assert sorted(await asyncio.gather(*(add() for _ in range(6)))) == [False] * 5 + [True]
        assert await world.one("SELECT count(*) FROM earning_rule WHERE code = 'purchase'") == 2


async def test_the_preview_of_a_members_event_is_what_posting_it_gives(database_url: str) -> None:
    rules = [
        RuleRow("check_in", "check_in", "签到", "Check-in", 1, daily_cap=1),
        RuleRow("streak", "check_in", "连签", "Streak", 5, condition="streak", every_days=3, yearly_cap=8),
        RuleRow("first", "check_in", "首签", "First", 9, condition="first_time"),
    ]
    async with open_world(database_url, rules=rules) as world:
        await world.member("m")
        in_force = await load_rules_of(world.connection, "check_in")
        for day in (0, 1, 2, 2, 4, 5, 6):
            at = NOW + timedelta(days=day)
            world.clock.instant = at
            occasion, uses = await occasion_of_member(world.connection, "m", "check_in", None, at, ZONE, in_force)
            preview = preview_event(in_force, DEFAULT_TERMS, occasion, uses)
            (posted,) = await world.post(world.event("m", "check_in", at=at))
            assert posted.lines == [one.line for one in preview.verdicts if one.line is not None]
            assert (posted.points, posted.growth) == (preview.points, preview.growth)
        assert (await world.balances("m"))["points"] == 9 + 6 + 8
