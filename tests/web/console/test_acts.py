"""What staff do: it happens once, with its reason and its audit event; a refusal changes nothing and says why."""

import re
from typing import Any

from tests.web.console.acts import submit, texts_of
from tests.web.console.conftest import SignIn
from tests.web.personas import field_in
from tests.world import World


async def audit(world: World, action: str) -> Any:
    return await world.one("SELECT count(*) FROM audit_event WHERE action = %s", action)


async def test_an_adjustment_is_made_once_for_one_form(sign_in: SignIn, world: World) -> None:
    client, page = await sign_in("operator"), "/console/members/m-1"
    key = field_in(await client.get(page), "key")
    for _ in range(2):
        answer = await submit(client, page, f"{page}/adjust", points="250", why="Sorry", key=key)
        assert answer.status_code == 303
    assert (await world.balances("m-1"))["points"] == 5_250
    other = await submit(client, page, f"{page}/adjust", points="251", why="Sorry", key=key)
    assert other.status_code == 409
    assert (await world.balances("m-1"))["points"] == 5_250
    assert await audit(world, "member.adjust") == 1


async def test_nobody_moves_more_than_the_most_nor_takes_what_is_not_there(sign_in: SignIn, world: World) -> None:
    client, page = await sign_in("operator"), "/console/members/m-1"
    for points, status in (("1000001", 422), ("0", 422), ("-6000", 409)):
        answer = await submit(client, page, f"{page}/adjust", points=points, why="x", key=f"k{points}")
        assert answer.status_code == status, points
    service = await sign_in("service")
    assert (await submit(service, page, f"{page}/adjust", points="1", why="x", key="k")).status_code == 403
    assert (await world.balances("m-1"))["points"] == 5_000
    assert await audit(world, "member.adjust") == 0


async def test_freezing_needs_a_reason_and_can_be_undone(sign_in: SignIn, world: World) -> None:
    client, page = await sign_in("service"), "/console/members/m-1"
    assert (await submit(client, page, f"{page}/state", wanted="frozen", reason="")).status_code == 422
    assert await world.one("SELECT state FROM member WHERE external_id = 'm-1'") == "active"
    for wanted in ("frozen", "active"):
        assert (await submit(client, page, f"{page}/state", wanted=wanted, reason="Asked")).status_code == 303
        assert await world.one("SELECT state FROM member WHERE external_id = 'm-1'") == wanted
    assert await audit(world, "member.state") == 2


async def test_cancelling_gives_the_points_back_once(sign_in: SignIn, world: World) -> None:
    number = (await world.redeem("m-1", "coupon-1")).number
    client, page = await sign_in("service"), f"/console/redemptions/{number}"
    assert "31 Dec 2027" in texts_of(await client.get(page))
    assert (await submit(client, page, f"{page}/step", wanted="cancelled", reason="Ill")).status_code == 303
    assert (await world.balances("m-1"))["points"] == 5_000
    shipped = await submit(client, page, f"{page}/step", wanted="fulfilling", reason="SF1")
    assert shipped.status_code == 409
    assert await world.one("SELECT state FROM redemption WHERE number = %s", number) == "cancelled"
    finance = await sign_in("finance")
    assert (await submit(finance, page, f"{page}/step", wanted="cancelled", reason="x")).status_code == 403


async def test_goods_are_sent_and_completed(sign_in: SignIn, world: World) -> None:
    number = (await world.redeem("m-1", "tea")).number
    client, page = await sign_in("operator"), f"/console/redemptions/{number}"
    for wanted in ("fulfilling", "completed"):
        assert (await submit(client, page, f"{page}/step", wanted=wanted, reason="SF 123")).status_code == 303
    assert "SF 123" in texts_of(await client.get(page))
    assert await audit(world, "redemption.move") == 2


