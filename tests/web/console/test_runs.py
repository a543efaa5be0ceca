"""Print runs in the console: made, printed for a shop, activated and made void by numbers, each with its reason."""

from datetime import timedelta

from liyu.core.clock import FixedClock, local_date
from liyu.core.database import Sessions
from liyu.core.settings import Settings
from liyu.vouchers.runs.claims import claim_voucher
from liyu.vouchers.tokens import Tokens
from tests.web.console.acts import submit, texts_of
from tests.web.console.conftest import SignIn
from tests.worker import Worker
from tests.world import ZONE, World

PAGE = "/console/voucher-runs"
NEW = f"{PAGE}/new"


async def test_a_run_is_made_printed_and_decided_about_by_its_numbers(
    sign_in: SignIn, world: World, settings: Settings, clock: FixedClock, sessions: Sessions
) -> None:
    client = await sign_in("operator")
    wish = {
        "name": "Fair",
        "sku": "coupon-1",
        "total": "12",
        "last_day": (local_date(clock.now(), ZONE) + timedelta(days=9)).isoformat(),
    }
    assert "No print run yet" in texts_of(await client.get(PAGE))
    # Its page leads here for an item of which a run can be made, and for no other.
    led = {sku: f"{NEW}?item={sku}" in (await client.get(f"/console/items/{sku}")).text for sku in ("coupon-1", "tea")}
    assert led == {"coupon-1": True, "tea": False}
    for wrong in (
        {"sku": "tea"}, {"total": "0"}, {"total": "20001"}, {"last_day": "2020-01-01"}, {"last_day": "2099-01-01"},
        {"name": ""}, {"total": "x"},
    ):  # fmt: skip
        assert (await submit(client, NEW, NEW, **wish | wrong)).status_code == 422, wrong
    assert await world.one("SELECT count(*) FROM voucher_run") == 0
    address = (await submit(client, NEW, NEW, **wish)).headers["location"]
    again = await submit(client, NEW, NEW, **wish)
    assert again.status_code == 422
    assert "There is a run of this name already." in texts_of(again)
    assert "Fair" in texts_of(await client.get(PAGE))

    # A print shop gets the data of numbers that nobody can use yet.
    paper = {"print_first": "3", "print_last": "99", "language": "en", "layout": "a6", "form": "csv"}
    for wrong in ({"print_last": "2"}, {"form": "xlsx"}, {"print_first": ""}, {"print_first": "13"}):
        assert (await submit(client, address, f"{address}/print", **paper | wrong)).status_code == 422, wrong
    ordered = (await submit(client, address, f"{address}/print", **paper)).headers["location"]
    await Worker(settings, clock, sessions).run()
    file = (await submit(client, ordered, f"{ordered}/address")).headers["location"]
    fetched = await client.get(file)
    assert fetched.headers["content-type"] == "text/csv; charset=utf-8"
    lines = fetched.content.decode("utf-8-sig").splitlines()
    assert [line.split(",")[0] for line in lines] == ["number", *(f"{number:04}" for number in range(3, 13))]
    assert "Fair, no. 3–12" in texts_of(await client.get(ordered))
    assert f'href="{address}"' in (await client.get(ordered)).text
    assert "3–12" in texts_of(await client.get(address))

    act = {"first": "1", "last": "5", "act": "activated", "reason": "Handed to the fair"}
    # The last one has no number of this run: number 12 is not what was meant.
    for wrong in ({"reason": ""}, {"act": "used"}, {"last": "0"}, {"first": "6"}, {"first": "13", "last": "20"}):
        assert (await submit(client, address, f"{address}/range", **act | wrong)).status_code == 422, wrong
    assert await world.one("SELECT count(*) FROM voucher WHERE state = 'printed'") == 12
    assert (await submit(client, address, f"{address}/range", **act)).status_code == 303
    assert (await submit(client, address, f"{address}/range", **act)).status_code == 409
    void = {"first": "11", "last": "99", "act": "withdrawn", "reason": "Spoilt"}
    assert (await submit(client, address, f"{address}/range", **void)).status_code == 303
    page = texts_of(await client.get(address))
    assert "2 vouchers are void, and back in stock." in page
    for words in ("Activated: no. 1–5, 5 vouchers", "Made void: no. 11–12, 2 vouchers", "Handed to the fair"):
        assert words in page

    # A member's page tells what they put into the wallet.
    number_one = await world.one("SELECT id FROM voucher WHERE run_number = 1")
    async with world.connection.transaction():
        await claim_voucher(
            world.connection, await world.one("SELECT id FROM member WHERE external_id = 'm-2'"),
            Tokens(settings.secret_key).codes.code_of(number_one), tokens=Tokens(settings.secret_key), actor="member:2",
            now=clock.now(), zone=ZONE,
        )  # fmt: skip
    assert "Put into a wallet · coupon-1" in texts_of(await client.get("/console/members/m-2"))

    # From the code to the number by the search of vouchers, and back by the number.
    found = texts_of(await client.get(f"/console/vouchers?q={lines[1].split(',')[1]}"))
    assert "Printed, number 3" in found
    shown = (await client.get(f"{address}?state=usable&number=4")).text
    assert [number in shown for number in ('strong">0003<', 'strong">0004<', 'strong">0005<', 'strong">0006<')] == [
        False,
        True,
        True,
        False,
    ]
    for nonsense in ("?number=x", "?state=x", "?after=x"):
        assert (await client.get(f"{address}{nonsense}")).status_code == 200
    assert (await client.get(f"{PAGE}/99")).status_code == 404
    service = await sign_in("service")
    assert (await service.get(address)).status_code == 200
    assert (await service.get(NEW)).status_code == 403
    for hidden in (f"{address}/range", f"{address}/print"):
        assert (await submit(service, address, hidden)).status_code == 403, hidden
    acts = "SELECT string_agg(action, ' ' ORDER BY id) FROM audit_event WHERE action ~ '^(runs|print)[.]'"
    assert await world.one(acts) == "runs.make print.order print.fetch runs.activate runs.withdraw"
