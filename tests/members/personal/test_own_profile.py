"""The profile: the operator's questions, the birthday that stays for a while, the reward that comes once."""

import asyncio
from datetime import date, timedelta
from typing import Any

import pytest
from msgspec import structs
from psycopg import AsyncConnection

from liyu.core.errors import DomainError, InvalidInputError
from liyu.members.personal.errors import BirthdayFixedError, FieldTakenError, OptionInUseError
from liyu.members.personal.fields import FieldDraft, Option, add_field, change_field, list_all_fields, list_fields
from liyu.members.personal.own_profile import (
    EVENT_TYPE,
    OwnProfile,
    completeness_of,
    load_answers,
    save_own_profile,
    set_birthday,
)
from liyu.members.program import DEFAULT_RULES, RuleRow
from tests.members.personal.people import complete, enrol
from tests.world import ZONE, World, open_world

RULES = [*DEFAULT_RULES, RuleRow("profile", EVENT_TYPE, "完善资料", "Complete profile", 20)]
DRINK = FieldDraft(
    key="drink", kind="choice", name_zh="饮品", name_en="Drink", counts=True,
    options=[Option("tea", "茶", "Tea"), Option("coffee", "咖啡", "Coffee")],
)  # fmt: skip
QUESTIONS = [
    DRINK,
    FieldDraft(key="job", kind="text", name_zh="职业", name_en="Job", required=True),
    FieldDraft(key="cars", kind="number", name_zh="车辆", name_en="Cars"),
    FieldDraft(key="wedding", kind="date", name_zh="纪念日", name_en="Wedding day"),
]
LIN = OwnProfile(
    name="林岚", birthday=date(1992, 5, 20), email="lin@example.com", city="上海", locale="zh_CN",
    answers={"drink": "tea", "job": "工程师", "cars": "1,200.50", "wedding": "2020-02-29"},
)  # fmt: skip


async def ask(world: World) -> None:
    for question in QUESTIONS:
        await add_field(world.connection, question)


async def save(world: World, member_id: int, profile: OwnProfile = LIN) -> int:
    async with world.connection.transaction():
        return await save_own_profile(world.connection, member_id, profile, now=world.clock.now(), zone=ZONE)


async def test_answers_are_kept_in_the_form_of_their_kind(database_url: str) -> None:
    async with open_world(database_url, rules=RULES) as world:
        await ask(world)
        one = await enrol(world)
        await save(world, one)
        kept = {"drink": "tea", "job": "工程师", "cars": "1200.5", "wedding": "2020-02-29"}
        assert await load_answers(world.connection, one) == kept
        await save(world, one, structs.replace(LIN, answers={"job": "x"}))
        assert await load_answers(world.connection, one) == {"job": "x"}


async def test_a_faulty_profile_names_every_fault_and_changes_nothing(database_url: str) -> None:
    async with open_world(database_url, rules=RULES) as world:
        await ask(world)
        one = await enrol(world)
        faulty = OwnProfile(
            name="x" * 101, birthday=date(1899, 1, 1), email="nobody", city=None, locale="fr",
            answers={"drink": "wine", "cars": "many", "wedding": "2021-02-29"},
        )  # fmt: skip
        with pytest.raises(InvalidInputError) as refused:
            await save(world, one, faulty)
        fields = {reason.details["field"] for reason in refused.value.reasons}
        assert fields == {
            "name", "birthday", "email", "locale", "answer_drink", "answer_job", "answer_cars", "answer_wedding",
        }  # fmt: skip
        assert await load_answers(world.connection, one) == {}
        assert await world.one("SELECT name FROM member WHERE id = %s", one) is None


async def test_a_complete_profile_is_rewarded_once_however_often_it_is_completed(database_url: str) -> None:
    async with open_world(database_url, rules=RULES) as world:
        await ask(world)
        one = await enrol(world)
        assert await save(world, one, structs.replace(LIN, email=None)) == 0
        incomplete = completeness_of(LIN, await list_fields(world.connection), {"job": "x"})
        assert (incomplete.done, incomplete.total, incomplete.missing) == (4, 5, ["drink"])
        assert await save(world, one) == 20
        assert await save(world, one, structs.replace(LIN, city=None)) == 0
        assert await save(world, one) == 0
        assert (await world.balances("m-1"))["points"] == 20
        assert await world.one("SELECT count(*) FROM earning_event WHERE type = %s", EVENT_TYPE) == 1


