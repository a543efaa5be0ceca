"""Giving a voucher by a link: what each of the two sees, and what nobody sees any more."""

import re
from datetime import timedelta

from liyu.core.clock import FixedClock
from liyu.vouchers.nearby import Place, distance
from tests.vouchers.tills import TOKENS
from tests.web.conftest import Client, OpenClient
from tests.web.mall.conftest import Shop
from tests.web.personas import PHONE, token_in

CODE = re.compile(r"[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}")


async def _voucher(shop: Shop) -> int:
    return (await shop.world.redeem("M1", shop.cheap)).voucher_ids[0]


async def _send(client: Client, path: str, **fields: str) -> str:
    answer = await client.post(
        path, data={"csrf_token": token_in(await client.get("/me")), **fields}, follow_redirects=True
    )
    return answer.text


async def test_a_voucher_goes_by_its_link_from_one_wallet_to_the_other(
    shop: Shop, member: Client, other: Client, open_client: OpenClient
) -> None:
    voucher = await _voucher(shop)
    page = (await member.get(f"/vouchers/{voucher}")).text
    (old_code,) = set(CODE.findall(page))
    assert f'href="/vouchers/{voucher}/gift"' in page
    assert "Make the link" in (await member.get(f"/vouchers/{voucher}/gift")).text
    page = await _send(member, f"/vouchers/{voucher}/gift", words="<b>Enjoy</b>")
    assert old_code not in page
    assert "<b>Enjoy" not in page
    link = re.search(r'data-copy="[^"]*(/gift/[^"]+)"', page)
    assert link is not None
    path = link.group(1)
    assert (await member.get(f"/vouchers/{voucher}/qr")).headers["hx-refresh"] == "true"
    assert (await member.get(f"/vouchers/{voucher}/pdf")).status_code == 303
    assert "Gifts" in (await member.get("/wallet?group=gifts")).text

    guest = await open_client().get(path)
    assert guest.headers["x-robots-tag"] == "noindex, nofollow"
    for shown in ("王**", "&lt;b&gt;Enjoy", "Sign in and accept", f"/login?next={path}"):
        assert shown in guest.text
    for secret in (old_code, "王倩", "M1", PHONE, f"/vouchers/{voucher}"):
        assert secret not in guest.text
    assert "This is your own gift" in (await member.get(path)).text
    page = await _send(other, f"{path}/accept")
    assert "It is yours now" in page
    (new_code,) = set(CODE.findall(page))
    assert new_code != old_code
    # The giver's page may still be open: it leads to what became of the gift, and to nothing else of the voucher.
    led = await member.get(f"/vouchers/{voucher}")
    assert led.headers["location"] == f"/gifts/{await shop.world.one('SELECT id FROM voucher_gift')}"
    for part in ("pdf", "qr", "gift"):
        assert (await member.get(f"/vouchers/{voucher}/{part}")).status_code == 404
    order = (await member.get(f"/redemptions/{await shop.world.one('SELECT number FROM redemption')}")).text
    assert "Given away" in order
    assert f"/vouchers/{voucher}" not in order
    assert "was accepted" in (await member.get("/notices")).text
    gifts = (await member.get("/gifts")).text
    assert "Given to 王**" in gifts
    assert "Gift accepted" in (await member.get(f"/gifts/{await shop.world.one('SELECT id FROM voucher_gift')}")).text
    assert "no longer be accepted" in (await open_client().get(path)).text
    # Its giver and its receiver, who may open the link once more, read what became of it.
    assert "What became of it" in (await member.get(path)).text
    theirs = (await other.get(path)).text
    assert "Gift accepted" in theirs
    assert "No longer open" not in theirs
    assert (await open_client().get("/gift/unknown")).status_code == 404
    for lists in ("/gifts", "/notices"):
        assert (await member.get(f"{lists}?before={'9' * 30}")).status_code == 200
    assert "no longer be accepted" in await _send(member, f"{path}/accept")


