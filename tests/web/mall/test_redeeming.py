"""From the sheet to the voucher and back, with every refusal, and nobody else's orders."""

import io
import re

import httpx
import pytest
from pikepdf import Pdf
from PIL import Image

from liyu.catalog.pictures import add_picture, file_name, keep_picture
from liyu.core.clock import FixedClock
from liyu.core.settings import Settings
from liyu.core.storage import open_storage
from liyu.redemption.addresses import DeliveryAddress, find_delivery_address
from tests.web.conftest import Client
from tests.web.mall.conftest import SECRETS, Shop
from tests.web.personas import field_in, token_in


async def redeem(client: Client, sku: str, quantity: int = 1, key: str = "", *, script: bool = False) -> httpx.Response:
    sheet = await client.get(f"/items/{sku}/redeem", params={"quantity": quantity})
    data = {"csrf_token": token_in(sheet), "sku": sku, "quantity": str(quantity), "key": key or field_in(sheet, "key")}
    return await client.post("/redemptions", data=data, headers={"hx-request": "true"} if script else {})


async def number_of(client: Client, sku: str, quantity: int = 1) -> str:
    answer = await redeem(client, sku, quantity)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"].rpartition("/")[2])


async def test_the_sheet_says_what_it_costs_and_which_points_go(member: Client) -> None:
    page = (await member.get("/items/CHEAP/redeem?quantity=2")).text
    assert "Usable through 31 Dec 2027" in page
    for figure in ("1,000", "200", "800"):
        assert figure in page


async def test_who_lacks_points_is_led_to_where_they_come_from(shop: Shop, member: Client, other: Client) -> None:
    assert 'href="/earn"' in (await other.get("/items/CHEAP/redeem")).text.split("</header>")[-1]
    # Points alone would not be enough here.
    assert 'href="/earn"' not in (await other.get("/items/DEAR/redeem")).text.split("</header>")[-1]
    assert 'href="/earn"' not in (await member.get("/items/CHEAP/redeem")).text.split("</header>")[-1]
    assert "Check in or shop" not in (await other.get("/")).text
    await shop.world.item("ALL", points=50)
    await shop.world.redeem("M2", "ALL")
    assert "Check in or shop" in (await other.get("/")).text


async def test_what_cost_nothing_says_so_until_it_is_cancelled(shop: Shop, member: Client) -> None:
    await shop.world.item("GIFT", points=0)
    number = (await shop.world.redeem("M1", "GIFT")).number
    order = (await member.get(f"/redemptions/{number}")).text
    assert "For free" in order
    assert "Yours, for no points" in order
    assert "points are taken" not in order
    assert "For free" in (await member.get("/orders")).text
    question = await member.get(f"/redemptions/{number}/cancel")
    await member.post(
        f"/redemptions/{number}/cancel", data={"csrf_token": token_in(question), "reason": "changed_mind"}
    )
    closed = (await member.get(f"/redemptions/{number}")).text
    assert "The order is cancelled." in closed
    assert "points are back" not in closed


@pytest.fixture
async def airtime(shop: Shop) -> str:
    return await shop.world.item("AIRTIME", kind="top_up", points=10)


async def test_a_top_up_says_whose_number_it_is_for(airtime: str, member: Client) -> None:
    page = (await member.get(f"/items/{airtime}/redeem")).text
    assert re.search(r"Credited to</dt><dd[^>]*>\d{3}\*{4}\d{4}<", page)
    assert "Credited to" not in (await member.get("/items/CUP/redeem")).text


HOME = {
    "recipient": "林岚", "phone": "138 0000 2002", "province": "浙江省", "city": "杭州市", "district": "西湖区",
    "detail": "文三路 1 号", "label": "家",
}  # fmt: skip


