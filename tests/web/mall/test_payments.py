"""Points + cash in the mall: from the sheet to the wallet and back, the deadline, and a webhook that anybody could have sent."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import uvicorn
from litestar import Litestar

from liyu.core.clock import FixedClock
from liyu.core.database import Sessions, unit_of_work
from liyu.core.settings import Settings
from liyu.web.formats import format_money
from tests.redemption.stripe_peer import KEY, SECRET, StripePeer, listening
from tests.web.conftest import BASE_URL, Client, OpenClient, serving
from tests.web.mall.conftest import Shop
from tests.web.mall.test_redeeming import number_of, redeem
from tests.web.personas import add_staff, sign_in_member, sign_in_staff, token_in
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
    waiting = await member.get(f"/redemptions/{number}/paid")
    assert waiting.headers["refresh"] == f"3;url=/redemptions/{number}/paid?look=1"
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


@pytest.fixture
def localstripe(free_port: int, tmp_path: Path) -> Iterator[str]:
    """localstripe as a process of its own; its key begins as Stripe's test keys do."""
    process = subprocess.Popen(
        [sys.executable, "-m", "localstripe", "--from-scratch", "--port", str(free_port)],
        env={"TMPDIR": str(tmp_path), "PATH": os.environ["PATH"]},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    base = f"http://127.0.0.1:{free_port}"
    try:
        for _ in range(300):
            with contextlib.suppress(httpx.TransportError):
                httpx.get(base)
                break
            time.sleep(0.1)
        yield base
    finally:
        process.terminate()
        process.wait()


@asynccontextmanager
async def _listening(app: Litestar) -> AsyncIterator[str]:
    """The application on a port of its own, for webhooks that come from another process."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, ws="none"))
        running = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running


async def test_localstripe_takes_the_money_tells_of_it_and_gives_it_back(
    shop: Shop, settings: Settings, clock: FixedClock, sessions: Sessions, localstripe: str
) -> None:
    await shop.world.item("SET", points=100, cash_minor=PRICE)
    paying = replace(settings, stripe_api_key="sk_test_1", stripe_webhook_secret=SECRET, stripe_api_base=localstripe)
    worker = Worker(paying, clock, sessions)
    async with (
        serving(install(paying, clock)) as app,
        _listening(app) as site,
        Client(base_url=localstripe, auth=("sk_test_1", "")) as stripe,
        Client(transport=httpx.ASGITransport(app=app), base_url=BASE_URL, headers={"accept-language": "en"}) as member,  # type: ignore[arg-type]
    ):
        target = {"url": f"{site}/api/webhooks/stripe", "secret": SECRET}
        (await stripe.post("/_config/webhooks/liyu", json=target)).raise_for_status()
        await sign_in_member(member, sessions)
        number = (await redeem(member, "SET")).headers["location"].split("/")[2]
        # It knows no wallets: the PaymentIntent is made, and paid by card as Stripe's own page would do.
        assert "Please choose another one" in (await _pay(member, number)).text
        intent = await shop.world.one("SELECT intent_id FROM payment_hold")
        card = {
            "type": "card",
            "card[number]": "4242424242424242",
            "card[exp_month]": "12",
            "card[exp_year]": "2040",
            "card[cvc]": "123",
        }
        method = (await stripe.post("/v1/payment_methods", data=card)).json()["id"]
        (await stripe.post(f"/v1/payment_intents/{intent}", data={"payment_method": method})).raise_for_status()
        (await stripe.post(f"/v1/payment_intents/{intent}/confirm")).raise_for_status()
        for _ in range(200):
            if await shop.world.one("SELECT count(*) FROM payment_event"):
                break
            await asyncio.sleep(0.1)
        await worker.run()
        question = await member.get(f"/redemptions/{number}/cancel")
        assert await shop.world.one("SELECT outcome FROM payment_hold") == "captured"
        await member.post(f"/redemptions/{number}/cancel", data={"csrf_token": token_in(question)})
        await worker.run()
        refunds = (await stripe.get("/v1/refunds", params={"payment_intent": intent})).json()["data"]
        assert [one["amount"] for one in refunds] == [PRICE]
        assert await shop.world.one("SELECT state FROM payment_refund") == "made"


async def test_an_operator_gives_a_part_back_and_never_more_than_is_left(
    shop: Shop, member: Client, open_client: OpenClient, sessions: Sessions, peer: StripePeer, worker: Worker
) -> None:
    async with unit_of_work(sessions) as session:
        await add_staff(session, "admin@liyu.example", "operator", "admin")
    number = (await redeem(member, "SET")).headers["location"].split("/")[2]
    await _pay(member, number)
    peer.pay(intent="pi_1")
    await _deliver(member, peer)
    await worker.run()
    operator = open_client()
    await sign_in_staff(operator, "admin@liyu.example", "operator")
    place = f"/console/redemptions/{number}"

    async def refund(amount: str) -> httpx.Response:
        page = await operator.get(place)
        assert "Refund a part" in page.text
        wanted = {"csrf_token": token_in(page), "amount": amount, "why_refunded": "scratched"}
        return await operator.post(f"{place}/refund", data=wanted)

    assert (await refund("much")).status_code == 422
    assert (await refund("99.01")).status_code == 409
    assert peer.refunds == []
    assert (await refund("33")).status_code == 303
    await worker.run()
    assert peer.refunded("pi_1") == 3_300
    assert (await shop.world.balances("M1"))["points"] == 933
    assert "33 points with it" in (await member.get(f"/redemptions/{number}")).text
    assert "Part of a redemption refunded" in (await member.get("/points")).text