async def test_parallel_saves_reward_once(database_url: str) -> None:
    async with open_world(database_url, rules=RULES) as world:
        one = await enrol(world)

        async def save_apart() -> int:
            async with await AsyncConnection.connect(database_url) as connection:
                return await save_own_profile(connection, one, LIN, now=world.clock.now(), zone=ZONE)

        assert sorted(await asyncio.gather(*(save_apart() for _ in range(6)))) == [0] * 5 + [20]
        assert (await world.balances("m-1"))["points"] == 20


async def test_without_a_rule_nothing_is_given_and_the_reward_is_still_to_be_had(database_url: str) -> None:
    async with open_world(database_url) as world:
        one = await enrol(world)
        await complete(world, one)
        assert await save(world, one) == 0
        assert await world.one("SELECT count(*) FROM earning_event") == 0


async def test_a_birthday_changes_once_in_the_days_of_the_rule_and_an_operator_may_help(database_url: str) -> None:
    async with open_world(database_url) as world:
        one = await enrol(world, birthday=date(1990, 1, 1))
        first, second = (structs.replace(LIN, birthday=date(1992, 5, day)) for day in (20, 21))
        await save(world, one, first)
        world.clock.instant += timedelta(days=364)
        with pytest.raises(BirthdayFixedError) as refused:
            await save(world, one, structs.replace(second, name="别名"))
        assert refused.value.values == {"days": 365, "day": date(2027, 11, 22)}
        assert await world.one("SELECT name FROM member WHERE id = %s", one) == "林岚"
        with pytest.raises(BirthdayFixedError):
            await save(world, one, structs.replace(first, birthday=None))
        await set_birthday(world.connection, one, date(1993, 3, 3), date(2026, 11, 22))
        assert await world.one("SELECT birthday FROM member WHERE id = %s", one) == date(1993, 3, 3)
        with pytest.raises(BirthdayFixedError):
            await save(world, one, second)
        world.clock.instant += timedelta(days=1)
        await save(world, one, second)
        assert await world.one("SELECT birthday FROM member WHERE id = %s", one) == date(1992, 5, 21)


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"key": "Drink!", "name_zh": "", "name_en": "x" * 61}, {"key", "name_zh", "name_en"}),
        ({"kind": "colour"}, {"kind", "options"}),
        ({"options": []}, {"options"}),
        ({"options": [Option("a", "甲", "A"), Option("a", "乙", "B")]}, {"options"}),
        ({"kind": "text"}, {"options"}),
    ],
)
async def test_a_faulty_question_is_not_asked(database_url: str, change: dict[str, Any], fields: set[str]) -> None:
    async with open_world(database_url) as world:
        with pytest.raises(InvalidInputError) as refused:
            await add_field(world.connection, structs.replace(DRINK, **change))
        assert {reason.details["field"] for reason in refused.value.reasons} == fields
        assert await list_all_fields(world.connection) == []


async def test_a_question_keeps_its_kind_and_the_options_that_were_chosen(database_url: str) -> None:
    async with open_world(database_url) as world:
        await ask(world)
        one, connection = await enrol(world), world.connection
        await save(world, one)
        refusals: list[type[DomainError]] = []
        for act in (
            add_field(connection, DRINK),
            change_field(connection, structs.replace(DRINK, options=[DRINK.options[1], Option("wine", "酒", "Wine")])),
        ):
            with pytest.raises(DomainError) as refused:
                await act
            refusals.append(type(refused.value))
        assert refusals == [FieldTakenError, OptionInUseError]
        await change_field(connection, structs.replace(DRINK, active=False, name_en="Favourite"))
        assert [field.key for field in await list_fields(connection)] == ["job", "cars", "wedding"]
        retired = (await list_all_fields(connection))[-1]
        assert (retired.name_en, retired.kind, retired.answers) == ("Favourite", "choice", 1)