async def test_goods_go_to_the_address_that_was_chosen(shop: Shop, member: Client, other: Client) -> None:
    sheet = await member.get("/items/CUP/redeem")
    assert "You have no address yet" in sheet.text
    assert "Redeem now" not in sheet.text
    assert sheet.text.count('href="/account/addresses/new?next=') == 1
    before = await shop.world.footprint()
    data = {"csrf_token": token_in(sheet), "sku": "CUP", "quantity": "1", "key": "k"}
    refused = await member.post("/redemptions", data=data)
    assert (refused.status_code, "Choose where it is to go." in refused.text) == (422, True)

    form = await member.get("/account/addresses/new", params={"next": "/items/CUP/redeem?quantity=1"})
    again = await member.post(
        "/account/addresses/new",
        data=HOME | {"csrf_token": token_in(form), "phone": "1", "next": "/items/CUP/redeem?quantity=1"},
        headers={"hx-request": "true"},
    )
    assert (again.status_code, "<html" in again.text, 'name="next"' in again.text) == (422, False, True)
    saved = await member.post(
        "/account/addresses/new",
        data=HOME | {"csrf_token": token_in(form), "next": "/items/CUP/redeem?quantity=1"},
    )
    back = saved.headers["location"]
    home = int(back.partition("&address=")[2])
    lhasa = {"province": "西藏自治区", "city": "拉萨市", "district": "城关区", "is_default": "yes"}
    await member.post("/account/addresses/new", data=HOME | lhasa | {"csrf_token": token_in(form)})
    sheet = await member.get(back)
    assert f'value="{home}" checked' in sheet.text
    assert "It is not sent there" in sheet.text
    elsewhere = await shop.world.one("SELECT id FROM member_address WHERE province = '西藏自治区'")
    refused = await member.post("/redemptions", data=data | {"address": str(elsewhere)})
    assert (refused.status_code, "This is not sent to 西藏自治区." in refused.text) == (409, True)
    token = token_in(await other.get("/items/CUP/redeem"))
    foreign = await other.post("/redemptions", data=data | {"csrf_token": token, "address": str(home)})
    assert foreign.status_code == 422
    assert await shop.world.footprint() == before

    data |= {"key": field_in(sheet, "key"), "address": str(home)}
    redeemed = await member.post("/redemptions", data=data)
    assert redeemed.status_code == 303
    await shop.world.connection.execute("DELETE FROM member_address")
    assert "浙江省杭州市西湖区 文三路 1 号" in (await member.get(redeemed.headers["location"])).text
    redemption_id = await shop.world.one(
        "SELECT id FROM redemption WHERE number = %s", redeemed.headers["location"][13:]
    )
    kept = await find_delivery_address(shop.world.connection, redemption_id)
    assert kept == DeliveryAddress("林岚", "+8613800002002", "浙江省", "杭州市", "西湖区", "文三路 1 号")
    assert kept.region == "浙江省杭州市西湖区"


async def test_a_waiting_page_is_one_of_ours(member: Client) -> None:
    form = await member.get("/account/addresses/new", params={"next": "//evil.example/x"})
    assert 'name="next"' not in form.text
    saved = await member.post(
        "/account/addresses/new", data=HOME | {"csrf_token": token_in(form), "next": "https://evil.example"}
    )
    assert saved.headers["location"] == "/account/addresses"


async def test_the_sheet_alone_for_a_script(member: Client) -> None:
    answer = await member.get("/items/CHEAP/redeem", headers={"hx-request": "true"})
    assert answer.status_code == 200
    assert "<html" not in answer.text


async def test_redeeming_leads_to_the_order_and_its_vouchers(shop: Shop, member: Client) -> None:
    answer = await redeem(member, "CHEAP", 2)
    assert answer.status_code == 303
    order = (await member.get(answer.headers["location"])).text
    assert "It is yours" in order
    vouchers = re.findall(r'href="(/vouchers/\d+)"', order)
    assert len(set(vouchers)) == 2
    voucher = (await member.get(vouchers[0])).text
    assert "<svg" in voucher
    assert re.search(r"[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}", voucher)
    assert (await shop.world.balances("M1"))["points"] == 800


async def test_htmx_is_sent_on_to_the_order(member: Client) -> None:
    answer = await redeem(member, "CHEAP", script=True)
    assert answer.headers["hx-redirect"].startswith("/redemptions/R")


