"""A printed voucher goes into the wallet by its code: once, with the reason when it does not, and guessing ends."""

from datetime import timedelta

from liyu.core.clock import FixedClock, local_date
from liyu.core.settings import Settings
from liyu.vouchers.runs.service import decide_range, make_run
from liyu.vouchers.serials import serial_of
from liyu.vouchers.tokens import Tokens
from tests.web.conftest import Client
from tests.web.console.acts import texts_of
from tests.web.mall.conftest import Shop
from tests.web.personas import token_in
from tests.world import ZONE

PAGE = "/wallet/add"


async def test_a_printed_voucher_is_claimed_once_and_guessing_ends(
    shop: Shop, member: Client, other: Client, settings: Settings, clock: FixedClock
) -> None:
    world, now, tokens = shop.world, clock.now(), Tokens(settings.secret_key)
    sku = await world.item("paper-1")
    async with world.connection.transaction():
        run = await make_run(
            world.connection, sku, name="Fair", total=3, last_day=local_date(now, ZONE) + timedelta(days=9), actor="staff:1",
            now=now, zone=ZONE,
        )  # fmt: skip
        await decide_range(
            world.connection, run, "activated", first=1, last=2, reason="", actor="staff:1", now=now, zone=ZONE
        )
    found = await world.connection.execute("SELECT id FROM voucher WHERE run_id = %s ORDER BY run_number", (run,))
    codes = [tokens.codes.code_of(serial_of(row[0])) for row in await found.fetchall()]
    csrf = {client: token_in(await client.get(PAGE)) for client in (member, other)}

    async def claim(client: Client, code: str) -> tuple[int, str]:
        answer = await client.post(PAGE, data={"csrf_token": csrf[client], "code": code})
        return answer.status_code, answer.headers.get("location") or texts_of(answer)

    # Looking does nothing, and the camera waits for a tap.
    assert "data-scan-start" in (await member.get(f"{PAGE}?code={codes[0]}")).text
    assert await world.one("SELECT count(holder_id) FROM voucher") == 0
    status, address = await claim(member, codes[0].lower())
    assert status == 303
    shown = texts_of(await member.get(address))
    assert "In your wallet. Its paper is void now." in shown
    assert "a printed voucher" in shown
    assert codes[0] not in shown
    for path in ("/wallet", "/wallet/code", "/wallet/combine", f"{address}/gift", f"{address}/qr"):
        assert (await member.get(path)).status_code == 200, path
    assert await claim(member, codes[0]) == (303, address)
    assert (await other.get(address)).status_code == 404
    for code, status, words in (
        (codes[0], 409, "in somebody’s wallet already"), (codes[2], 409, "not been activated yet"), ("", 422, "is needed"),
    ):  # fmt: skip
        refused = await claim(other, code)
        assert refused[0] == status
        assert words in refused[1]
    # What is no voucher's sounds the same, however it is wrong, and too many are too many, also for a right one.
    wrong = (codes[1][:-1] + "*", codes[1][:-1] + "Z", "7K3M", tokens.codes.code_of(77_777), *(["ABCD-EFGH-JKMN"] * 6))
    answers = {await claim(other, code) for code in wrong}
    assert [status for status, _ in answers] == [404]
    assert (await claim(other, codes[1]))[0] == 429
    assert await world.one("SELECT count(holder_id) FROM voucher") == 1
    assert (await claim(member, codes[1]))[0] == 303
