"""What a member sees and does once an order is granted: parcels, receipt, cancel rules, after-sale with photos."""

import io
from datetime import timedelta

from PIL import Image

from liyu.core.clock import FixedClock
from liyu.redemption.shipping.parcels import Waybill, send_parcel
from tests.web.conftest import Client
from tests.web.mall.conftest import Shop
from tests.web.personas import token_in


async def _order(shop: Shop, sku: str = "CUP", quantity: int = 2) -> str:
    return (await shop.world.redeem("M1", sku, quantity)).number


async def _send(shop: Shop, number: str, waybill: Waybill) -> None:
    async with shop.world.connection.transaction():
        await send_parcel(
            shop.world.connection, number, waybill, partner_id=None, actor="staff:1", now=shop.world.clock.now()
        )


async def _post(client: Client, page: str, action: str, **fields: str) -> int:
    token = token_in(await client.get(page))
    return (await client.post(action, data={"csrf_token": token, **fields})).status_code


async def test_parcels_are_followed_and_received(shop: Shop, member: Client, other: Client) -> None:
    number = await _order(shop)
    here = f"/redemptions/{number}"
    await _send(shop, number, Waybill("SF", "SF1234567890123", 1))
    seen = (await member.get(here)).text
    for words in (
        "SF Express",
        "SF1234567890123",
        "kuaidi100.com/chaxun?com=shunfeng",
        "1 more follow",
        "I have received it",
    ):
        assert words in seen
    assert "Cancel this order" not in seen
    assert await _post(other, "/items/CHEAP/redeem", f"{here}/received") == 404
    assert await _post(member, here, f"{here}/received") == 303
    await _send(shop, number, Waybill("ZTO", "75312345678901"))
    assert await _post(member, here, f"{here}/received") == 303
    assert await _post(member, "/items/CHEAP/redeem", f"{here}/received") == 303
    assert await shop.world.one("SELECT state FROM redemption") == "completed"
    assert "is on its way to you" in (await member.get("/notices")).text


async def test_the_rule_of_the_item_says_until_when_it_may_be_cancelled(
    shop: Shop, member: Client, clock: FixedClock
) -> None:
    await shop.world.connection.execute("UPDATE item SET cancel_hours = 2 WHERE sku = 'CUP'")
    number = await _order(shop)
    here = f"/redemptions/{number}"
    assert "Cancel this order" in (await member.get(here)).text
    asked = await member.get(f"{here}/cancel")
    assert "It takes too long" in asked.text
    clock.instant += timedelta(hours=2)
    assert "Cancel this order" not in (await member.get(here)).text
    assert await _post(member, "/items/CHEAP/redeem", f"{here}/cancel", reason="wrong_choice") == 409
    await shop.world.connection.execute("UPDATE item SET cancel_hours = NULL WHERE sku = 'CUP'")
    assert await _post(member, f"{here}/cancel", f"{here}/cancel", reason="wrong_choice") == 303
    assert await shop.world.one("SELECT reason FROM redemption_transition ORDER BY id DESC LIMIT 1") == "wrong_choice"


async def test_a_return_is_asked_for_with_photos_that_only_its_people_see(
    shop: Shop, member: Client, other: Client
) -> None:
    number, buffer = await _order(shop), io.BytesIO()
    form = f"/redemptions/{number}/after-sale"
    assert (await member.get(form)).status_code == 303
    await _send(shop, number, Waybill("SF", "SF1234567890123"))
    assert await _post(member, f"/redemptions/{number}", f"/redemptions/{number}/received") == 303
    opened = await member.get(form)
    Image.new("RGB", (900, 600), "red").save(buffer, "JPEG")
    wish = {"csrf_token": token_in(opened), "kind": "return", "reason": "damaged", "quantity": "1", "words": "A crack"}
    faulty = await member.post(form, data={**wish, "quantity": "9"}, files={"photos": ("x.jpg", b"<svg/>")})
    assert faulty.status_code == 422
    assert "not a picture" in faulty.text
    assert await shop.world.one("SELECT count(*) FROM after_sale") == 0
    sent = await member.post(form, data=wish, files={"photos": ("x.jpg", buffer.getvalue(), "image/jpeg")})
    assert sent.status_code == 303, sent.text
    here = sent.headers["location"]
    seen = await member.get(here)
    assert "A crack" in seen.text
    assert "Being looked at" in seen.text
    photo = await member.get(f"{here}/photos/1")
    assert (photo.headers["content-type"], photo.content[8:12]) == ("image/webp", b"WEBP")
    for page in (here, f"{here}/photos/1"):
        assert (await other.get(page)).status_code == 404
    assert (await member.get(f"{here}/photos/2")).status_code == 404
    assert "Being looked at" in (await member.get(f"/redemptions/{number}")).text
    assert await _post(member, here, f"{here}/send-back", carrier="SF", tracking_number="SF1234567890124") == 409
    assert await _post(member, here, f"{here}/withdraw") == 303
    assert await shop.world.one("SELECT state FROM after_sale") == "withdrawn"
