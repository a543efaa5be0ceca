"""A draw from its commitment to its end: what is published, what is frozen, who wins, and what goes back."""

from datetime import timedelta
from hashlib import sha256

import psycopg
import pytest
from psycopg.errors import CheckViolation, RestrictViolation

from liyu.catalog.errors import TermsAnnouncedError
from liyu.catalog.publish import publish_items
from liyu.catalog.records import ItemRecord
from liyu.catalog.service import set_stock
from liyu.core.errors import InvalidInputError
from liyu.core.sealing import unseal
from liyu.core.transitions import allows
from liyu.members.personal.addresses import AddressDraft, save_address
from liyu.redemption.draws.algorithm import draw_order, hash_list
from liyu.redemption.draws.claims import claim_prize
from liyu.redemption.draws.entries import entry_code, person_code, read_list
from liyu.redemption.draws.errors import AddressNeededError, DrawNotReadyError, DrawStateError, NothingToClaimError
from liyu.redemption.draws.prepare import SEED_PURPOSE, call_off, discard_draft
from liyu.redemption.draws.records import TierTickets
from liyu.redemption.draws.states import PLACE_TRANSITIONS
from liyu.redemption.errors import RefusedError
from tests.redemption.draws.conftest import CLOSES, DRAWS, OPENS, SECRET, Lottery
from tests.world import ZONE


async def test_what_is_published_can_be_recomputed_and_the_winners_have_their_prizes(lottery: Lottery) -> None:
    world, number = lottery.world, await lottery.open()
    announced = await lottery.draw(number)
    sealed = await world.one("SELECT sealed_seed FROM draw")
    seed = unseal(SECRET, SEED_PURPOSE, bytes(sealed))
    assert announced.commitment == sha256(seed.encode()).hexdigest()
    assert await world.one("SELECT taken FROM item_stock s JOIN item i ON i.id = s.item_id WHERE sku = 'prize'") == 2
    assert (await world.proof()).balanced

    await lottery.enter("m0", "m1", "m2")
    await lottery.enter("m3", units=3)
    world.clock.instant = CLOSES
    assert (await lottery.run()).frozen == 1
    frozen, listed = await lottery.draw(number), await read_list(world.connection, announced.id)
    assert (frozen.entries, frozen.tickets, frozen.seed) == (6, 6, None)
    assert frozen.list_hash == hash_list(listed)
    with pytest.raises(RefusedError):
        await lottery.enter("m4")
    assert (await lottery.run()).decided == 0

    world.clock.instant = DRAWS
    assert (await lottery.run()).finished == 1
    assert (await lottery.run()).decided == 0
    decided = await lottery.draw(number)
    assert (decided.seed, decided.state) == (seed, "finished")
    order = draw_order(seed, listed)
    found = await world.connection.execute("SELECT code, state FROM draw_place ORDER BY place")
    assert await found.fetchall() == [*((code, "won") for code in order[:2]), *((code, "missed") for code in order[2:])]
    winners = [member for member, state in await lottery.places() if state == "won"]
    assert [await lottery.prizes_of(member) for member in winners] == [["prize"], ["prize"]]
    assert await world.one("SELECT count(*) FROM voucher") == 2
    assert await world.one("SELECT sum(points) FROM redemption WHERE channel = 'draw'") == 0
    assert await world.one("SELECT count(*) FROM member_notice WHERE topic = 'draw_won'") == 2
    assert await world.one("SELECT count(*) FROM member_notice WHERE topic = 'draw_missed'") == 2


