"""Top-ups: credited once whatever happens on the way, given back only when it is certain that nothing was credited."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from liyu.core import outgoing
from liyu.core.errors import InvalidInputError
from liyu.core.outgoing import UnreachedError, is_public, post, read_secret
from liyu.core.settings import Settings
from liyu.redemption.cancel import cancel_redemption
from liyu.redemption.errors import NotCancellableError
from liyu.redemption.topup import deliver
from liyu.redemption.topup.deliver import PAUSES, carry_out_due, settle_top_up
from liyu.redemption.topup.endpoints import EndpointDraft, list_endpoints, renew_secret, save_endpoint
from tests.redemption.topup_peer import TopUpPeer, listening
from tests.world import ZONE, World, open_world


@dataclass(slots=True)
class Counter:
    """What a test of top-ups does, in its words."""

    world: World
    peer: TopUpPeer
    settings: Settings

    async def order(self) -> str:
        return (await self.world.redeem("m", "airtime")).number

    async def run(self) -> int:
        self.peer.now = self.world.clock.now().timestamp()
        return await carry_out_due(
            self.world.connection,
            secret_key=self.settings.secret_key,
            allow_private=True,
            now=self.world.clock.now(),
            zone=ZONE,
        )

    async def run_to_the_end(self) -> int:
        done = 0
        for pause in (timedelta(), *PAUSES, timedelta(days=3)):
            self.world.clock.instant += pause
            done += await self.run()
        return done

    async def states(self, number: str) -> tuple[Any, Any]:
        query = "SELECT {} FROM redemption r JOIN top_up t ON t.redemption_id = r.id WHERE r.number = %s"
        return await self.world.one(query.format("t.state"), number), await self.world.one(
            query.format("r.state"), number
        )

    async def points(self) -> int:
        return (await self.world.balances("m"))["points"]

    async def endpoint(self, url: str, endpoint_id: int | None = None) -> int:
        found, secret = await save_endpoint(
            self.world.connection, EndpointDraft("Telecom", url, ["airtime"]), endpoint_id=endpoint_id,
            secret_key=self.settings.secret_key, allow_private=True, now=self.world.clock.now(),
        )  # fmt: skip
        if secret:
            self.peer.secret = secret
        return found


@pytest.fixture
def peer() -> Iterator[TopUpPeer]:
    with listening() as opened:
        yield opened


@pytest.fixture
async def counter(database_url: str, settings: Settings, peer: TopUpPeer) -> AsyncIterator[Counter]:
    async with open_world(database_url) as world:
        await world.member("m", points=1_000)
        await world.connection.execute("UPDATE member SET phone = '+8613800138000'")
        await world.item("airtime", kind="top_up", points=100)
        made = Counter(world, peer, settings)
        await made.endpoint(peer.url)
        yield made


async def test_an_order_is_credited_at_once_and_completed(counter: Counter) -> None:
    number = await counter.order()
    assert (
        await counter.world.one("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'liyu:deliver_top_ups'") == 1
    )
    assert await counter.run() == 1
    assert await counter.run() == 0
    assert await counter.states(number) == ("delivered", "completed")
    assert counter.peer.credited == {
        f"topup_{number}": {"number": number, "member": "m", "phone": "+8613800138000", "sku": "airtime", "quantity": 1}
    }
    assert await counter.world.one("SELECT count(*) FROM member_notice WHERE topic = 'order_topped_up'") == 1


@pytest.mark.parametrize("plan", ["deliver_then_hang_up", "deliver_late", "pend", "busy"])
async def test_what_may_have_been_credited_is_unknown_and_asked_again_with_the_same_id(
    counter: Counter, plan: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing.post, "__kwdefaults__", {"allow_private": False, "timeout": 0.5})
    counter.peer.plans = [plan]
    number = await counter.order()
    await counter.run()
    assert await counter.states(number) == ("unknown", "confirmed")
    with pytest.raises(NotCancellableError):
        await _cancel(counter, number)
    assert await counter.run() == 0, "not before its time"
    # What a member changes meanwhile does not change what is asked for.
    await counter.world.connection.execute("UPDATE member SET phone = '+8613900139000'")
    counter.world.clock.instant += PAUSES[0]
    await counter.run()
    assert await counter.states(number) == ("delivered", "completed")
    assert len(counter.peer.credited) == 1
    assert await counter.points() == 900


async def test_a_refusal_gives_the_points_back_at_once(counter: Counter) -> None:
    lots = await counter.world.lots("m")
    counter.peer.plans = ["busy", "refuse"]
    number = await counter.order()
    await counter.run_to_the_end()
    assert await counter.states(number) == ("given_up", "cancelled")
    assert await counter.world.lots("m") == lots
    assert await counter.world.one("SELECT detail FROM top_up_attempt WHERE result = 'refused'") == "no such number"
    assert await counter.world.one("SELECT count(*) FROM member_notice WHERE topic = 'order_given_back'") == 1


async def test_what_was_never_heard_is_given_up_and_what_is_unknown_is_left_to_people(counter: Counter) -> None:
    endpoint = (await list_endpoints(counter.world.connection))[0].id
    await counter.endpoint("http://127.0.0.1:1/nobody", endpoint)
    unheard = await counter.order()
    assert await counter.run_to_the_end() == len(PAUSES) + 1
    assert await counter.states(unheard) == ("given_up", "cancelled")
    await counter.endpoint(counter.peer.url, endpoint)
    counter.peer.plans = ["busy"] * 8
    unknown = await counter.order()
    assert await counter.run_to_the_end() == 8
    assert await counter.states(unknown) == ("unknown", "confirmed")
    assert await counter.points() == 900
    order = await counter.world.one("SELECT id FROM redemption WHERE number = %s", unknown)
    for delivered in (False, True):  # The second word changes nothing.
        async with counter.world.connection.transaction():
            await settle_top_up(
                counter.world.connection, unknown, order, delivered=delivered, actor="staff:1", reason="asked the telecom",
                now=counter.world.clock.now(), zone=ZONE,
            )  # fmt: skip
    assert await counter.states(unknown) == ("given_up", "cancelled")
    assert await counter.points() == 1_000


async def test_a_worker_that_dies_with_the_answer_leaves_it_unknown(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(*given: Any) -> None:
        raise SystemExit

    number = await counter.order()
    with monkeypatch.context() as patched:
        patched.setattr(deliver, "_note_outcome", die)
        with pytest.raises(SystemExit):
            await counter.run()
    assert await counter.states(number) == ("unknown", "confirmed")
    counter.peer.plans = ["busy"] * 7
    await counter.endpoint("http://127.0.0.1:1/nobody", (await list_endpoints(counter.world.connection))[0].id)
    counter.world.clock.instant += timedelta(minutes=5)
    await counter.run_to_the_end()
    assert await counter.states(number) == ("unknown", "confirmed"), (
        "later failures do not make the first attempt certain"
    )


async def test_without_a_system_it_is_left_to_people_and_can_be_cancelled(counter: Counter) -> None:
    await counter.world.item("data", kind="top_up", points=50)
    number = (await counter.world.redeem("m", "data")).number
    await counter.run()
    assert await counter.states(number) == ("waiting", "confirmed")
    assert await counter.world.one("SELECT next_at FROM top_up") is None
    assert await _cancel(counter, number) == 50
    assert await counter.states(number) == ("given_up", "cancelled")


async def test_a_new_secret_signs_from_now_on(counter: Counter) -> None:
    endpoint = (await list_endpoints(counter.world.connection))[0].id
    await renew_secret(
        counter.world.connection, endpoint, secret_key=counter.settings.secret_key, now=counter.world.clock.now()
    )
    number = await counter.order()
    await counter.run()
    assert await counter.states(number) == ("waiting", "confirmed"), (
        "the other side does not know the secret: nothing happened"
    )
    with pytest.raises(InvalidInputError) as refusal:
        await save_endpoint(
            counter.world.connection, EndpointDraft("Other", "http://x.example", ["nothing"]), endpoint_id=None,
            secret_key=counter.settings.secret_key, allow_private=False, now=counter.world.clock.now(),
        )  # fmt: skip
    assert {one.details["field"] for one in refusal.value.reasons} == {"url", "skus"}


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "::1", "fe80::1", "fd00::1",
     "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "224.0.0.1"],
)  # fmt: skip
def test_no_address_of_our_own_network_is_public(address: str) -> None:
    assert not is_public(address)
    assert is_public("8.8.8.8")
    assert is_public("2606:4700::1111")


@pytest.mark.parametrize(
    "url",
    ["https://localhost/x", "https://127.0.0.1/x", "http://8.8.8.8/", "https://a:b@8.8.8.8/", "ftp://8.8.8.8/", "x"],
)
async def test_messages_do_not_go_into_our_own_network(url: str, counter: Counter) -> None:
    with pytest.raises(UnreachedError):
        await post(url.replace("/x", f":{counter.peer.server.server_address[1]}/x"), b"{}", {})
    assert counter.peer.bodies == {}


def test_a_secret_is_base64_behind_its_prefix() -> None:
    assert read_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    for wrong in ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_x", "whsec_MTIz"):
        with pytest.raises(ValueError, match="not"):
            read_secret(wrong)


async def _cancel(counter: Counter, number: str) -> int:
    async with counter.world.connection.transaction():
        return await cancel_redemption(
            counter.world.connection, number, member_id=None, reason="member_asked", actor="staff:1",
            now=counter.world.clock.now(), zone=ZONE,
        )  # fmt: skip