async def test_an_item_is_paused_edited_while_paused_and_resumed(sign_in: SignIn, world: World) -> None:
    client, page = await sign_in("operator"), "/console/items/tea"
    assert (await submit(client, page, f"{page}/state", wanted="paused", reason="Late")).status_code == 303
    edit = f"{page}/edit"
    answer = await submit(client, edit, edit, name_zh="新茶", scene="dining", points="120", voucher_days="90", uses="1")
    assert answer.status_code == 303, texts_of(answer)
    row = await (await world.connection.execute("SELECT state, points, name_zh FROM item WHERE sku = 'tea'")).fetchone()
    assert row == ("paused", 120, "新茶")
    assert (await submit(client, page, f"{page}/state", wanted="approved", reason="x")).status_code == 409
    assert (await submit(client, page, f"{page}/state", wanted="live", reason="Here")).status_code == 303
    assert await audit(world, "item.state") == 2
    assert await audit(world, "item.edit") == 1


async def test_stock_never_falls_below_what_is_taken(sign_in: SignIn, world: World) -> None:
    await world.redeem("m-1", "tea", 3)
    client, page = await sign_in("operator"), "/console/items/tea"
    assert (await submit(client, page, f"{page}/stock", total="2")).status_code == 409
    assert await world.one("SELECT total FROM item_stock JOIN item ON id = item_id WHERE sku = 'tea'") == 10
    assert (await submit(client, page, f"{page}/stock", total="20")).status_code == 303
    assert await audit(world, "item.stock") == 1


async def test_a_new_item_with_faults_says_them_all(sign_in: SignIn, world: World) -> None:
    client, page = await sign_in("operator"), "/console/items/new"
    faulty = await submit(client, page, page, sku="tea", kind="goods", name_zh="", points="-1", scene="dining")
    assert faulty.status_code == 422
    answer = await submit(
        client, page, page, sku="NEW-1", kind="goods", name_zh="新品", points="10", scene="dining", stock="5"
    )
    assert answer.status_code == 303, texts_of(answer)
    assert await world.one("SELECT state FROM item WHERE sku = 'NEW-1'") == "draft"
    assert await world.one("SELECT count(*) FROM item") == 4


async def test_a_partner_moves_along_its_states_only(sign_in: SignIn, world: World) -> None:
    client, page = await sign_in("operator"), "/console/partners/P1"
    assert (await submit(client, page, f"{page}/state", wanted="approved", reason="x")).status_code == 409
    assert (await submit(client, page, f"{page}/state", wanted="suspended", reason="Papers")).status_code == 303
    assert await world.one("SELECT state FROM partner WHERE code = 'P1'") == "suspended"
    finance = await sign_in("finance")
    assert (await submit(finance, page, f"{page}/state", wanted="active", reason="x")).status_code == 403


async def test_the_books_sum_up_and_each_account_counts_as_people_expect(sign_in: SignIn, world: World) -> None:
    await world.redeem("m-1", "coupon-1")
    client = await sign_in("finance")
    sums = re.search(r'<tr class="sum">.*?</tr>', (await client.get("/console/books")).text, re.DOTALL)
    assert sums
    came, went = re.findall(r'class="end">([\d,]+)<', sums.group())
    assert came == went != "0"
    given = await world.one(
        "SELECT sum(t.amount) FROM transfer t JOIN account a ON a.id = t.debit_account_id WHERE a.kind = 'points_issued'"
    )
    account = (await client.get("/console/books/points_issued")).text
    amounts = re.findall(r'data-label="Amount" class="end num">([−\d,]+)<', account)
    assert sum(int(one.replace(",", "")) for one in amounts) == given > 0


async def test_the_books_are_proven_from_the_page(sign_in: SignIn, world: World) -> None:
    client = await sign_in("finance")
    assert (await submit(client, "/console/books", "/console/books/prove")).status_code == 303
    assert await world.one("SELECT count(*) FROM proof") == 1
    assert await audit(world, "books.prove") == 1
    assert "Books proven" in texts_of(await client.get("/console/audit?action=books.prove"))
    operator = await sign_in("operator")
    assert (await submit(operator, "/console/books", "/console/books/prove")).status_code == 403