async def test_codes_tell_nothing_and_persons_are_one_whatever_they_enter_with(lottery: Lottery) -> None:
    world, number = lottery.world, await lottery.open({"prize": 5})
    await world.connection.execute(
        "UPDATE member SET person_id = (SELECT id FROM member WHERE external_id = 'm0') WHERE external_id = 'm1'"
    )
    await lottery.enter("m0", "m1", "m2", units=2)
    await lottery.decide()
    listed = await read_list(world.connection, (await lottery.draw(number)).id)
    persons = [person for _, person, _ in listed]
    assert sorted(persons.count(person) for person in set(persons)) == [2, 4]
    assert len(await lottery.places()) == 2
    first = await world.one("SELECT min(id) FROM redemption")
    assert entry_code(SECRET, number, first, 1) in {code for code, _, _ in listed}
    assert (
        entry_code(SECRET, number, first, 1)
        != entry_code(SECRET, "D2", first, 1)
        != entry_code("other", "D2", first, 1)
    )
    assert person_code(SECRET, number, 1) != person_code(SECRET, "D2", 1)
    # What nobody won goes back on sale.
    assert await world.one("SELECT taken FROM item_stock s JOIN item i ON i.id = s.item_id WHERE sku = 'prize'") == 2


async def test_a_draft_is_checked_and_only_a_ready_one_is_announced(lottery: Lottery) -> None:
    world = lottery.world
    await world.item("gift", kind="donation", stock=5)
    await world.item("dear", kind="draw", cash_minor=100)
    for prizes, sku, field in (
        ({"gift": 1}, "entry", "prizes"),
        ({"none": 1}, "entry", "prizes"),
        ({}, "prize", "sku"),
        ({}, "dear", "sku"),
    ):
        with pytest.raises(InvalidInputError) as refused:
            await lottery.plan(prizes or {"prize": 1}, sku=sku)
        assert [reason.details["field"] for reason in refused.value.reasons] == [field]
    number = await lottery.plan({"prize": 11})
    world.clock.instant = OPENS + timedelta(seconds=1)
    with pytest.raises(DrawNotReadyError) as not_ready:
        await lottery.announce(number)
    assert len(not_ready.value.reasons) == 2
    assert await world.one("SELECT sum(taken) FROM item_stock") == 0
    assert await world.one("SELECT commitment FROM draw") is None
    async with world.connection.transaction():
        await discard_draft(world.connection, number)
    world.clock.instant = OPENS - timedelta(hours=1)
    again = await lottery.plan()
    await lottery.announce(again)
    with pytest.raises(DrawStateError):
        await lottery.announce(again)
    with pytest.raises(DrawStateError):
        await discard_draft(world.connection, again)


FORBIDDEN = [
    "UPDATE draw SET commitment = repeat('0', 64)",
    "UPDATE draw SET sealed_seed = ''",
    "UPDATE draw SET losing_points = 'given_back'",
    "UPDATE draw SET draws_at = draws_at + interval '1 hour'",
    "DELETE FROM draw",
    "UPDATE draw_prize SET units = 1",
    "DELETE FROM draw_prize",
    "UPDATE item SET points = 1 WHERE sku = 'entry'",
    "UPDATE item SET on_sale_to = on_sale_to + interval '1 hour' WHERE sku = 'entry'",
    "INSERT INTO draw_entry (draw_id, code, person, tickets, redemption_id, unit) SELECT 1, 'X', 'X', 9, id, 9 FROM redemption",
    "UPDATE draw_entry SET tickets = 99",
    "DELETE FROM draw_entry",
    "UPDATE draw SET list_hash = repeat('0', 64)",
    "UPDATE draw SET entries = 1",
    "UPDATE item_stock SET total = 99 WHERE item_id = (SELECT entry_item_id FROM draw)",
    "UPDATE draw SET state = 'decided', decided_at = now(), seed = 'another'",
    "INSERT INTO draw_place (draw_id, place, code, state) SELECT draw_id, 0, code, 'won' FROM draw_entry",
]


async def test_what_was_announced_and_listed_cannot_be_changed(lottery: Lottery) -> None:
    world = lottery.world
    await lottery.open()
    await lottery.enter("m0", "m1")
    world.clock.instant = CLOSES
    await lottery.run()
    for change in FORBIDDEN:
        with pytest.raises((RestrictViolation, CheckViolation)):
            await world.connection.execute(change)


