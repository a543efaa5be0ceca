"""Conflicts of tills without a network: finance sees who bears them and decides otherwise, with a reason."""

from tests.vouchers.test_offline import open_counter
from tests.web.console.conftest import SignIn
from tests.web.personas import token_in
from tests.world import NOW, World


async def test_finance_decides_who_bears_a_conflict(world: World, sign_in: SignIn) -> None:
    counter = await open_counter(world)
    voucher = await counter.shops.voucher()
    lease = await counter.lease(NOW)
    await counter.shops.verify(voucher, store="SH2", now=NOW)
    assert (await counter.tell(voucher, lease.id)).bearer == "partner"
    owed = await counter.owed()
    use = await world.one("SELECT id FROM offline_use")
    client, address = await sign_in("finance"), f"/console/offline-conflicts/{use}"
    assert "Already used" in (await client.get("/console/offline-conflicts")).text
    page = await client.get(address)
    assert "Let the program pay" in page.text
    form = {"csrf_token": token_in(page)}
    assert (await client.post(f"{address}/decide?bearer=operator", data=form)).status_code == 422
    assert await counter.owed() == owed
    decided = await client.post(f"{address}/decide?bearer=operator", data=form | {"reason": "goodwill"})
    assert decided.status_code == 303
    assert await counter.owed() == 2 * owed
    again = await client.post(f"{address}/decide?bearer=operator", data=form | {"reason": "goodwill"})
    assert again.status_code == 409
    assert await counter.owed() == 2 * owed
    assert "goodwill" in (await client.get(address)).text
    assert (await client.get("/console/offline-conflicts/999")).status_code == 404
    assert (await (await sign_in("service")).get(address)).status_code == 403
