"""The first sign-in of somebody who is pre-registered begins the membership."""

from datetime import date, timedelta

from litestar import Litestar

from liyu.core.clock import FixedClock
from liyu.core.database import Sessions
from liyu.members.enrol import NewMember, enrol_members
from tests.web.conftest import Client, OpenClient
from tests.web.console.acts import texts_of
from tests.web.mall.conftest import Shop
from tests.web.personas import PHONE, sign_in_member, token_in

GUEST_PHONE = "+8613700137000"
STANDING = "SELECT state, activated_at, tier_until FROM member WHERE external_id = 'P1'"
CHANGES = """
    SELECT c.to_state, c.reason, c.actor = 'member:' || m.id FROM member_state_change c JOIN member m ON m.id = c.member_id
    WHERE m.external_id = 'P1' ORDER BY c.id"""


async def _pre_register(shop: Shop, clock: FixedClock) -> None:
    """P1, who joined last year and collected 80 points then."""
    newcomer = NewMember(external_id="P1", phone=GUEST_PHONE, name="何青", state="pre_registered")
    long_ago = clock.now() - timedelta(days=400)
    async with shop.world.connection.transaction():
        await enrol_members(shop.world.connection, [newcomer], actor="test", now=long_ago)
    await shop.world.post(shop.world.purchase("P1", 8_000, at=long_ago))


async def test_the_first_sign_in_begins_the_membership_and_the_validity_of_what_was_collected(
    shop: Shop, clock: FixedClock, open_client: OpenClient, sessions: Sessions
) -> None:
    await _pre_register(shop, clock)
    assert await shop.world.lots("P1") == {None: 80}
    client = open_client()
    await sign_in_member(client, sessions, GUEST_PHONE)
    home = texts_of(await client.get("/"))
    assert "Welcome! Your membership begins today; what you have collected can be used from now on." in home
    # Earned in 2025, but valid as if it had been earned on the day of the activation.
    assert {day: points for day, points in (await shop.world.lots("P1")).items() if points} == {date(2027, 12, 31): 80}
    (row,) = await (await shop.world.connection.execute(STANDING)).fetchall()
    assert row[:2] == ("active", clock.now())
    assert (await shop.world.redeem("P1", shop.rare)).points == 10
    again = open_client()
    await sign_in_member(again, sessions, GUEST_PHONE)
    assert "Welcome!" not in texts_of(await again.get("/"))
    changes = await (await shop.world.connection.execute(CHANGES)).fetchall()
    assert changes == [("pre_registered", "joined", False), ("active", "first_sign_in", True)]


async def test_a_wrong_code_activates_nobody_and_who_is_frozen_stays_so(
    shop: Shop, clock: FixedClock, open_client: OpenClient, sessions: Sessions
) -> None:
    await _pre_register(shop, clock)
    client = open_client()
    token = token_in(await client.get("/login"))
    wrong = await client.post("/login", data={"csrf_token": token, "phone": GUEST_PHONE, "code": "000000"})
    assert wrong.status_code == 422
    assert await (await shop.world.connection.execute(STANDING)).fetchall() == [("pre_registered", None, None)]
    await shop.world.connection.execute("UPDATE member SET state = 'frozen' WHERE external_id = 'P1'")
    assert (await sign_in_member(client, sessions, GUEST_PHONE)).status_code == 303
    assert await (await shop.world.connection.execute(STANDING)).fetchall() == [("frozen", None, None)]
    assert await shop.world.lots("P1") == {None: 80}


async def test_the_demo_names_its_first_member_whoever_came_since(
    shop: Shop, clock: FixedClock, app: Litestar, client: Client, sessions: Sessions
) -> None:
    await shop.world.connection.execute("UPDATE program SET demo = true")
    newcomer = NewMember(external_id="M0", phone="+8613000000000", name="何青")
    async with shop.world.connection.transaction():
        await enrol_members(shop.world.connection, [newcomer], actor="test", now=clock.now())
    await app.state.services.program.refresh(sessions)
    page = (await client.get("/login")).text
    assert PHONE in page
    assert "+8613000000000" not in page
