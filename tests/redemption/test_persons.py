"""Who an item is for, loaded by the desk: tags, cities, prices of tiers, variants, and limits of natural persons."""

import asyncio
from typing import Any

import pytest
from psycopg import AsyncConnection

from liyu.core.errors import InvalidInputError
from liyu.redemption.cancel import cancel_redemption
from liyu.redemption.errors import RefusedError
from liyu.redemption.merge import merge
from liyu.redemption.persons import NoOtherMembershipError, list_memberships, name_same_person, part_from_person
from tests.world import ZONE, World, open_world


async def _same(world: World, member: str, other: str) -> None:
    async with world.connection.transaction():
        await name_same_person(world.connection, member, other)


async def _refused(world: World, member: str, sku: str, quantity: int = 1) -> list[str]:
    before = await world.footprint()
    with pytest.raises(RefusedError) as caught:
        await world.redeem(member, sku, quantity)
    assert await world.footprint() == before
    return [str(reason.message.text) for reason in caught.value.reasons]


async def test_the_desk_knows_tags_cities_tiers_and_variants(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m", points=9_000)
        tag = await world.one(
            "INSERT INTO tag (code, name_zh, name_en, is_badge, icon, needs_zh, needs_en, by_rule, active, created_at) "
            "VALUES ('vip', '贵宾', 'VIP', false, '', '', '', false, true, now()) RETURNING id"
        )
        standard = await world.one("SELECT id FROM tier ORDER BY rank LIMIT 1")
        sku = await world.item(
            "red", tag_ids=[tag], cities=["上海"], tier_points=[{"tier_id": standard, "points": 70}], per_order_limit=2,
            per_member_limit=3,
        )  # fmt: skip
        await world.item("blue", variant_of=sku, per_member_limit=3)
        assert len(await _refused(world, "m", sku, 3)) == 3
        await world.connection.execute("UPDATE member SET city = '上海市'")
        await world.connection.execute(
            "INSERT INTO member_tag SELECT m.id, %s, false, null, 'test', now() FROM member m", (tag,)
        )
        assert (await world.redeem("m", sku, 2)).points == 140
        assert (await world.redeem("m", "blue")).points == 100
        assert len(await _refused(world, "m", "blue")) == 1
        assert await world.one("SELECT count(*) FROM limit_use") == 1


async def test_a_person_has_one_limit_over_all_memberships_also_when_they_are_merged(database_url: str) -> None:
    async with open_world(database_url) as world:
        for name in ("a", "b", "c", "d"):
            await world.member(name, points=1_000)
        sku = await world.item(per_person_limit=3)
        first = await world.redeem("a", sku)
        await world.redeem("b", sku)
        await _same(world, "a", "b")
        await _same(world, "c", "a")
        await world.redeem("c", sku)
        for name in ("a", "b", "c"):
            assert await _refused(world, name, sku) == [
                "Each person may redeem %(limit)s, over all their memberships; you have %(used)s."
            ]
        async with world.connection.transaction():
            await cancel_redemption(
                world.connection,
                first.number,
                member_id=None,
                reason="",
                actor="test",
                now=world.clock.now(),
                zone=ZONE,
            )
        await world.redeem("c", sku)
        # Whom the others lead to is merged away: the one who lives on stands for the person.
        async with world.connection.transaction():
            await merge(world.connection, "b", "d", reason="the same", actor="test", now=world.clock.now(), zone=ZONE)
        for name in ("a", "c", "d"):
            assert await _refused(world, name, sku)
        assert await world.one("SELECT count(DISTINCT coalesce(person_id, id)) FROM member WHERE state = 'active'") == 1


@pytest.mark.parametrize("who", ["a", "b", "c"])
async def test_who_is_separated_takes_their_own_uses_along(database_url: str, who: str) -> None:
    async with open_world(database_url) as world:
        for name in ("a", "b", "c"):
            await world.member(name, points=1_000)
        sku = await world.item(per_person_limit=4)
        await _same(world, "b", "a")
        await _same(world, "c", "a")
        for name, units in (("a", 1), ("b", 2), ("c", 1)):
            await world.redeem(name, sku, units)
        assert await _refused(world, who, sku)
        await _part(world, who)
        mine = 2 if who == "b" else 1
        assert await _refused(world, who, sku, 5 - mine)
        await world.redeem(who, sku, 4 - mine)
        rest = [name for name in ("a", "b", "c") if name != who]
        await world.redeem(rest[0], sku, mine)
        assert await _refused(world, rest[1], sku)
        with pytest.raises(NoOtherMembershipError):
            await _part(world, who)
        assert [one.external_id for one in await list_memberships(world.connection, await _id(world, rest[0]))] == rest[
            1:
        ]
        await _same(world, who, rest[0])
        assert await world.one("SELECT sum(used) FROM limit_use WHERE period = 'person'") == 8
        assert await world.one("SELECT count(*) FROM limit_use WHERE period = 'person'") == 1


async def test_separating_waits_for_a_redemption_in_hand_and_loses_no_use(database_url: str) -> None:
    async with open_world(database_url) as world:
        for name in ("a", "b"):
            await world.member(name, points=5_000)
        sku = await world.item(per_person_limit=100)
        await _same(world, "b", "a")

        async def part_and_bind() -> None:
            async with await AsyncConnection.connect(world.url, autocommit=True) as connection:
                for _ in range(10):
                    async with connection.transaction():
                        await part_from_person(connection, await _id(world, "b", connection))
                    async with connection.transaction():
                        await name_same_person(connection, "b", "a")

        async with world.desk() as one, world.desk() as other:
            wishes = [
                desk.redeem(world.wish(name, sku)) for desk, name in ((one, "a"), (other, "b")) for _ in range(15)
            ]
            await asyncio.gather(part_and_bind(), *wishes)
        assert await world.one("SELECT sum(used) FROM limit_use WHERE period = 'person'") == 30


async def _id(world: World, member: str, connection: AsyncConnection[Any] | None = None) -> int:
    found = await (connection or world.connection).execute("SELECT id FROM member WHERE external_id = %s", (member,))
    return int((await found.fetchone() or (0,))[0])


async def _part(world: World, member: str) -> None:
    async with world.connection.transaction():
        await part_from_person(world.connection, await _id(world, member))


async def test_nobody_is_the_same_person_as_somebody_unknown(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("a")
        with pytest.raises(InvalidInputError):
            await _same(world, "a", "nobody")
        assert await world.one("SELECT count(*) FROM member WHERE person_id IS NOT NULL") == 0
