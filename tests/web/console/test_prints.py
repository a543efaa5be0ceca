"""Vouchers on paper in the console: ordered, printed by the worker, stopped and resumed, fetched by one's own address."""

import io
from datetime import UTC, datetime, timedelta

import time_machine
from pikepdf import Pdf

from liyu.core.clock import FixedClock
from liyu.core.database import Sessions
from liyu.core.jobs import ATTEMPTS
from liyu.core.settings import Settings
from liyu.web.console.prints import ADDRESS_SECONDS
from tests.web.console.acts import submit, texts_of
from tests.web.console.conftest import SignIn
from tests.worker import Worker
from tests.world import World

PAGE = "/console/prints"
ORDER = {"sku": "coupon-1", "language": "en", "layout": "a4", "form": "pdf"}


async def test_vouchers_are_printed_by_the_worker_and_fetched_by_ones_own_address(
    sign_in: SignIn, world: World, settings: Settings, clock: FixedClock, sessions: Sessions
) -> None:
    client, worker = await sign_in("operator"), Worker(settings, clock, sessions)
    refused = await submit(client, PAGE, PAGE, **ORDER)
    assert refused.status_code == 422
    assert "Choose an item of the list." in texts_of(refused)
    for _ in range(2):
        await world.redeem("m-1", "coupon-1")
    for wrong in ({"sku": "nothing"}, {"layout": "a3"}, {"form": ""}, {"language": "fr"}):
        assert (await submit(client, PAGE, PAGE, **ORDER | wrong)).status_code == 422
    assert await world.one("SELECT count(*) FROM voucher_print") == 0

    address = (await submit(client, PAGE, PAGE, **ORDER)).headers["location"]
    assert (await submit(client, PAGE, PAGE, **ORDER)).headers["location"] == address
    assert (await submit(client, address, f"{address}/stop")).status_code == 303
    assert (await client.get(f"{address}/progress")).headers["hx-refresh"] == "true"
    await worker.run()
    assert await world.one("SELECT state FROM voucher_print") == "stopped"
    assert (await submit(client, address, f"{address}/address")).status_code == 404
    assert (await submit(client, address, f"{address}/resume")).status_code == 303
    assert "hx-refresh" not in (await client.get(f"{address}/progress")).headers
    await worker.run()

    assert (await client.get(f"{address}/progress")).headers["hx-refresh"] == "true"
    assert (await submit(client, address, f"{address}/stop")).status_code == 409
    file = (await submit(client, address, f"{address}/address")).headers["location"]
    fetched = await client.get(file)
    assert fetched.headers["content-type"] == "application/pdf"
    with Pdf.open(io.BytesIO(fetched.content)) as made:
        assert len(made.pages) == 1
    other = await sign_in("admin")
    assert (await other.get(file)).status_code == 404
    assert (await client.get(f"{file}x")).status_code == 404
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=ADDRESS_SECONDS + 60)):
        assert (await client.get(file)).status_code == 404
    for path in (settings.data_dir / "storage" / "prints").glob("*.pdf"):
        path.unlink()
    assert (await client.get(file)).status_code == 404
    finance = await sign_in("finance")
    for hidden in (PAGE, address, file):
        assert (await finance.get(hidden)).status_code == 403
    acts = "SELECT string_agg(action, ' ' ORDER BY id) FROM audit_event WHERE starts_with(action, 'print.')"
    assert await world.one(acts) == "print.order print.stop print.resume print.fetch"


async def test_a_print_that_cannot_be_kept_stops_after_the_last_try_and_says_so(
    sign_in: SignIn, world: World, settings: Settings, clock: FixedClock, sessions: Sessions
) -> None:
    client, worker = await sign_in("operator"), Worker(settings, clock, sessions)
    await world.redeem("m-1", "coupon-1")
    address = (await submit(client, PAGE, PAGE, **ORDER)).headers["location"]
    # A file where a folder should be: whatever is put into it fails.
    (settings.data_dir / "storage").mkdir(parents=True, exist_ok=True)
    (settings.data_dir / "storage" / "prints").write_bytes(b"")
    for attempts, state in ((0, "printing"), (ATTEMPTS, "stopped")):
        await world.connection.execute(
            "UPDATE procrastinate_jobs SET attempts = %s, scheduled_at = NULL WHERE status = 'todo'", (attempts,)
        )
        await worker.run()
        assert await world.one("SELECT state FROM voucher_print") == state
    assert "It broke off several times" in texts_of(await client.get(address))
    (settings.data_dir / "storage" / "prints").unlink()
    assert (await submit(client, address, f"{address}/resume")).status_code == 303
    await worker.run()
    assert await world.one("SELECT state FROM voucher_print") == "finished"
