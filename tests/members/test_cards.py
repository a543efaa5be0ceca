"""Cards: a lost one is blocked at once and for ever, and another number takes its place."""

import asyncio

import pytest
from psycopg import AsyncConnection
from psycopg.errors import RestrictViolation

from liyu.core.errors import DomainError, InvalidInputError
from liyu.members.cards import CardStillValidError, NoCardToBlockError, block_card, issue_card, list_card_changes
from tests.world import NOW, World, open_world


async def card(world: World) -> str | None:
    number: str | None = await world.one("SELECT card_number FROM member WHERE external_id = 'm'")
    return number


async def mine(world: World) -> int:
    await world.member("m", points=300)
    found: int = await world.one("SELECT id FROM member WHERE external_id = 'm'")
    return found


async def test_a_lost_card_stops_at_once_and_its_number_is_never_valid_again(database_url: str) -> None:
    async with open_world(database_url) as world:
        member = await mine(world)
        old = await card(world)
        assert await block_card(world.connection, member, reason="钱包丢了", actor="member:1", now=NOW) == old
        assert await card(world) is None
        new = await issue_card(world.connection, member, actor="staff:1", now=NOW)
        assert (await card(world), new != old) == (new, True)
        changes = await list_card_changes(world.connection, member)
        assert [(one.change, one.number, one.actor) for one in changes] == [
            ("issued", new, "staff:1"), ("blocked", old, "member:1"),
        ]  # fmt: skip
        await world.member("other")
        for statement in (
            "UPDATE member SET card_number = %s WHERE external_id = 'other'",
            (
                "INSERT INTO member (external_id, card_number, state, tier_id, growth, joined_at) "
                "SELECT 'third', %s, 'active', tier_id, 0, joined_at FROM member LIMIT 1"
            ),
        ):
            with pytest.raises(RestrictViolation):
                await world.connection.execute(statement, (old,))
        with pytest.raises(RestrictViolation):
            await world.connection.execute("DELETE FROM card_change")
        assert await world.balances("m") == {"points": 300, "pending": 0, "debt": 0}


async def test_there_is_never_more_than_one_valid_card(database_url: str) -> None:
    async with open_world(database_url) as world:
        member = await mine(world)
        with pytest.raises(CardStillValidError):
            await issue_card(world.connection, member, actor="staff:1", now=NOW)
        with pytest.raises(InvalidInputError):
            await block_card(world.connection, member, reason=" ", actor="staff:1", now=NOW)
        assert await world.one("SELECT count(*) FROM card_change") == 0
        await block_card(world.connection, member, reason="lost", actor="staff:1", now=NOW)
        with pytest.raises(NoCardToBlockError):
            await block_card(world.connection, member, reason="again", actor="staff:1", now=NOW)

        async def issue() -> str:
            async with (
                await AsyncConnection.connect(database_url, autocommit=True) as connection,
                connection.transaction(),
            ):
                try:
                    return await issue_card(connection, member, actor="staff:1", now=NOW)
                except CardStillValidError:
                    return ""

        numbers = await asyncio.gather(*(issue() for _ in range(4)))
        assert [one for one in numbers if one] == [await card(world)]
        assert await world.one("SELECT count(*) FROM card_change WHERE change = 'issued'") == 1


async def test_a_closed_membership_has_no_new_card(database_url: str) -> None:
    async with open_world(database_url) as world:
        member = await mine(world)
        await world.connection.execute("UPDATE member SET state = 'closed'")
        with pytest.raises(DomainError):
            await block_card(world.connection, member, reason="lost", actor="staff:1", now=NOW)
        assert await world.one("SELECT count(*) FROM card_change") == 0
