"""Who is eligible is decided under the lock: once a tier, a tag or a city is gone, no redemption that needed it follows."""

import asyncio
from datetime import timedelta
from typing import Any

from psycopg import AsyncConnection

from liyu.core.clock import local_date
from liyu.members.profile import MemberChanges, save_member
from liyu.members.tags.service import evaluate_rules, set_member_tag
from liyu.members.tiers.service import Placement, set_tiers
from tests.races.desk_process import Orders
from tests.races.processes import finish, let_go, start
from tests.world import NOW, ZONE, World, open_world

PAUSE = 1.0
TODAY = local_date(NOW, ZONE)
MEMBERS = ("m-0", "m-1")
ITEMS = ("by-tier", "by-tag", "by-rule", "by-city")
_TAG = """
    INSERT INTO tag (code, name_zh, name_en, is_badge, icon, needs_zh, needs_en, by_rule, rule, active, created_at)
    SELECT code, code, code, false, '', '', '', rule IS NOT NULL, rule, true, now()
    FROM (VALUES (%s, %s::jsonb)) AS given(code, rule) RETURNING id"""
_HAD = """
    SELECT i.sku, count(r.id) FROM item i LEFT JOIN redemption r ON r.item_id = i.id
    WHERE i.sku = ANY(%s) GROUP BY i.sku ORDER BY i.sku"""


async def _had(connection: AsyncConnection[Any], *skus: str) -> dict[str, int]:
    found = await connection.execute(_HAD, (list(skus),))
    return dict(await found.fetchall())


async def _place(connection: AsyncConnection[Any], tier: str) -> None:
    rows = await (await connection.execute("SELECT id FROM member ORDER BY id")).fetchall()
    placements = [Placement(row[0], tier, TODAY + timedelta(days=9)) for row in rows]
    await set_tiers(connection, placements, reason="test", actor="test", now=NOW, zone=ZONE)


async def _set_up(world: World) -> None:
    """Two members who may have everything, by tier, by a tag given by hand, by a tag given by a rule, and by city."""
    await world.members(*MEMBERS, points=1_000)
    tags = {}
    for code, rule in (("hand", None), ("rule", '{"conditions": [{"kind": "city", "value": "上海"}], "match": "all"}')):
        tags[code] = await world.one(_TAG, code, rule)
    await world.item("by-tier", points=1, tier="gold")
    await world.item("by-tag", points=1, tag_ids=[tags["hand"]])
    await world.item("by-rule", points=1, tag_ids=[tags["rule"]])
    await world.item("by-city", points=1, cities=["北京"])
    async with world.connection.transaction():
        await _place(world.connection, "gold")
        for member in MEMBERS:
            await save_member(world.connection, member, MemberChanges(city="北京"), actor="test", now=NOW, zone=ZONE)
            await set_member_tag(world.connection, member, "hand", given=True, actor="test", now=NOW)
    # The rule does not fit them any more: the next time it is looked at, it takes the tag.
    await world.connection.execute(
        "INSERT INTO member_tag (member_id, tag_id, by_rule, actor, at) SELECT id, %s, true, 'test', now() FROM member",
        (tags["rule"],),
    )


async def _take_away(url: str, sku: str) -> dict[str, int]:
    """Take what an item asks for from both members, and count its redemptions as soon as it is gone."""
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        if sku == "by-rule":
            await evaluate_rules(connection, TODAY, now=NOW, zone=ZONE, code="rule")
            return await _had(connection, sku)
        async with connection.transaction():
            if sku == "by-tier":
                await _place(connection, "standard")
            for member in MEMBERS if sku == "by-tag" else ():
                await set_member_tag(connection, member, "hand", given=False, actor="test", now=NOW)
            for member in MEMBERS if sku == "by-city" else ():
                await save_member(connection, member, MemberChanges(city="广州"), actor="test", now=NOW, zone=ZONE)
            return await _had(connection, sku)


async def _rush(world: World, *, unguarded: bool) -> tuple[dict[str, int], dict[str, int]]:
    """Redemptions of each item when what it asks for was gone, and at the end. Both desks have read and not written yet then."""
    await _set_up(world)
    wishes = [[world.wish(member, sku) for sku in ITEMS] for member in MEMBERS]
    processes = [await start(Orders(world.url, part, unguarded, PAUSE, len(ITEMS))) for part in wishes]
    for process in processes:
        let_go(process)
    await asyncio.sleep(PAUSE / 2)
    taken = await asyncio.gather(*(_take_away(world.url, sku) for sku in ITEMS))
    await asyncio.gather(*(finish(process) for process in processes))
    then = {sku: count for one in taken for sku, count in one.items()}
    return then, await _had(world.connection, *ITEMS)


async def test_once_a_tier_a_tag_or_a_city_is_gone_no_redemption_follows(database_url: str) -> None:
    async with open_world(database_url) as world:
        then, at_last = await _rush(world, unguarded=False)
        assert at_last == then
        assert all(at_last.values())


async def test_without_the_locks_what_was_read_before_counts_afterwards(database_url: str) -> None:
    async with open_world(database_url) as world:
        then, at_last = await _rush(world, unguarded=True)
        assert all(at_last[sku] > then[sku] for sku in ITEMS), (then, at_last)
