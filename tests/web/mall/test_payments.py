"""Points + cash in the mall: from the sheet to the wallet and back, the deadline, and a webhook that anybody could have sent."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from litestar import Litestar

from liyu.core.clock import FixedClock
from liyu.core.database import Sessions
from liyu.core.settings import Settings
from liyu.web.formats import format_money
from tests.redemption.stripe_peer import KEY, SECRET, StripePeer, listening
from tests.web.conftest import Client, serving
from tests.web.mall.conftest import Shop
from tests.web.mall.test_redeeming import number_of, redeem
from tests.web.personas import token_in
from tests.web.site import install
from tests.worker import Worker

PRICE = 9_900
CASH = format_money(PRICE, "CNY")


@pytest.fixture
def peer() -> Iterator[StripePeer]:
    with listening() as opened:
        yield opened


@pytest.fixture
def paying(settings: Settings, peer: StripePeer) -> Settings:
    return replace(settings, stripe_api_key=KEY, stripe_webhook_secret=SECRET, stripe_api_base=peer.base)


@pytest.fixture
async def app(shop: Shop, paying: Settings, clock: FixedClock) -> AsyncIterator[Litestar]:
    await shop.world.item("SET", points=100, cash_minor=PRICE, stock=3)
    async with serving(install(paying, clock)) as application:
        yield application


@pytest.fixture
def worker(paying: Settings, clock: FixedClock, sessions: Sessions) -> Worker:
    return Worker(paying, clock, sessions)


async def _pay(client: Client, number: str, way: str = "alipay") -> httpx.Response:
    sheet = await client.get(f"/redemptions/{number}/pay")
    return await client.post(f"/redemptions/{number}/pay", data={"csrf_token": token_in(sheet), "way": way})


async def _deliver(client: Client, peer: StripePeer) -> list[int]:
    answers = []
    for event in peer.events:
        body, signature = peer.signed(event)
        answer = await client.post("/api/webhooks/stripe", content=body, headers={"stripe-signature": signature})
        answers.append(answer.status_code)
    return answers


async def test_from_the_sheet_to_the_wallet_and_back(
    shop: Shop, member: Client, peer: StripePeer, worker: Worker
) -> None:
    assert "You can have it now" in (await member.get("/items/SET")).text
    answer = await redeem(member, "SET")
    place = answer.headers["location"]
    assert place.endswith("/pay")
    number = place.split("/")[2]
    page = (await member.get(place)).text
    assert CASH in page
    assert "data-countdown" in page
    order = (await member.get(f"/redemptions/{number}")).text
    assert "It is yours" not in order
    assert f"/redemptions/{number}/pay" in order
    onward = await _pay(member, number)
    assert onward.status_code == 200
    assert f'content="0;url={peer.base}/pay/pi_1"' in onward.text
    assert "form-action 'self'" in onward.headers["content-security-policy"]
    waiting = (await member.get(f"/redemptions/{number}/paid")).text
    assert f"/redemptions/{number}/paid?look=1" in waiting
    peer.pay(intent="pi_1")
    assert await _deliver(member, peer) == [200]
    assert await _deliver(member, peer) == [200]
    await worker.run()
    assert (await member.get(f"/redemptions/{number}/paid")).headers["location"] == f"/redemptions/{number}"
    order = (await member.get(f"/redemptions/{number}")).text
    for words in ("It is yours", "Paid; the order is yours", f"{CASH} received", "Open the voucher"):
        assert words in order
    question = await member.get(f"/redemptions/{number}/cancel")
    assert f"{CASH} goes back the way it was paid" in question.text
    await member.post(f"/redemptions/{number}/cancel", data={"csrf_token": token_in(question)})
    order = (await member.get(f"/redemptions/{number}")).text
    assert f"{CASH} is on its way back to you" in order
    await worker.run()
    assert f"{CASH} went back to you" in (await member.get(f"/redemptions/{number}")).text
    assert peer.refunded("pi_1") == PRICE


async def test_the_return_finds_a_payment_whose_webhook_is_lost(
    shop: Shop, member: Client, peer: StripePeer, worker: Worker
) -> None:
    number = (await redeem(member, "SET")).headers["location"].split("/")[2]
    await _pay(member, number, "card")
    peer.pay(session="cs_1")
    assert (await member.get(f"/redemptions/{number}/paid")).status_code == 200
    await worker.run()
    assert "It is yours" in (await member.get(f"/redemptions/{number}")).text


async def test_a_way_that_does_not_work_is_told_and_nothing_changes(
    shop: Shop, member: Client, other: Client, peer: StripePeer, clock: FixedClock
) -> None:
    number = (await redeem(member, "SET")).headers["location"].split("/")[2]
    before = await shop.world.footprint()
    assert (await _pay(member, number, "cheque")).status_code == 422
    peer.down = True
    answer = await _pay(member, number)
    assert answer.status_code == 503
    assert "does not answer" in answer.text
    assert (await other.get(f"/redemptions/{number}/pay")).status_code == 404
    assert (await other.get(f"/redemptions/{number}/paid")).status_code == 404
    clock.instant += timedelta(minutes=31)
    assert (await member.get(f"/redemptions/{number}/pay")).status_code == 303
    assert "time to pay is over" in (await member.get(f"/redemptions/{number}")).text
    assert await shop.world.footprint() == before


async def test_who_gives_it_up_has_the_points_back(shop: Shop, member: Client) -> None:
    number = (await redeem(member, "SET")).headers["location"].split("/")[2]
    question = await member.get(f"/redemptions/{number}/cancel")
    assert "Nothing has been charged" in question.text
    await member.post(f"/redemptions/{number}/cancel", data={"csrf_token": token_in(question)})
    assert "Given up before paying" in (await member.get(f"/redemptions/{number}")).text
    assert (await shop.world.balances("M1"))["points"] == 1_000
    assert await number_of(member, "CHEAP")


async def test_a_webhook_without_a_good_signature_is_refused(shop: Shop, member: Client, peer: StripePeer) -> None:
    number = (await redeem(member, "SET")).headers["location"].split("/")[2]
    await _pay(member, number)
    peer.pay(intent="pi_1")
    body, _ = peer.signed(peer.events[0])
    for signature in ("", "t=1,v1=00", peer.signed(peer.events[0], secret="whsec_other")[1]):
        answer = await member.post("/api/webhooks/stripe", content=body, headers={"stripe-signature": signature})
        assert answer.status_code == 400
        assert answer.json()["code"] == "bad_signature"
    assert await shop.world.one("SELECT count(*) FROM payment_event") == 0
