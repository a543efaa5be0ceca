"""After-sale: what may be asked for, who decides, and that points and cash go back exactly, each unit once."""

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from psycopg import AsyncConnection

from liyu.core.errors import DomainError, InvalidInputError, NotFoundError
from liyu.core.storage import FolderStorage
from liyu.redemption.aftersale.errors import NotOfferedError, RequestMovedError, RequestOpenError
from liyu.redemption.aftersale.offer import OrderFacts, find_offer, share
from liyu.redemption.aftersale.photos import add_photos, delete_erased_photos, keep_photos
from liyu.redemption.aftersale.queries import OPERATOR, Asker, count_waiting, list_photos, list_requests, load_request
from liyu.redemption.aftersale.service import (
    Wish,
    approve,
    decline,
    exchange,
    lapse_due,
    open_request,
    send_back,
    withdraw,
)
from liyu.redemption.cancel import cancel_redemption
from liyu.redemption.shipping.parcels import Waybill, receive_parcels, send_parcel
from tests.redemption.conftest import Till
from tests.world import NOW, ZONE, World, open_world

SF = Waybill("SF", "SF1234567890123")
RETURN = Wish("return", "damaged", "It came broken", 1)


@dataclass(slots=True)
class Counter:
    """What a test of after-sale does, in its words."""

    world: World

    async def deliver(self, number: str) -> None:
        world = self.world
        async with world.connection.transaction():
            await send_parcel(world.connection, number, SF, partner_id=None, actor="staff:1", now=world.clock.now())
            order = await world.one("SELECT id FROM redemption WHERE number = %s", number)
            await receive_parcels(world.connection, order, actor="member:1", now=world.clock.now())

    async def delivered(self, quantity: int = 1, sku: str = "mug") -> str:
        number = (await self.world.redeem("m", sku, quantity)).number
        await self.deliver(number)
        return number

    async def ask(self, number: str, wish: Wish = RETURN, *, member_id: int | None = None) -> str:
        member = member_id or await self.world.one("SELECT id FROM member WHERE external_id = 'm'")
        async with self.world.connection.transaction():
            return await open_request(
                self.world.connection,
                member,
                number,
                wish,
                [],
                actor=f"member:{member}",
                now=self.world.clock.now(),
                zone=ZONE,
            )

    async def say(self, act: Any, number: str, *further: Any, who: Any = OPERATOR, **words: Any) -> Any:
        words = words or ({} if act in (withdraw, send_back) else {"words": "fine"})
        async with self.world.connection.transaction():
            return await act(
                self.world.connection,
                who,
                number,
                *further,
                **words,
                actor="staff:1",
                now=self.world.clock.now(),
                zone=ZONE,
            )

    async def give_back(self, number: str, quantity: int) -> int:
        """The whole way of a return; the points."""
        request = await self.ask(number, Wish("return", "damaged", "", quantity))
        await self.say(approve, request)
        await self.say(
            send_back, request, SF, who=await self.world.one("SELECT id FROM member WHERE external_id = 'm'")
        )
        return int((await self.say(approve, request)).points)

    async def states(self, number: str) -> list[str]:
        found = await self.world.connection.execute(
            "SELECT t.to_state FROM after_sale_transition t JOIN after_sale a ON a.id = t.after_sale_id WHERE a.number = %s "
            "ORDER BY t.id",
            (number,),
        )
        return [row[0] for row in await found.fetchall()]


@pytest.fixture
async def counter(database_url: str) -> AsyncIterator[Counter]:
    async with open_world(database_url) as world:
        await world.member("m", points=1_000)
        await world.item("mug", kind="goods", points=33, stock=50)
        yield Counter(world)


async def test_a_return_gives_the_points_of_its_units_back_and_the_last_one_all_that_is_left(counter: Counter) -> None:
    number, lots = await counter.delivered(3), await counter.world.lots("m")
    await counter.world.connection.execute("UPDATE redemption SET points = points - 0")
    assert await counter.give_back(number, 1) == 33
    assert await counter.world.one("SELECT state FROM redemption") == "completed"
    assert await counter.world.one("SELECT taken FROM item_stock") == 3
    assert await counter.give_back(number, 2) == 66
    assert await counter.world.one("SELECT state FROM redemption") == "refunded"
    assert await counter.world.one("SELECT taken FROM item_stock") == 0
    assert await counter.world.lots("m") == {day: rest + 99 for day, rest in lots.items()}
    with pytest.raises(NotOfferedError):
        await counter.ask(number)


