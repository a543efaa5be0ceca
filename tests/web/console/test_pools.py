"""Code pools in the console: imports answered one by one, looks with a reason, recalls, and points back by the worker."""

from liyu.redemption.recall import refund_recall
from tests.web.console.acts import submit, texts_of
from tests.web.console.conftest import SignIn
from tests.web.personas import token_in
from tests.world import ZONE, World

PAGE = "/console/pools/codes-1"


async def audit(world: World, action: str) -> int:
    return int(await world.one("SELECT count(*) FROM audit_event WHERE action = %s", action))


async def test_codes_are_answered_one_by_one_and_faulty_rows_come_back_as_a_file(sign_in: SignIn, world: World) -> None:
    client = await sign_in("operator")
    pasted = await submit(client, PAGE, f"{PAGE}/import", codes="AAA-1\nAAA-2\nAAA-1\n")
    assert pasted.status_code == 303
    report = texts_of(await client.get(pasted.headers["location"]))
    assert "2 added, 0 there already, 1 twice in the list" in report
    assert "AAA-1" not in report
    file = {"file": ("codes.csv", "券码\n=AAA-2\nAAA-2\nAAA-3\n".encode(), "text/csv")}
    token = token_in(await client.get(PAGE))
    sent = await client.post(f"{PAGE}/import", data={"csrf_token": token}, files=file)
    number = sent.headers["location"].rpartition("=")[2]
    faults = await client.get(f"{PAGE}/imports/{number}/faults.csv")
    assert faults.status_code == 200
    assert faults.text.splitlines()[1:] == ["3,已在券码池中,In a pool already,AAA-2"]
    assert await world.one("SELECT total FROM item_stock JOIN item ON id = item_id WHERE sku = 'codes-1'") == 4
    both = await client.post(f"{PAGE}/import", data={"csrf_token": token, "codes": "X"}, files=file)
    unreadable = {"file": ("codes.xlsx", b"PK\x03\x04nothing", "application/zip")}
    for refused in (
        both,
        await submit(client, PAGE, f"{PAGE}/import"),
        await client.post(f"{PAGE}/import", data={"csrf_token": token}, files=unreadable),
    ):
        assert refused.status_code == 422
    assert await world.one("SELECT count(*) FROM pool_import") == 2
    assert (await audit(world, "codes.import"), await audit(world, "codes.faults")) == (2, 1)
    finance = await sign_in("finance")
    assert (await submit(finance, PAGE, f"{PAGE}/import", codes="Z")).status_code == 403
    assert (await finance.get(f"{PAGE}/imports/{number}/faults.csv")).status_code == 403


async def test_looking_at_a_members_code_needs_a_reason_and_is_kept(sign_in: SignIn, world: World) -> None:
    client = await sign_in("operator")
    await submit(client, PAGE, f"{PAGE}/import", codes="AAA-1")
    number = (await world.redeem("m-1", "codes-1")).number
    order = f"/console/redemptions/{number}"
    assert "AAA-1" not in (await client.get(order)).text
    assert (await submit(client, order, f"{order}/codes", why="")).status_code == 422
    assert await audit(world, "codes.reveal") == 0
    assert "AAA-1" in (await submit(client, order, f"{order}/codes", why="Member cannot read it")).text
    assert await audit(world, "codes.reveal") == 1
    assert "Member cannot read it" in texts_of(await client.get(PAGE))
    finance = await sign_in("finance")
    assert (await submit(finance, order, f"{order}/codes", why="x")).status_code == 403


async def test_a_bad_batch_is_recalled_once_and_points_come_back(sign_in: SignIn, world: World) -> None:
    client = await sign_in("operator")
    await submit(client, PAGE, f"{PAGE}/import", codes="BAD-1\nBAD-2")
    await world.redeem("m-1", "codes-1")
    batch = str(await world.one("SELECT id FROM pool_import"))
    wrong = {"import_id": batch, "reason": "Dead", "used": "NOT-OURS", "sure": "yes"}
    for fields, status in (
        ({"import_id": batch, "reason": "Dead"}, 422),
        ({"reason": "Dead", "sure": "yes"}, 422),
        (wrong, 422),
        ({**wrong, "used": ""}, 303),
        ({**wrong, "used": ""}, 409),
    ):
        answer = await submit(client, PAGE, f"{PAGE}/recall", **fields)
        assert answer.status_code == status, texts_of(answer)
    assert "Dead" in texts_of(await client.get(PAGE))
    assert (await audit(world, "codes.recall"), await world.one("SELECT count(*) FROM pool_recall")) == (1, 1)
    recall = await world.one("SELECT id FROM pool_recall")
    assert (await submit(client, PAGE, f"{PAGE}/recalls/{recall + 1}/refund")).status_code == 404
    assert (await submit(client, PAGE, f"{PAGE}/recalls/{recall}/refund")).status_code == 303
    assert await world.one("SELECT args ->> 'recall_id' FROM procrastinate_jobs WHERE task_name LIKE '%%refund_recall'")
    refunded = await refund_recall(world.connection, recall, actor="staff:1", now=world.clock.now(), zone=ZONE)
    assert (refunded, (await world.balances("m-1"))["points"]) == (1, 5_000)
    assert (await submit(client, PAGE, f"{PAGE}/watch", low_at="3", lead_days="0")).status_code == 422
    assert (await submit(client, PAGE, f"{PAGE}/watch", low_at="3", lead_days="7")).status_code == 303
    assert await world.one("SELECT array[low_at, lead_days] FROM pool_watch") == [3, 7]