async def test_who_changes_the_item_of_a_draw_is_told_why_not(lottery: Lottery) -> None:
    world = lottery.world
    await lottery.open()
    cheaper = ItemRecord(sku="entry", points=1)
    with pytest.raises(TermsAnnouncedError):
        await publish_items(
            world.connection, [cheaper], actor="test", now=world.clock.now(), zone=ZONE, keep_states=True
        )
    world.clock.instant = CLOSES
    await lottery.run()
    with pytest.raises(TermsAnnouncedError):
        await set_stock(world.connection, await world.one("SELECT entry_item_id FROM draw"), 99, now=CLOSES)
    assert await world.one("SELECT points FROM item WHERE sku = 'entry'") == 50
    assert await world.one("SELECT total FROM item_stock s JOIN item i ON i.id = s.item_id WHERE i.sku = 'entry'") == 0


async def test_a_draw_whose_item_was_entered_before_cannot_have_a_commitment(lottery: Lottery) -> None:
    world = lottery.world
    number = await lottery.plan()
    await world.connection.execute("UPDATE item SET state = 'live' WHERE sku = 'entry'")
    world.clock.instant = OPENS
    await lottery.enter("m0")
    with pytest.raises(DrawNotReadyError):
        await lottery.announce(number)
    with pytest.raises(psycopg.Error, match="before its commitment"):
        await world.connection.execute(
            "UPDATE draw SET state = 'announced', announced_at = now(), commitment = 'x', sealed_seed = 'x', opens_at = now(), "
            "closes_at = now() + interval '1 hour', draws_at = now() + interval '2 hours'"
        )


async def test_points_of_entries_follow_the_announced_rule(lottery: Lottery) -> None:
    world = lottery.world
    await lottery.open({"prize": 1}, losing_points="given_back")
    await lottery.enter("m0", "m1", "m2", units=2)
    assert (await lottery.decide()).given_back == 2
    assert (await lottery.run()).given_back == 0
    for member, state in await lottery.places():
        assert (await world.balances(member))["points"] == (400 if state == "won" else 500)


async def test_calling_off_gives_everything_back_and_is_over_with_the_list(lottery: Lottery) -> None:
    world, number = lottery.world, await lottery.open()
    await lottery.enter("m0", "m1")
    async with world.connection.transaction():
        await call_off(world.connection, number, reason="flood", actor="test", now=world.clock.now())
    assert (await lottery.run()).given_back == 2
    assert [(await world.balances(member))["points"] for member in ("m0", "m1")] == [500, 500]
    assert await world.one("SELECT sum(taken) FROM item_stock") == 0
    with pytest.raises(RefusedError):
        await lottery.enter("m2")
    with pytest.raises(DrawStateError):
        await call_off(world.connection, number, reason="flood", actor="test", now=world.clock.now())


async def test_unclaimed_prizes_go_down_the_drawn_order_and_back_on_sale(lottery: Lottery) -> None:
    world, number = lottery.world, await lottery.open({"prize": 2}, claim_hours=24, losing_points="given_back")
    await lottery.enter("m0", "m1", "m2", "m3")
    await lottery.decide()
    order = [member for member, _ in await lottery.places()]
    ids = [await world.one("SELECT id FROM member WHERE external_id = %s", member) for member in order]

    async def claim(place: int) -> None:
        await claim_prize(world.connection, number, ids[place], actor="test", now=world.clock.now(), zone=ZONE)

    assert [state for _, state in await lottery.places()] == ["offered", "offered", "waiting", "waiting"]
    await claim(1)
    for place in (1, 2):
        with pytest.raises(NothingToClaimError):
            await claim(place)
    await world.connection.execute("UPDATE member SET state = 'frozen' WHERE external_id = %s", (order[2],))
    await lottery.run(timedelta(hours=24))
    assert [state for _, state in await lottery.places()] == ["lapsed", "won", "passed_over", "offered"]
    with pytest.raises(NothingToClaimError):
        await claim(0)
    assert (await lottery.run(timedelta(hours=24))).finished == 1
    assert [state for _, state in await lottery.places()] == ["lapsed", "won", "passed_over", "lapsed"]
    moves = await world.connection.execute("SELECT DISTINCT from_state, to_state FROM draw_place_change")
    assert all(allows(PLACE_TRANSITIONS, *move) for move in await moves.fetchall())
    assert await lottery.prizes_of(order[1]) == ["prize"]
    assert await world.one("SELECT taken FROM item_stock s JOIN item i ON i.id = s.item_id WHERE sku = 'prize'") == 1
    # Whoever was drawn and did not answer had the chance; who was passed over had none.
    assert [(await world.balances(member))["points"] for member in order] == [450, 450, 500, 450]