async def test_an_operator_who_cancels_after_a_unit_was_refunded_gives_only_the_rest_back(counter: Counter) -> None:
    number = (await counter.world.redeem("m", "mug", 2)).number
    async with counter.world.connection.transaction():
        await send_parcel(counter.world.connection, number, SF, partner_id=None, actor="staff:1", now=NOW)
    request = await counter.ask(number, Wish("refund", "not_received", "", 1))
    assert (await counter.say(approve, request)).points == 33
    async with counter.world.connection.transaction():
        back = await cancel_redemption(
            counter.world.connection,
            number,
            member_id=None,
            reason="lost_on_the_way",
            actor="staff:1",
            now=NOW,
            zone=ZONE,
        )
    assert back == 33
    assert (await counter.world.balances("m"))["points"] == 1_000


async def test_lapsed_points_follow_the_programs_rule_also_for_single_units(counter: Counter) -> None:
    counter.world.clock.instant = datetime(2027, 12, 30, 4, tzinfo=UTC)
    number = await counter.delivered(2)
    counter.world.clock.instant = datetime(2028, 1, 2, 4, tzinfo=UTC)
    assert await counter.give_back(number, 1) == 33
    assert (await counter.world.lots("m"))[date(2027, 12, 31)] == 1_000 - 66


async def test_an_exchange_ends_with_another_parcel_and_a_refusal_with_its_reason(counter: Counter) -> None:
    number = await counter.delivered(2)
    request = await counter.ask(number, Wish("exchange", "wrong_size", "", 1))
    with pytest.raises(RequestOpenError):
        await counter.ask(number)
    with pytest.raises(RequestMovedError):
        await counter.say(exchange, request, Waybill("SF", "SF1234567890999"))
    await counter.say(approve, request)
    member = await counter.world.one("SELECT id FROM member WHERE external_id = 'm'")
    await counter.say(send_back, request, SF, who=member)
    with pytest.raises(RequestMovedError):
        await counter.say(approve, request)
    await counter.say(exchange, request, Waybill("SF", "SF1234567890999"))
    assert await counter.states(request) == ["requested", "returning", "sent_back", "exchanged"]
    assert await counter.world.one("SELECT sum(quantity) FROM parcel WHERE after_sale_id IS NOT NULL") == 1
    again = await counter.ask(number)
    with pytest.raises(InvalidInputError):
        await counter.say(decline, again, words=" ")
    await counter.say(decline, again, words="Broken by a fall")
    assert await counter.states(again) == ["requested", "declined"]
    withdrawn = await counter.ask(number)
    await counter.say(withdraw, withdrawn, who=member)
    assert (await counter.world.balances("m"))["points"] == 1_000 - 66


async def test_what_is_not_sent_back_in_time_lapses_and_only_own_requests_are_seen(counter: Counter) -> None:
    number = await counter.delivered()
    request = await counter.ask(number)
    assert await count_waiting(counter.world.connection, OPERATOR) == 1
    assert await count_waiting(counter.world.connection, Asker(partner_id=7)) == 0
    assert (await list_requests(counter.world.connection, Asker(member_id=10**6)))[0] == []
    for who in (Asker(partner_id=7), Asker(member_id=10**6)):
        with pytest.raises(NotFoundError):
            await counter.say(approve, request, who=who)
    await counter.say(approve, request)
    assert await lapse_due(counter.world.connection, now=counter.world.clock.now()) == 0
    counter.world.clock.instant += timedelta(days=7)
    assert await lapse_due(counter.world.connection, now=counter.world.clock.now()) == 1
    assert (await load_request(counter.world.connection, OPERATOR, request)).state == "lapsed"


async def test_bad_wishes_name_every_fault_and_change_nothing(counter: Counter) -> None:
    number = await counter.delivered()
    with pytest.raises(InvalidInputError) as refusal:
        await counter.ask(number, Wish("return", "wrong_size", "x" * 1_001, 2))
    assert {one.details["field"] for one in refusal.value.reasons} == {"reason", "quantity", "words"}
    with pytest.raises(NotFoundError):
        await counter.ask(number, member_id=10**6)
    counter.world.clock.instant += timedelta(days=7)
    with pytest.raises(NotOfferedError):
        await counter.ask(number)
    assert await counter.world.one("SELECT count(*) FROM after_sale") == 0


