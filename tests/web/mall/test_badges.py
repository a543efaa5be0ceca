"""A member's badges: what is theirs, and what the others need."""

from liyu.demo.tags import TAGS
from liyu.members.tags.service import evaluate_rules, make_tag, set_member_tag
from tests.web.conftest import NOW, Client
from tests.web.console.acts import texts_of
from tests.web.mall.conftest import Shop
from tests.world import ZONE


async def test_badges_show_what_is_ones_own_and_what_the_others_need_and_no_tags(
    shop: Shop, member: Client, other: Client
) -> None:
    connection = shop.world.connection
    assert "No badges yet" in texts_of(await member.get("/badges"))
    for facts in TAGS:
        await make_tag(connection, facts, now=NOW)
    await connection.execute(
        """UPDATE tag SET rule = jsonb_set(rule, '{conditions,0,value}', '"500"') WHERE code = 'big-spender'"""
    )
    await evaluate_rules(connection, NOW.date(), now=NOW, zone=ZONE)
    await set_member_tag(connection, "M1", "vip-care", given=True, actor="staff:1", now=NOW)
    mine, theirs = texts_of(await member.get("/badges")), texts_of(await other.get("/badges"))
    assert "Big spender Spend ¥10,000 in all Yours since 22 Nov 2026" in mine
    assert "Big spender Spend ¥10,000 in all Not yours yet" in theirs
    assert "Personal service" not in mine
    assert "Badges 1" in texts_of(await member.get("/me"))