async def test_the_same_key_gives_the_first_order_again(shop: Shop, member: Client) -> None:
    first, second = await redeem(member, "CHEAP", key="once"), await redeem(member, "CHEAP", key="once")
    assert first.headers["location"] == second.headers["location"]
    assert (await shop.world.balances("M1"))["points"] == 900


async def test_the_same_key_for_something_else_is_refused(shop: Shop, member: Client) -> None:
    await redeem(member, "CHEAP", key="once")
    before = await shop.world.footprint()
    answer = await redeem(member, "CHEAP", 2, key="once")
    assert answer.status_code == 409
    assert await shop.world.footprint() == before


@pytest.mark.parametrize("script", [False, True])
async def test_a_refusal_names_every_reason_and_changes_nothing(shop: Shop, member: Client, script: bool) -> None:
    before = await shop.world.footprint()
    answer = await redeem(member, "DEAR", 2, script=script)
    assert answer.status_code == 409
    for reason in ("Needs Platinum; you are Silver", "Only 1 left", "Each member may redeem 1", "Needs 100,000 points"):
        assert reason in answer.text
    assert ("<html" in answer.text) is not script
    assert await shop.world.footprint() == before


async def test_a_refused_sheet_can_be_sent_again(clock: FixedClock, member: Client) -> None:
    early = await redeem(member, "COMING")
    assert early.status_code == 409
    assert "Redeeming opens at 22 Nov 2026, 13:00" in early.text
    assert field_in(early, "key")


async def test_a_quantity_that_makes_no_sense_is_refused(shop: Shop, member: Client) -> None:
    before = await shop.world.footprint()
    for quantity in ("0", "-1", "many", "1000"):
        sheet = await member.get("/items/CHEAP/redeem")
        data = {"csrf_token": token_in(sheet), "sku": "CHEAP", "quantity": quantity, "key": "k"}
        assert (await member.post("/redemptions", data=data)).status_code == 422
    assert await shop.world.footprint() == before


async def test_an_unknown_item_is_not_found(member: Client) -> None:
    assert (await member.get("/items/NOTHING")).status_code == 404
    assert (await member.get("/items/NOTHING/redeem")).status_code == 404


async def test_cancelling_asks_first_and_gives_the_points_back(shop: Shop, member: Client) -> None:
    number = await number_of(member, "CHEAP")
    question = await member.get(f"/redemptions/{number}/cancel")
    assert "Cancel this order?" in question.text
    assert (await shop.world.balances("M1"))["points"] == 900
    answer = await member.post(f"/redemptions/{number}/cancel", data={"csrf_token": token_in(question)})
    assert answer.status_code == 303
    page = (await member.get(answer.headers["location"])).text
    assert "Cancelled. 100 points are back." in page
    assert (await shop.world.balances("M1"))["points"] == 1_000


async def test_codes_are_shown_to_whoever_asks_for_their_own(member: Client) -> None:
    number = await number_of(member, "CODE")
    order = await member.get(f"/redemptions/{number}")
    assert not any(secret in order.text for secret in SECRETS)
    shown = await member.post(f"/redemptions/{number}/codes", data={"csrf_token": token_in(order)})
    assert SECRETS[0] in shown.text
    assert "Cancel this order" not in order.text


async def test_somebody_elses_orders_and_vouchers_do_not_exist(shop: Shop, member: Client, other: Client) -> None:
    number, code = await number_of(member, "CHEAP"), await number_of(member, "CODE")
    voucher = await shop.world.one("SELECT id FROM voucher")
    before = await shop.world.footprint()
    token = token_in(await other.get("/items/CHEAP/redeem"))
    for path in (
        f"/redemptions/{number}",
        f"/redemptions/{number}/cancel",
        f"/vouchers/{voucher}",
        f"/vouchers/{voucher}/qr",
        f"/vouchers/{voucher}/pdf",
    ):
        assert (await other.get(path)).status_code == 404, path
    for path in (f"/redemptions/{number}/cancel", f"/redemptions/{code}/codes"):
        answer = await other.post(path, data={"csrf_token": token})
        assert answer.status_code == 404, path
        assert SECRETS[0] not in answer.text
    assert await shop.world.footprint() == before
    assert number not in (await other.get("/orders")).text


