"""Who an item is for, loaded by the desk: tags, cities, prices of tiers, variants, and limits of natural persons."""

import pytest

from liyu.core.errors import InvalidInputError
from liyu.redemption.cancel import cancel_redemption
from liyu.redemption.errors import RefusedError
from liyu.redemption.merge import merge
from liyu.redemption.persons import name_same_person
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


async def test_nobody_is_the_same_person_as_somebody_unknown(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("a")
        with pytest.raises(InvalidInputError):
            await _same(world, "a", "nobody")
        assert await world.one("SELECT count(*) FROM member WHERE person_id IS NOT NULL") == 0
