"""The order desk: sending one and many, after-sale decided, top-ups, bulk acts, files, rules; and a partner for its own goods."""

from pathlib import Path

import pytest
import xlsxwriter
from litestar import Litestar

from liyu.core.clock import FixedClock
from liyu.core.database import Sessions, unit_of_work
from liyu.core.settings import Settings
from liyu.redemption.aftersale.service import Wish, open_request
from tests.web.conftest import OpenClient
from tests.web.console.acts import submit, texts_of
from tests.web.console.conftest import SignIn
from tests.web.personas import add_staff, sign_in_staff
from tests.worker import Worker
from tests.world import ZONE, World


def _workbook(folder: Path, rows: list[tuple[str, ...]]) -> bytes:
    path = folder / "filled.xlsx"
    with xlsxwriter.Workbook(str(path)) as book:
        sheet = book.add_worksheet()
        for line, row in enumerate([("Order number", "Carrier", "Tracking number"), *rows]):
            for place, cell in enumerate(row):
                sheet.write_string(line, place, cell)
    return path.read_bytes()


async def test_orders_are_sent_one_by_one_and_by_a_file(sign_in: SignIn, world: World, tmp_path: Path) -> None:
    first, second, third = [(await world.redeem("m-1", "tea", 2)).number for _ in range(3)]
    client, page = await sign_in("service"), f"/console/redemptions/{first}"
    for fields in ({"carrier": "SF", "tracking_number": "12"}, {"carrier": "", "tracking_number": "SF1234567890123"}):
        assert (await submit(client, page, f"{page}/ship", **fields)).status_code == 422
    too_many = {"carrier": "SF", "tracking_number": "SF1234567890123", "quantity": "3"}
    assert (await submit(client, page, f"{page}/ship", **too_many)).status_code == 409
    assert await world.one("SELECT count(*) FROM parcel") == 0
    assert (await submit(client, page, f"{page}/ship", **(too_many | {"quantity": "1"}))).status_code == 303
    assert "SF1234567890123" in (await client.get(page)).text
    parcel = f"{page}/parcels/{await world.one('SELECT id FROM parcel')}"
    assert (await submit(client, page, parcel, carrier="SF", tracking_number="1")).status_code == 422
    assert (await submit(client, page, parcel, carrier="JD", tracking_number="JDVA12345678901")).status_code == 303
    assert await world.one("SELECT carrier FROM parcel") == "JD"
    desk = texts_of(await client.get("/console/shipping"))
    assert "1 / 2" in desk
    assert (await client.get("/console/shipping/to-send.xlsx")).content[:2] == b"PK"
    content = _workbook(tmp_path, [(second, "ZTO", "75312345678901"), (third, "ZTO", "x")])
    token = (await submit(client, "/console/shipping", "/console/shipping")).status_code
    assert token == 422
    opened = await client.get("/console/shipping")
    sent = await client.post(
        "/console/shipping",
        data={"csrf_token": opened.text.split('name="csrf_token" value="')[1].split('"')[0]},
        files={"file": ("list.xlsx", content)},
    )
    here = sent.headers["location"]
    seen = texts_of(await client.get(here))
    assert "Row 3" in seen
    assert "Send one parcel" in seen
    assert (await client.get(f"{here}/faults.xlsx")).content[:2] == b"PK"
    assert (await submit(client, here, f"{here}/apply")).status_code == 303
    assert await world.one("SELECT count(*) FROM parcel") == 2
    assert (await submit(client, "/console/shipping", f"{here}/discard")).status_code == 303
    assert await world.one("SELECT state FROM shipping_upload") == "applied"


async def test_many_are_given_back_at_once_and_what_came_of_each_is_told(sign_in: SignIn, world: World) -> None:
    numbers = [(await world.redeem("m-1", "tea")).number for _ in range(2)]
    await world.connection.execute("UPDATE redemption SET state = 'completed' WHERE number = %s", (numbers[0],))
    client, page = await sign_in("service"), "/console/redemptions?hangs=1&partner=P1"
    assert (await client.get(page)).status_code == 200
    page, apply = "/console/redemptions", "/console/redemptions/bulk/apply"
    assert numbers[1] in (await client.get(page)).text
    assert (await submit(client, page, f"{page}/bulk", act="give_back")).status_code == 303
    looked = await submit(client, page, f"{page}/bulk", act="give_back", number=numbers)
    assert "Their points go back into their lots" in texts_of(looked)
    assert (await submit(client, page, apply, act="give_back", number=numbers)).status_code == 422
    assert await world.one("SELECT count(*) FROM redemption WHERE state = 'cancelled'") == 0
    told = texts_of(await submit(client, page, apply, act="give_back", reason="out_of_stock", number=numbers))
    assert "1 of 2 orders are done" in told
    assert "can no longer be cancelled" in told
    assert await world.one("SELECT state FROM redemption WHERE number = %s", numbers[1]) == "cancelled"
    assert await world.one("SELECT state FROM redemption WHERE number = %s", numbers[0]) == "completed"