async def test_what_is_taken_back_is_ones_own_again_and_refusals_say_why(
    shop: Shop, member: Client, other: Client
) -> None:
    voucher = await _voucher(shop)
    await _send(member, f"/vouchers/{voucher}/gift")
    again = await _send(member, f"/vouchers/{voucher}/gift")
    assert "It is waiting as a gift already" in again
    assert "/gift/" in again[again.index("data-copy") :]
    assert await shop.world.one("SELECT count(*) FROM voucher_gift") == 1
    assert (await other.get(f"/vouchers/{voucher}/gift")).status_code == 404
    assert "Taken back" in await _send(member, f"/vouchers/{voucher}/gift/take-back")
    assert "not on its way any more" in await _send(member, f"/vouchers/{voucher}/gift/take-back")
    await shop.world.connection.execute("UPDATE item SET giftable = false")
    page = (await member.get(f"/vouchers/{voucher}")).text
    assert f'href="/vouchers/{voucher}/gift"' not in page
    assert "stay with whoever redeemed them" in (await member.get(f"/vouchers/{voucher}/gift")).text
    await shop.world.connection.execute("UPDATE voucher SET frozen_at = now()")
    page = (await member.get(f"/vouchers/{voucher}")).text
    assert "This voucher is frozen" in page
    assert not CODE.search(page)
    assert await shop.world.one("SELECT count(*) FROM voucher_gift") == 1


async def test_a_voucher_says_what_cancelling_gives_back_only_while_it_would(
    shop: Shop, member: Client, clock: FixedClock
) -> None:
    connection, back = shop.world.connection, "If you cancel"
    first, second = (await shop.world.redeem("M1", shop.cheap, 2)).voucher_ids
    page = f"/vouchers/{first}"
    assert "Points go back into their own lots" in (await member.get(page)).text
    await connection.execute("UPDATE voucher SET state = 'cancelled' WHERE id = %s", (second,))
    for gone in (page, f"/vouchers/{second}"):
        assert back not in (await member.get(gone)).text
    await connection.execute("UPDATE voucher SET state = 'issued'")
    assert back in (await member.get(page)).text
    await connection.execute("UPDATE item SET cancel_hours = 1")
    clock.instant += timedelta(hours=1)
    assert back not in (await member.get(page)).text
    await connection.execute("UPDATE item SET cancel_hours = NULL")
    await connection.execute("UPDATE redemption SET points = 0")
    free = (await member.get(page)).text
    assert "It cost nothing" in free
    assert "Points go back" not in free


async def test_a_wallet_shows_what_no_till_would_take_as_frozen_and_what_was_used_with_day_and_place(
    shop: Shop, member: Client, clock: FixedClock
) -> None:
    voucher, connection = await _voucher(shop), shop.world.connection
    page = f"/vouchers/{voucher}"
    await connection.execute("UPDATE member SET state = 'frozen' WHERE external_id = 'M1'")
    assert "This voucher is frozen" in (await member.get(page)).text
    assert (await member.get(f"{page}/pdf")).status_code == 303
    assert "Frozen" in (await member.get("/wallet")).text
    await connection.execute("UPDATE member SET state = 'active'")
    # Its time to be accepted is over, and the job has not noted it yet.
    await _send(member, f"{page}/gift")
    clock.instant += timedelta(days=8)
    late = (await member.get(page)).text
    assert "Nobody accepted it in time" in late
    assert "/gift/" not in late.replace(f"{page}/gift/take-back", "")
    assert "Taken back" in await _send(member, f"{page}/gift/take-back")
    await connection.execute(
        "WITH p AS (INSERT INTO partner (code, name_zh, name_en, category, state, created_at) "
        "VALUES ('P', '咖啡', 'Coffee', 'coffee', 'active', now()) RETURNING id), s AS ("
        "INSERT INTO store (partner_id, code, name_zh, name_en, city_zh, city_en, address_zh, address_en, opening_hours, active) "
        "SELECT id, 'A', '一店', 'Store A', '', '', '', '', '', true FROM p RETURNING id) "
        "INSERT INTO verification (voucher_id, partner_id, store_id, verifier, nonce, use_number, verified_at) "
        "SELECT v.id, p.id, s.id, 'staff:1', 'n', 1, %s FROM voucher v, p, s",
        (clock.now(),),
    )
    await connection.execute("UPDATE voucher SET state = 'used_up', uses = 1")
    for shown in (page, "/wallet?group=used"):
        assert "Store A" in (await member.get(shown)).text, shown


