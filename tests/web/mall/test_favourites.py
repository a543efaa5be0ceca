"""Favourites, notices, comparing, sharing, and the mall as an app."""

import json
import re

from litestar import Litestar

from liyu.catalog.favourites import watch_favourites
from liyu.web.mall.share import break_lines
from tests.web.conftest import NOW, Client
from tests.web.console.acts import texts_of
from tests.web.mall.conftest import Shop
from tests.web.personas import token_in


async def mark(client: Client, sku: str, *, wanted: bool = True, script: bool = False) -> int:
    data = {"csrf_token": token_in(await client.get("/earn")), "sku": sku} | ({"wanted": "yes"} if wanted else {})
    answer = await client.post("/favourites", data=data, headers={"hx-request": "true"} if script else {})
    if script:
        assert f'aria-pressed="{"true" if wanted else "false"}"' in answer.text
    return answer.status_code


async def test_a_favourite_is_kept_compared_and_let_go_of(shop: Shop, member: Client, other: Client) -> None:
    assert "No favourites yet" in texts_of(await member.get("/favourites"))
    assert await mark(member, shop.cheap) == 303
    assert await mark(member, shop.gold, script=True) == 200
    assert 'aria-pressed="true"' in (await member.get(f"/items/{shop.cheap}")).text
    page = (await member.get("/favourites")).text
    assert re.findall(r'name="sku" value="(\w+)" form="compare"', page) == [shop.cheap, shop.gold]
    assert "No favourites yet" in texts_of(await other.get("/favourites"))
    compared = texts_of(await member.get(f"/compare?sku={shop.gold}&sku={shop.cheap}&sku=NOPE&sku={shop.gold}"))
    assert "Needs Gold" in compared
    assert "You can have it" in compared
    assert "Two at least" in texts_of(await member.get(f"/compare?sku={shop.gold}"))
    assert await mark(member, shop.cheap, wanted=False) == 303
    assert await mark(member, shop.gold, wanted=False, script=True) == 200
    assert "No favourites yet" in texts_of(await member.get("/favourites"))
    assert await mark(member, "NOPE") == 404


async def test_what_was_looked_at_stands_on_the_next_items_page(shop: Shop, member: Client, other: Client) -> None:
    await member.get(f"/items/{shop.rare}")
    assert "Looked at last" in texts_of(await member.get(f"/items/{shop.cheap}"))
    assert "Looked at last" in texts_of(await member.get("/favourites"))
    assert "Looked at last" not in texts_of(await other.get(f"/items/{shop.cheap}"))


async def test_the_bell_has_a_dot_until_the_notice_is_read(shop: Shop, other: Client) -> None:
    assert await mark(other, shop.cheap) == 303
    assert 'class="dot"' not in (await other.get("/")).text
    await shop.world.post(shop.world.purchase("M2", 10_000))
    await watch_favourites(shop.world.connection, now=NOW)
    assert 'class="dot"' in (await other.get("/")).text
    inbox = texts_of(await other.get("/notices"))
    assert "Your points are enough for “CHEAP” now: 100 points." in inbox
    assert "Unread" in inbox
    assert 'class="dot"' not in (await other.get("/")).text
    assert "100 points. just now Unread" not in texts_of(await other.get("/notices"))


async def test_an_item_can_be_shared_as_a_card_with_its_address(shop: Shop, client: Client) -> None:
    assert f"/items/{shop.cheap}/card.svg" in (await client.get(f"/items/{shop.cheap}/share")).text
    card = await client.get(f"/items/{shop.cheap}/card.svg")
    assert card.headers["content-type"] == "image/svg+xml"
    assert "CHEAP" in card.text
    assert "http://" not in card.text.replace("http://www.w3.org", "")
    assert (await client.get("/items/NOPE/card.svg")).status_code == 404
    assert break_lines("机场贵宾厅双人券含餐饮与快速安检通道服务礼遇全国五十二城通用") == [
        "机场贵宾厅双人券含餐饮与快速安",
        "检通道服务礼遇全国五十二城通用",
    ]
    assert break_lines("A weekend for two at a hotel by the lake with breakfast and a walk") == [
        "A weekend for two at a",
        "hotel by the lake…",
    ]


async def test_the_mall_can_be_installed(app: Litestar, client: Client) -> None:
    assert 'rel="manifest"' in (await client.get("/")).text
    manifest = json.loads((await client.get("/manifest.webmanifest")).text)
    assert manifest["display"] == "standalone"
    for icon in manifest["icons"]:
        answer = await client.get(icon["src"])
        assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, icon["type"])
    worker = (await client.get("/service-worker.js")).text
    installation = json.loads(worker.splitlines()[0].removeprefix("self.INSTALLATION = ").rstrip(";"))
    assert installation["version"] == app.state.assets.digest
    for path in [installation["offline"], *installation["files"]]:
        assert (await client.get(path)).status_code == 200, path


async def test_a_first_visit_takes_little_over_the_wire(client: Client) -> None:
    for path in ("/", "/items"):
        page = await client.get(path)
        files = {found for found in re.findall(r'(?:href|src)="(/static/[^"#]+)', page.text) if "/img/" not in found}
        sizes = []
        async with client.stream("GET", path) as answer:
            sizes.append(sum([len(part) async for part in answer.aiter_raw()]))
        for file in files:
            async with client.stream("GET", file, headers={"accept-encoding": "gzip"}) as answer:
                assert answer.status_code == 200
                sizes.append(sum([len(part) async for part in answer.aiter_raw()]))
        assert len(files) == 4, files
        assert sum(sizes) <= 120 * 1024
