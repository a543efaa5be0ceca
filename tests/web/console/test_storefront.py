"""The curated front: what operators arrange is what guests see, within a moment, and nothing leads out of the mall."""

import asyncio
from collections.abc import Callable

from liyu.catalog.notify import announce_everything
from tests.web.conftest import OpenClient
from tests.web.console.acts import submit, texts_of
from tests.web.console.conftest import SignIn
from tests.world import World

HERE = "/console/storefront"


async def _until(look: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not look():  # noqa: ASYNC110 - what is waited for is a notification
            await asyncio.sleep(0.02)


async def test_collections_banners_and_rows_stand_in_their_order(
    sign_in: SignIn, world: World, open_client: OpenClient, app: object
) -> None:
    client, guest = await sign_in("operator"), open_client()
    services = app.state.services  # type: ignore[attr-defined]
    await announce_everything(world.connection)
    await _until(lambda: "tea" in services.catalog.snapshot.by_sku)
    new = f"{HERE}/collections/new"
    assert (await guest.get("/collections/autumn")).status_code == 404
    faulty = {"code": "Autumn!", "title_zh": ""}
    assert (await submit(client, new, new, **faulty)).status_code == 422
    autumn = {"code": "autumn", "title_zh": "秋", "title_en": "Autumn", "active": "yes"}
    assert (await submit(client, new, new, **autumn, add="tea, nowhere")).status_code == 422
    assert await world.one("SELECT count(*) FROM collection") == 0
    assert (await submit(client, new, new, **autumn, add="tea, coupon-1")).status_code == 303
    page = f"{HERE}/collections/autumn"
    order = {"position_tea": "2", "position_coupon-1": "1"}
    assert (await submit(client, page, page, **autumn, **order, add="codes-1")).status_code == 303
    assert await world.one(
        "SELECT array_agg(i.sku ORDER BY c.position) FROM collection_item c JOIN item i ON i.id = c.item_id"
    ) == ["coupon-1", "tea", "codes-1"]
    for href in ("https://elsewhere.example", "//elsewhere.example", "/\\elsewhere.example"):
        assert (await submit(client, HERE, f"{HERE}/banners", title_zh="去", href=href)).status_code == 422
    for title in ("First", "Second"):
        banner = {"title_zh": title, "title_en": title, "href": "/collections/autumn"}
        assert (await submit(client, HERE, f"{HERE}/banners", **banner)).status_code == 303
    assert (await submit(client, HERE, f"{HERE}/sections", subject_0="collection:autumn")).status_code == 303
    first, second = await world.one("SELECT array_agg(id ORDER BY id) FROM banner")
    arranged = {
        f"position_{first}": "2",
        f"position_{second}": "1",
        f"active_{first}": "yes",
        f"active_{second}": "yes",
    }
    assert (await submit(client, HERE, f"{HERE}/banners/order", **arranged)).status_code == 303
    storefront = services.storefront
    await _until(lambda: [one.title_zh for one in storefront.current.banners] == ["Second", "First"])
    home = texts_of(await guest.get("/"))
    assert home.index("Second") < home.index("First") < home.index("Autumn")
    picked = texts_of(await guest.get("/collections/autumn"))
    assert picked.index("coupon-1") < picked.index("tea")
    assert (await submit(client, HERE, f"{HERE}/banners/remove", id=str(first))).status_code == 303
    await _until(lambda: len(storefront.current.banners) == 1)
    assert "First" not in texts_of(await guest.get("/"))
    assert (await submit(client, page, page, **(autumn | {"active": ""}))).status_code == 303
    await _until(lambda: not storefront.current.collections)
    assert (await guest.get("/collections/autumn")).status_code == 404
    assert (await (await sign_in("service")).get(HERE)).status_code == 403