async def test_two_who_decide_the_same_request_give_the_points_back_once(counter: Counter, database_url: str) -> None:
    number = (await counter.world.redeem("m", "mug", 2)).number
    async with counter.world.connection.transaction():
        await send_parcel(counter.world.connection, number, SF, partner_id=None, actor="staff:1", now=NOW)
    request = await counter.ask(number, Wish("refund", "not_received", "", 1))

    async def decide(act: Any) -> bool:
        async with await AsyncConnection.connect(database_url) as connection:
            try:
                await act(connection, OPERATOR, request, words="so", actor="staff:1", now=NOW, zone=ZONE)
            except DomainError:
                return False
            return True

    assert (await asyncio.gather(*(decide(act) for act in (approve, decline, approve, decline)))).count(True) == 1


async def test_photos_are_encoded_anew_and_go_with_the_person(counter: Counter, tmp_path: Path) -> None:
    storage, buffer = FolderStorage(tmp_path), io.BytesIO()
    Image.new("RGB", (900, 600), "red").save(buffer, "PNG")
    kept = await keep_photos(storage, [buffer.getvalue()] * 2)
    assert (await storage.get(kept[0].storage_name))[8:12] == b"WEBP"
    for wrong in ([b"<svg/>"], [buffer.getvalue()] * 7):
        with pytest.raises(InvalidInputError) as refusal:
            await keep_photos(storage, wrong)
        assert refusal.value.reasons[0].details["field"] == "photos"
    request = await counter.ask(await counter.delivered())
    request_id = (await load_request(counter.world.connection, OPERATOR, request)).id
    await add_photos(counter.world.connection, request_id, kept)
    assert len(await list_photos(counter.world.connection, request_id)) == 2
    await counter.world.connection.execute("UPDATE after_sale_photo SET erased_at = now()")
    assert await list_photos(counter.world.connection, request_id) == []
    assert await delete_erased_photos(counter.world.connection, storage) == 2
    with pytest.raises(FileNotFoundError):
        await storage.get(kept[0].storage_name)


async def test_cash_goes_back_with_its_points_unit_by_unit(till: Till) -> None:
    counter = Counter(till.world)
    await till.world.item("lamp", kind="goods", points=100, cash_minor=3_333)
    number = await till.order("lamp", 3)
    till.peer.pay(intent=await till.intent(number))
    await till.deliver(*till.peer.events)
    assert await till.state(number) == "confirmed"
    await counter.deliver(number)
    back = [await counter.give_back(number, 1), await counter.give_back(number, 1), await counter.give_back(number, 1)]
    assert back == [100, 100, 100]
    assert await till.world.one("SELECT array_agg(cash_minor ORDER BY id) FROM after_sale") == [3_333, 3_333, 3_333]
    await till.worker.run()
    assert await till.world.one("SELECT refunded_minor FROM payment WHERE captures") == 9_999
    assert await till.state(number) == "refunded"


@given(st.integers(0, 10**9), st.lists(st.integers(1, 20), min_size=1, max_size=8))
def test_shares_of_the_units_add_up_to_the_whole(whole: int, parcels: list[int]) -> None:
    units, done, given_back = sum(parcels), 0, 0
    for part in parcels:
        amount = share(whole, done + part, units) - share(whole, done, units)
        assert 0 <= amount <= whole
        done, given_back = done + part, given_back + amount
    assert given_back == whole


def test_what_is_offered_depends_on_kind_state_and_age() -> None:
    def offer(kind: str = "goods", state: str = "completed", **changes: Any) -> tuple[str, ...]:
        facts: dict[str, Any] = {
            "quantity": 1,
            "given_back": 0,
            "received_at": NOW,
            "return_days": 7,
            "has_open": False,
        } | changes
        return find_offer(OrderFacts(kind=kind, state=state, **facts), NOW + timedelta(days=1)).kinds

    assert offer() == ("return", "exchange", "refund")
    assert offer("code") == offer("top_up") == offer(state="fulfilling") == ("refund",)
    for nothing in (
        offer("coupon"), offer(state="confirmed"), offer(state="refunded"), offer(return_days=0), offer(return_days=1),
        offer(given_back=1), offer(has_open=True),
    ):  # fmt: skip
        assert nothing == ()