async def test_the_code_on_the_screen_renews(shop: Shop, clock: FixedClock, member: Client) -> None:
    await number_of(member, "CHEAP")
    voucher = await shop.world.one("SELECT id FROM voucher")
    first = (await member.get(f"/vouchers/{voucher}/qr")).text
    clock.instant = clock.instant.replace(minute=clock.instant.minute + 1)
    assert (await member.get(f"/vouchers/{voucher}/qr")).text != first
    # After a use the page, with its PIN for the next one, is loaded again.
    kept = [
        (await member.get(f"/vouchers/{voucher}/qr?uses={uses}")).headers.get("hx-refresh") for uses in ("0", "1", "x")
    ]
    assert kept == [None, "true", None]


async def test_a_voucher_that_is_no_longer_usable_shows_no_code(shop: Shop, member: Client) -> None:
    number = await number_of(member, "CHEAP")
    voucher = await shop.world.one("SELECT id FROM voucher")
    question = await member.get(f"/redemptions/{number}/cancel")
    await member.post(f"/redemptions/{number}/cancel", data={"csrf_token": token_in(question)})
    page = (await member.get(f"/vouchers/{voucher}")).text
    assert 'class="qr"' not in page
    assert "This voucher was cancelled" in page
    assert (await member.get(f"/vouchers/{voucher}/qr")).headers["hx-refresh"] == "true"


async def test_the_voucher_on_paper_has_the_picture_of_its_item(
    shop: Shop, member: Client, settings: Settings, clock: FixedClock
) -> None:
    await shop.world.redeem("M1", shop.cheap)
    voucher = await shop.world.one("SELECT id FROM voucher")
    drawn = (await member.get(f"/vouchers/{voucher}/pdf")).content
    content = io.BytesIO()
    Image.effect_noise((900, 600), 60).convert("RGB").save(content, "PNG")
    item = await shop.world.one("SELECT id FROM item WHERE sku = %s", shop.cheap)
    digest = await keep_picture(
        shop.world.connection, open_storage(settings), content.getvalue(), actor="test", now=clock.now()
    )
    await add_picture(shop.world.connection, item, digest, alt_zh="", alt_en="")
    first, second = [(await member.get(f"/vouchers/{voucher}/pdf")).content for _ in range(2)]
    assert first == second
    with Pdf.open(io.BytesIO(first)) as paper, Pdf.open(io.BytesIO(drawn)) as plain:
        sizes = [
            [int(one.Width) for one in pdf.pages[0].get_images().values() if "/Width" in one] for pdf in (paper, plain)
        ]
    assert 800 in sizes[0]
    assert 800 not in sizes[1]
    # A spoilt file is no reason for having no voucher: it has its drawn cover again.
    await open_storage(settings).put(file_name(digest, "m"), b"RIFF nonsense", "image/webp")
    assert (await member.get(f"/vouchers/{voucher}/pdf")).content == drawn


async def test_the_voucher_on_paper_is_a_download(shop: Shop, member: Client) -> None:
    await number_of(member, "CHEAP")
    voucher = await shop.world.one("SELECT id FROM voucher")
    answer = await member.get(f"/vouchers/{voucher}/pdf")
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.content.startswith(b"%PDF")


async def test_checking_in_counts_once_a_day(shop: Shop, clock: FixedClock, member: Client) -> None:
    for _ in range(2):
        page = await member.get("/earn")
        token = re.search(r'X-CSRF-Token": "([^"]+)"', page.text)
        assert token
        answer = await member.post("/earn/check-in", data={"csrf_token": token.group(1)})
        assert answer.headers["location"] == "/earn"
    assert "Done for today" in (await member.get("/earn")).text
    assert (await shop.world.balances("M1"))["points"] == 1_001