async def test_the_nearest_store_stands_first(shop: Shop, member: Client, clock: FixedClock) -> None:
    voucher = await _voucher(shop)
    await shop.world.connection.execute("UPDATE voucher SET expires_at = %s", (clock.now() + timedelta(days=3),))
    assert "Ends soon" in (await member.get("/wallet?group=soon")).text
    partner = await shop.world.one(
        "INSERT INTO partner (code, name_zh, name_en, category, state, created_at) "
        "VALUES ('P', '咖啡', 'Coffee', 'coffee', 'active', now()) RETURNING id"
    )
    for code, city, place in (
        ("A", "上海", (31.23, 121.47)),
        ("B", "上海", (31.24, 121.50)),
        ("C", "北京", (None, None)),
    ):
        await shop.world.connection.execute(
            "INSERT INTO store (partner_id, code, name_zh, name_en, city_zh, city_en, address_zh, address_en, opening_hours, "
            "active, latitude, longitude) VALUES (%s, %s, %s, %s, %s, %s, '路', 'Road', '', true, %s, %s)",
            (partner, code, code, f"Store {code}", city, city, *place),
        )
    await shop.world.connection.execute("UPDATE item SET partner_id = %s", (partner,))
    page = (await member.get(f"/vouchers/{voucher}")).text
    assert "geo:31.23,121.47" in page
    assert 'data-near="Your place is not known' in page
    near = await _send(member, f"/vouchers/{voucher}/stores", latitude="31.240", longitude="121.499")
    assert near.index("Store B") < near.index("Store A") < near.index("Store C")
    assert "90 m" in near
    here = {"latitude": "31.240", "longitude": "121.499"}
    assert (await member.get("/wallet")).headers["permissions-policy"].count("geolocation=(self)") == 1
    assert "geolocation=()" in (await member.get("/")).headers["permissions-policy"]
    token = token_in(await member.get("/me"))
    hx = {"HX-Request": "true", "X-CSRF-Token": token}
    wallet = (await member.post("/wallet/near", data=here | {"group": "usable"}, headers=hx)).text
    assert re.search(r">90 m</b><span>Store B<", wallet)
    assert f'href="/vouchers/{voucher}"' in wallet
    for wrong in ({"group": "used"}, {"latitude": "91"}, {"longitude": ""}):
        answer = await member.post("/wallet/near", data=here | {"group": "soon"} | wrong, headers=hx)
        assert answer.headers["hx-redirect"] == "/wallet"
    await shop.world.connection.execute("UPDATE member SET city = '北京' WHERE external_id = 'M1'")
    page = (await member.get(f"/vouchers/{voucher}")).text
    assert page.index("Store C") < page.index("Store A")
    # Shanghai to Beijing, as atlases have it: 1,067 km.
    assert abs(distance(Place(31.2304, 121.4737), Place(39.9042, 116.4074)) / 1000 - 1067) < 3


async def test_a_holder_confirms_what_is_on_paper_at_the_counter(shop: Shop, member: Client, other: Client) -> None:
    voucher = await _voucher(shop)
    assert "I use it now" not in (await member.get(f"/vouchers/{voucher}")).text
    await shop.world.connection.execute(
        "INSERT INTO till_rule (item_id, paper_confirmed) SELECT item_id, true FROM voucher WHERE id = %s", (voucher,)
    )
    page, pin = (await member.get(f"/vouchers/{voucher}")).text, TOKENS.pins.pin_of(voucher, 0)
    assert "I use it now" in page
    assert f"{pin[:3]} {pin[3:]}" in page
    assert pin[:3] not in (await member.get("/wallet")).text.replace(f"/vouchers/{voucher}", "")
    await _send(other, f"/vouchers/{voucher}/confirm")
    assert await shop.world.one("SELECT paper_until FROM voucher WHERE id = %s", voucher) is None
    confirmed = await _send(member, f"/vouchers/{voucher}/confirm")
    assert "Confirmed until" in confirmed
    assert "I use it now" not in confirmed