async def test_many_are_sent_arrive_are_ready_or_are_tried_again_each_by_itself(sign_in: SignIn, world: World) -> None:
    first, second = [(await world.redeem("m-1", "tea")).number for _ in range(2)]
    client, home, page = await sign_in("service"), "/console/shipping", "/console/redemptions"
    assert (await submit(client, home, f"{home}/many")).status_code == 303
    assert first in (await submit(client, home, f"{home}/many", number=[first, second])).text
    waybills: dict[str, str | list[str]] = {"number": [first, second]}
    waybills |= {f"tracking_{first}": "SF1234567890123", f"tracking_{second}": "x"}
    assert (await submit(client, home, f"{home}/many/send", **waybills)).status_code == 422
    sent = texts_of(await submit(client, home, f"{home}/many/send", carrier="SF", **waybills))
    assert "1 order is on its way" in sent
    assert "not a tracking number" in sent
    assert await world.one("SELECT count(*) FROM parcel") == 1

    async def act(name: str, *numbers: str) -> str:
        return texts_of(await submit(client, page, f"{page}/bulk/apply", act=name, number=list(numbers)))

    assert "1 of 2 orders are done" in await act("arrived", first, second)
    assert await world.one("SELECT state FROM redemption WHERE number = %s", first) == "completed"
    fetched = (await world.redeem("m-1", await world.item("mug", kind="pick_up", points=10))).number
    assert "1 of 2 orders are done" in await act("ready", fetched, second)
    assert "told already" in await act("ready", fetched)
    assert await world.one("SELECT subject FROM member_notice WHERE topic = 'order_ready'") == fetched
    credit = (await world.redeem("m-1", await world.item("airtime", kind="top_up", points=10))).number
    assert "no top-up to try again" in await act("top_up", credit, first)
    await world.connection.execute(
        "WITH made AS (INSERT INTO top_up_endpoint (name, url, secret, active, changed_at) "
        "VALUES ('T', 'https://t.example', 'x', true, now()) RETURNING id) "
        "INSERT INTO top_up_item (item_id, endpoint_id) SELECT i.id, made.id FROM item i, made WHERE sku = 'airtime'"
    )
    await world.connection.execute("UPDATE top_up SET next_at = NULL")
    assert "1 order is done" in await act("top_up", credit)
    assert await world.one("SELECT next_at IS NOT NULL FROM top_up")


async def test_orders_are_written_into_a_file_by_the_worker(
    sign_in: SignIn, world: World, settings: Settings, clock: FixedClock, sessions: Sessions
) -> None:
    number = (await world.redeem("m-1", "tea")).number
    client = await sign_in("operator")
    for kind in ("csv", "xlsx"):
        ordered = await submit(client, "/console/redemptions", "/console/redemptions/export?kind=goods", format=kind)
        here = ordered.headers["location"]
        again = await submit(client, "/console/redemptions", "/console/redemptions/export?kind=goods", format=kind)
        assert again.headers["location"] == here, "a second click orders nothing new"
        assert "Waits for the worker" in (await client.get(here)).text
        assert (await client.get(f"{here}/file")).status_code == 404
        await Worker(settings, clock, sessions).run()
        assert "1 order" in texts_of(await client.get(here))
        content = (await client.get(f"{here}/file")).content
        assert content[:2] == b"PK" if kind == "xlsx" else number in content.decode("utf-8-sig")