async def test_tickets_follow_the_tier_and_free_entries_cost_nothing(lottery: Lottery) -> None:
    world = lottery.world
    gold = await world.one("SELECT id FROM tier WHERE code = 'gold'")
    await world.connection.execute("UPDATE member SET tier_id = %s WHERE external_id = 'm0'", (gold,))
    await world.connection.execute("UPDATE item SET points = 0 WHERE sku = 'entry'")
    number = await lottery.open(tier_tickets=[TierTickets(gold, 5)])
    await lottery.enter("m0", "m1")
    await lottery.decide()
    draw = await lottery.draw(number)
    assert (draw.entries, draw.tickets) == (2, 6)
    assert (await world.balances("m0"))["points"] == 500


async def test_a_prize_counts_towards_the_limits_of_its_item_but_is_not_refused_for_them(lottery: Lottery) -> None:
    world = lottery.world
    await world.item("rare", kind="pick_up", stock=3, points=10, per_member_limit=1, per_person_limit=1)
    await lottery.open({"rare": 2})
    await world.redeem("m0", "rare")
    await lottery.enter("m0", "m1")
    await lottery.decide()
    assert [await lottery.prizes_of(member) for member in ("m0", "m1")] == [["rare"], ["rare"]]
    with pytest.raises(RefusedError):
        await world.redeem("m1", "rare")


_OFFERED_TO = """
    SELECT r.member_id, i.sku FROM draw_place p JOIN draw_entry e ON e.draw_id = p.draw_id AND e.code = p.code
    JOIN redemption r ON r.id = e.redemption_id JOIN draw_prize z ON z.id = p.prize_id JOIN item i ON i.id = z.item_id"""


def _address(recipient: str, province: str, city: str, district: str) -> AddressDraft:
    return AddressDraft(
        recipient=recipient, phone="13800138000", province=province, city=city, district=district, detail="文三路 2 号"
    )


async def test_goods_are_claimed_with_the_address_that_is_chosen_and_top_ups_are_ordered_at_once(
    lottery: Lottery,
) -> None:
    world = lottery.world
    await world.item("kettle", kind="goods", stock=1)
    await world.item("airtime", kind="top_up", stock=1)
    with pytest.raises(InvalidInputError) as fault:
        await lottery.plan({"kettle": 1})
    assert fault.value.reasons[0].details["field"] == "claim_hours"
    number = await lottery.open({"kettle": 1, "airtime": 1}, claim_hours=24)
    await lottery.enter("m0", "m1")
    await lottery.decide()
    rows = await (await world.connection.execute(_OFFERED_TO)).fetchall()
    place = _address("李雷", "四川省", "成都市", "武侯区")
    for member_id, sku in rows:
        given: int | None = None
        if sku == "kettle":
            with pytest.raises(AddressNeededError):
                await claim_prize(world.connection, number, member_id, actor="test", now=world.clock.now(), zone=ZONE)
            await save_address(world.connection, member_id, place, now=world.clock.now())
            other = _address("韩梅", "浙江省", "杭州市", "西湖区")
            given = await save_address(world.connection, member_id, other, now=world.clock.now())
        await claim_prize(
            world.connection, number, member_id, address_id=given, actor="test", now=world.clock.now(), zone=ZONE
        )
    assert await world.one("SELECT recipient FROM redemption_address") == "韩梅"
    assert await world.one("SELECT count(*) FROM top_up WHERE state = 'waiting'") == 1


async def test_nobody_entered(lottery: Lottery) -> None:
    number = await lottery.open()
    assert (await lottery.decide()).finished == 1
    assert (await lottery.draw(number)).list_hash == sha256(b"").hexdigest()
    assert await lottery.world.one("SELECT sum(taken) FROM item_stock") == 0
