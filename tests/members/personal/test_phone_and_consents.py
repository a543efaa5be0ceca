"""The phone moves with limits and to one member only; consents are entries that hold for the wording that was read."""

import asyncio
from datetime import date, timedelta

import pytest
from psycopg import AsyncConnection
from psycopg.errors import RestrictViolation

from liyu.core.errors import DomainError, InvalidInputError
from liyu.members.errors import PhoneTakenError
from liyu.members.personal.consents import (
    MAIL,
    SMS,
    list_history,
    list_standings,
    list_wordings,
    may_use,
    publish_text,
    say,
)
from liyu.members.personal.errors import (
    PhoneChangedRecentlyError,
    PhoneMovedMeanwhileError,
    SamePhoneError,
    TextReplacedError,
)
from liyu.members.personal.phone import (
    change_own_phone,
    change_phone_for,
    end_sessions,
    list_phone_changes,
    next_phone_change,
)
from tests.members.personal.people import NEW_PHONE, OTHER_PHONE, PHONE, enrol
from tests.world import NOW, ZONE, World, open_world


async def move(connection: AsyncConnection, member_id: int, old: str, new: str, world: World) -> type | None:
    try:
        async with connection.transaction():
            await change_own_phone(connection, member_id, old, new, now=world.clock.now(), zone=ZONE)
    except DomainError as refusal:
        return type(refusal)
    return None


async def test_a_phone_moves_once_in_the_days_of_the_rule(database_url: str) -> None:
    async with open_world(database_url) as world:
        one, connection = await enrol(world), world.connection
        await enrol(world, "m-2", OTHER_PHONE)
        assert await move(connection, one, PHONE, PHONE, world) is SamePhoneError
        assert await move(connection, one, PHONE, OTHER_PHONE, world) is PhoneTakenError
        assert await move(connection, one, OTHER_PHONE, NEW_PHONE, world) is PhoneMovedMeanwhileError
        assert await world.one("SELECT phone FROM member WHERE id = %s", one) == PHONE
        assert await list_phone_changes(connection, one) == []
        assert await move(connection, one, PHONE, NEW_PHONE, world) is None
        assert await move(connection, one, NEW_PHONE, PHONE, world) is PhoneChangedRecentlyError
        assert await next_phone_change(connection, one, now=NOW, zone=ZONE) == (date(2026, 12, 22), 30)
        old = await change_phone_for(connection, one, "137 0013 7009", actor="staff:1", reason="Lost it", now=NOW)
        assert old == NEW_PHONE
        world.clock.instant += timedelta(days=30)
        assert await move(connection, one, "+8613700137009", PHONE, world) is None
        assert [line.reason for line in await list_phone_changes(connection, one)] == ["", "Lost it", ""]
        with pytest.raises(InvalidInputError) as refused:
            await change_phone_for(connection, one, "12", actor="staff:1", reason=" ", now=NOW)
        assert {reason.details["field"] for reason in refused.value.reasons} == {"phone", "phone_reason"}


async def test_of_two_members_who_want_one_number_one_gets_it(database_url: str) -> None:
    async with open_world(database_url) as world:
        members = [(await enrol(world), PHONE), (await enrol(world, "m-2", OTHER_PHONE), OTHER_PHONE)]

        async def try_to_move(member_id: int, old: str) -> type | None:
            async with await AsyncConnection.connect(database_url, autocommit=True) as connection:
                return await move(connection, member_id, old, NEW_PHONE, world)

        outcomes = await asyncio.gather(*(try_to_move(*member) for member in members))
        assert set(outcomes) == {None, PhoneTakenError}
        assert await world.one("SELECT count(*) FROM phone_change") == 1
        assert await world.one("SELECT count(*) FROM member WHERE phone = %s", NEW_PHONE) == 1


async def test_sessions_end_with_the_number(database_url: str) -> None:
    async with open_world(database_url) as world:
        one = await enrol(world)
        for number in range(2):
            await world.connection.execute(
                "INSERT INTO session (token_hash, audience, member_id, created_at, last_seen_at, expires_at, address, "
                "user_agent) VALUES (%s, 'member', %s, now(), now(), now() + interval '1 day', '', '')",
                (bytes([number]), one),
            )
        await change_phone_for(world.connection, one, NEW_PHONE, actor="staff:1", reason="Lost", now=NOW)
        assert await world.one("SELECT count(*) FROM session WHERE revoked_at IS NULL") == 0
        assert await end_sessions(world.connection, one, NOW) == 0


async def test_a_yes_holds_for_the_wording_that_was_read(database_url: str) -> None:
    async with open_world(database_url) as world:
        one, connection = await enrol(world), world.connection
        texts = {standing.purpose: standing.text_id for standing in await list_standings(connection, one)}
        assert list(texts) == ["sms", "mail", "personal"]

        async def answer(text_id: int, given: bool) -> bool:
            return await say(connection, one, text_id, given=given, actor=f"member:{one}", now=NOW)

        assert await answer(texts[SMS], given=False) is False, "nothing to take back"
        assert await answer(texts[SMS], given=True) is True
        assert await answer(texts[SMS], given=True) is False
        assert await may_use(connection, one, SMS)
        assert not await may_use(connection, one, MAIL)
        assert await publish_text(connection, SMS, "新的说法", "New words", actor="staff:1", now=NOW) == 2
        assert not await may_use(connection, one, SMS)
        with pytest.raises(TextReplacedError):
            await answer(texts[SMS], given=True)
        assert await answer(texts[SMS], given=False) is True, "a yes to the old wording can be taken back"
        newest = (await list_standings(connection, one))[0]
        assert await answer(newest.text_id, given=True) is True
        assert [(line.version, line.given) for line in await list_history(connection, one)] == [
            (2, True), (1, False), (1, True),
        ]  # fmt: skip
        assert [(w.version, w.given) for w in await list_wordings(connection) if w.purpose == SMS] == [(2, 1), (1, 0)]


async def test_consents_are_never_changed_nor_faulty_texts_published(database_url: str) -> None:
    async with open_world(database_url) as world:
        one, connection = await enrol(world), world.connection
        text_id = (await list_standings(connection, one))[0].text_id
        await say(connection, one, text_id, given=True, actor="member", now=NOW)
        for change in (
            "UPDATE consent_entry SET given = false", "DELETE FROM consent_entry", "UPDATE consent_text SET text_en = ''",
        ):  # fmt: skip
            with pytest.raises(RestrictViolation):
                await connection.execute(change)
        with pytest.raises(InvalidInputError) as refused:
            await publish_text(connection, "fax", "", "x" * 2001, actor="staff:1", now=NOW)
        assert {reason.details["field"] for reason in refused.value.reasons} == {"purpose", "text_zh", "text_en"}
        assert await world.one("SELECT count(*) FROM consent_text") == 3