async def test_rules_and_systems_are_kept_and_faults_are_named(sign_in: SignIn, world: World) -> None:
    await world.item("airtime", kind="top_up", points=10)
    client, page = await sign_in("operator"), "/console/order-rules"
    rules = {
        "received_after_days": "5", "return_days": "14", "decide_hours": "24", "send_back_days": "7", "cancel_unsent_days": "",
    }  # fmt: skip
    assert (await submit(client, page, page, **(rules | {"decide_hours": "0"}))).status_code == 422
    assert await world.one("SELECT count(*) FROM order_rule") == 0
    assert (await submit(client, page, page, **rules)).status_code == 303
    assert await world.one("SELECT return_days FROM order_rule") == 14
    page = "/console/top-ups/new"
    system = {"name": "Telecom", "url": "https://telecom.example/top-up", "skus": "airtime", "active": "yes"}
    wrong = await submit(client, page, page, **(system | {"skus": "nothing", "url": "ftp://x"}))
    assert (wrong.status_code, "No top-up has the number nothing" in texts_of(wrong)) == (422, True)
    made = await submit(client, page, page, **system)
    assert "whsec_" in made.text
    here = f"/console/top-ups/{await world.one('SELECT id FROM top_up_endpoint')}"
    assert "whsec_" not in (await client.get(here)).text
    assert "whsec_" in (await submit(client, here, f"{here}/secret")).text
    number = (await world.redeem("m-1", "airtime")).number
    assert number in (await client.get("/console/top-ups")).text
    order = f"/console/redemptions/{number}"
    assert (await submit(client, order, f"{order}/top-up", delivered="no")).status_code == 422
    decided = await submit(client, order, f"{order}/top-up", delivered="yes", why="The telecom says so")
    assert decided.status_code == 303
    assert await world.one("SELECT state FROM redemption WHERE number = %s", number) == "completed"


@pytest.fixture
async def partner_client(world: World, sessions: Sessions, open_client: OpenClient, app: Litestar) -> OpenClient:
    """Whose goods `tea` are, and another partner."""
    partner = await world.one("SELECT id FROM partner WHERE code = 'P1'")
    await world.connection.execute("UPDATE item SET partner_id = %s WHERE sku = 'tea'", (partner,))
    await world.connection.execute(
        "INSERT INTO partner (code, name_zh, name_en, category, state, created_at) "
        "VALUES ('P9', '别家', 'Other', 'x', 'active', now())"
    )
    other = await world.one("SELECT id FROM partner WHERE code = 'P9'")
    async with unit_of_work(sessions) as session:
        await add_staff(session, "owner@p1.example", "partner", "owner", partner_id=partner)
        await add_staff(session, "owner@p9.example", "partner", "owner", partner_id=other)
    return open_client


async def test_a_partner_sends_and_decides_for_its_own_goods_only(
    partner_client: OpenClient, world: World, sign_in: SignIn
) -> None:
    number = (await world.redeem("m-1", "tea", 2)).number
    own, other = partner_client(), partner_client()
    assert (await sign_in_staff(own, "owner@p1.example", "partner")).status_code == 303
    assert (await sign_in_staff(other, "owner@p9.example", "partner")).status_code == 303
    order = f"/partner/shipping/orders/{number}"
    assert number in (await own.get("/partner/shipping")).text
    assert number not in (await other.get("/partner/shipping")).text
    assert (await other.get(order)).status_code == 404
    parcel = {"carrier": "YTO", "tracking_number": "YT1234567890123"}
    assert (await submit(other, "/partner/shipping", order, **parcel)).status_code == 404
    assert (await submit(own, order, order, **(parcel | {"tracking_number": "1"}))).status_code == 422
    assert (await submit(own, order, order, **parcel)).status_code == 303
    assert await world.one("SELECT sum(quantity) FROM parcel") == 2
    async with world.connection.transaction():
        member = await world.one("SELECT id FROM member WHERE external_id = 'm-1'")
        request = await open_request(
            world.connection, member, number, Wish("refund", "not_received", "Nothing came", 1), [], actor=f"member:{member}",
            now=world.clock.now(), zone=ZONE,
        )  # fmt: skip
    page = f"/partner/after-sales/{request}"
    assert request in (await own.get("/partner/after-sales")).text
    assert request not in (await other.get("/partner/after-sales?show=all")).text
    for path in (page, f"{page}/photos/1"):
        assert (await other.get(path)).status_code == 404
    assert (await submit(other, "/partner/shipping", f"{page}/decide", wanted="approve")).status_code == 404
    assert (await submit(own, page, f"{page}/decide", wanted="decline", words="")).status_code == 422
    console = await sign_in("service")
    here = f"/console/after-sales/{request}"
    assert request in (await console.get("/console/after-sales")).text
    assert "Nothing came" in (await console.get(here)).text
    assert (await submit(own, page, f"{page}/decide", wanted="approve", words="Sorry")).status_code == 303
    assert await world.one("SELECT points FROM after_sale") == 100
    assert (await submit(console, "/console/shipping", f"{here}/decide", wanted="approve")).status_code == 409
    assert (await console.get("/console/after-sales?show=all")).status_code == 200
    assert await world.one("SELECT count(*) FROM audit_event WHERE action = 'after_sale.approve'") == 1
