"""The catalog over the API."""

import asyncio

import pytest

from liyu.catalog.publish import publish_items
from liyu.catalog.records import ItemRecord
from liyu.core.database import driver_connection, unit_of_work
from tests.web.api.conftest import OpenApi
from tests.web.api.world import ZONE, Api, World, fields_of, problem_of
from tests.web.conftest import NOW


async def test_an_item_shows_its_stock_and_stores(api: Api) -> None:
    item = (await api.get("/items/LATTE")).json()
    shape = ("sku", "kind", "name", "points", "cash_minor", "stock", "partner", "stores")
    assert {name: item[name] for name in shape} == {
        "sku": "LATTE",
        "kind": "partner_right",
        "name": "拿铁兑换券",
        "points": 100,
        "cash_minor": 0,
        "stock": 5,
        "partner": "ALPHA",
        "stores": [{"code": "A1", "name": "1号店", "city": "上海"}, {"code": "A2", "name": "2号店", "city": "上海"}],
    }
    assert (await api.get("/items/NOODLES")).json()["stock"] is None
    assert (await api.get("/items/CUP")).json()["partner"] is None


async def test_the_stock_is_the_one_of_this_instant(api: Api) -> None:
    await api.redeem("M1", "LATTE", "k", quantity=2)
    assert (await api.get("/items/LATTE")).json()["stock"] == 3


@pytest.mark.parametrize(
    ("query", "accept", "name"),
    [
        ("", "", "拿铁兑换券"),
        ("", "en", "Latte"),
        ("?lang=zh-CN", "en", "拿铁兑换券"),
        ("?lang=en", "", "Latte"),
        ("", "fr", "拿铁兑换券"),
    ],
)
async def test_names_speak_the_language_asked_for(api: Api, query: str, accept: str, name: str) -> None:
    headers = {"accept-language": accept} if accept else {}
    assert (await api.get(f"/items/LATTE{query}", headers=headers)).json()["name"] == name


async def test_names_without_english_stay_chinese(api: Api) -> None:
    assert (await api.get("/items/NOODLES?lang=en")).json()["name"] == "面条券"


async def test_the_list_is_searched_filtered_and_paged(api: Api) -> None:
    async def skus(**query: str) -> list[str]:
        return [item["sku"] for item in (await api.get("/items", params=query)).json()["items"]]

    everything = await skus()
    assert sorted(everything) == ["CUP", "LATER", "LATTE", "LOUNGE", "NOODLES"]
    assert await skus(q="拿铁") == ["LATTE"]
    assert await skus(q="ntdhq") == ["LATTE"]
    assert sorted(await skus(kind="goods")) == ["CUP", "LATER"]
    assert await skus(partner="BETA") == ["NOODLES"]
    assert await skus(q="没有的东西") == []
    paged: list[str] = []
    page = (await api.get("/items?limit=2")).json()
    while page["next"]:
        paged += [item["sku"] for item in page["items"]]
        page = (await api.get("/items", params={"limit": 2, "cursor": page["next"]})).json()
    assert paged + [item["sku"] for item in page["items"]] == everything


async def test_the_filters_of_the_mall_work_here_too(api: Api) -> None:
    async def skus(**query: str) -> list[str]:
        found = (await api.get("/items", params=query)).json()
        assert found["total"] == len(found["items"])
        return [item["sku"] for item in found["items"]]

    assert await skus(tier="gold") == ["LOUNGE"]
    assert sorted(await skus(city="上海")) == ["LATTE", "NOODLES"]
    assert sorted(await skus(points_from="50", points_to="100")) == ["LATTE", "NOODLES"]
    assert await skus(points_from="50", sort="points_down") == ["CUP", "LATTE", "NOODLES"]
    assert len(await skus(member="M1", affordable="true")) == 5
    assert await skus(member="M2", affordable="true") == []
    problem_of(await api.get("/items?member=NOBODY"), 404, "unknown_member")
    assert fields_of(problem_of(await api.get("/items?affordable=true"), 422, "invalid_input")) == {"affordable"}


async def test_what_was_searched_instead_is_said(api: Api) -> None:
    async def note(text: str) -> tuple[str | None, bool]:
        found = (await api.get("/items", params={"q": text})).json()
        assert found["items"]
        return found["correction"], found["is_near"]

    assert await note("latte") == (None, False)
    assert await note("lattte") == ("latte", False)
    assert await note("latte 火锅") == (None, True)


async def test_variants_and_prices_of_tiers_are_told(api: Api, world: World) -> None:
    async with unit_of_work(world.sessions) as session:
        record = ItemRecord(sku="CUP", tier_prices={"standard": 280, "gold": 200}, tags=[])
        await publish_items(await driver_connection(session), [record], actor="test", now=NOW, zone=ZONE)
    for _ in range(100):
        cup = (await api.get("/items/CUP?lang=en&member=M1")).json()
        if cup["tier_prices"]:
            break
        await asyncio.sleep(0.05)
    assert cup["tier_prices"] == [{"tier": "standard", "points": 280}, {"tier": "gold", "points": 200}]
    assert cup["member_points"] == 280
    assert cup["variants"] == [
        {"sku": "CUP", "name": "Cup", "points": 300, "stock": 2},
        {"sku": "CUP-RED", "name": "红色", "points": 330, "stock": None},
    ]
    red = (await api.get("/items/CUP-RED")).json()
    assert (red["variant_of"], red["member_points"], len(red["variants"])) == ("CUP", None, 2)


async def test_faulty_queries_are_named(api: Api) -> None:
    async def faults(**query: str) -> set[str]:
        return fields_of(problem_of(await api.get("/items", params=query), 422, "invalid_input"))

    assert await faults(limit="many", q="x" * 201) == {"limit", "q"}
    assert await faults(limit="0") == {"limit"}
    assert await faults(lang="fr") == {"lang"}
    assert await faults(cursor="nonsense") == {"cursor"}
    assert await faults(q="a\x00b") == {"q"}


async def test_items_that_are_not_there(api: Api, world: World) -> None:
    for sku in ("NONE", "a%00b", "%F0%9F%8D%B5"):
        problem_of(await api.get(f"/items/{sku}"), 404, "unknown_item")


async def test_a_partner_sees_its_own_items_only(open_api: OpenApi) -> None:
    partner = await open_api("items:read", partner="ALPHA")
    assert [item["sku"] for item in (await partner.get("/items")).json()["items"]] == ["LATTE"]
    assert (await partner.get("/items?partner=BETA")).json()["items"] == []
    problem_of(await partner.get("/items?member=M1"), 403, "not_allowed")
    assert (await partner.get("/items/LATTE")).status_code == 200
    for foreign in ("NOODLES", "CUP"):
        problem_of(await partner.get(f"/items/{foreign}"), 404, "unknown_item")


async def test_items_need_their_scope(open_api: OpenApi) -> None:
    stranger = await open_api("members:read")
    problem_of(await stranger.get("/items"), 403, "scope_missing")
    problem_of(await stranger.get("/items/LATTE"), 403, "scope_missing")
    shopper = await open_api("items:read")
    assert (await shopper.get("/items")).status_code == 200
    problem_of(await shopper.get("/items?member=M1&affordable=true"), 403, "scope_missing")
