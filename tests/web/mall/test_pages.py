"""Every screen of the mall, for guests and members, in both languages; what is kept in memory, and for whom."""

import asyncio
import re
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from litestar import Litestar
from sqlalchemy import event

from liyu.core.clock import FixedClock
from liyu.web.mall.page_cache import MOST_PAGES
from liyu.web.mall.ready import Ready
from tests.web.conftest import Client, OpenClient
from tests.web.mall.conftest import Shop

OPEN = [
    "/",
    "/items",
    "/items?q=cheap",
    "/items?q=zzzz",
    "/items?scene=dining&sort=points_up",
    "/drops",
    "/suggest?q=rx",
    "/items?q=瑞幸咖非",
    "/items/CHEAP",
    "/items/COMING",
]
OWN = [
    "/wallet",
    "/wallet?group=used",
    "/wallet?group=expired",
    "/orders",
    "/points",
    "/earn",
    "/tier",
    "/card",
    "/me",
    "/notices",
    "/items/CHEAP/redeem",
]


class _Shape(HTMLParser):
    """The tags of a page, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)


def shape_of(text: str) -> list[str]:
    shape = _Shape()
    shape.feed(text)
    return shape.tags


async def in_language(client: Client, path: str, language: str) -> str:
    answer = await client.get(path, headers={"accept-language": language})
    assert answer.status_code == 200, path
    return answer.text


@pytest.mark.parametrize("path", OPEN)
async def test_open_pages_have_one_structure_in_both_languages(client: Client, path: str) -> None:
    chinese, english = await in_language(client, path, "zh-CN"), await in_language(client, path, "en")
    assert shape_of(chinese) == shape_of(english)
    assert chinese != english


async def test_own_pages_have_one_structure_in_both_languages(member: Client) -> None:
    for path in [*OPEN, *OWN]:
        chinese, english = await in_language(member, path, "zh-CN"), await in_language(member, path, "en")
        assert shape_of(chinese) == shape_of(english), path


async def test_own_pages_ask_guests_to_sign_in(client: Client) -> None:
    for path in OWN:
        answer = await client.get(path)
        assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/login"), path


async def test_a_guest_costs_the_database_nothing(app: Litestar, client: Client) -> None:
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    event.listen(app.state.services.engine.sync_engine, "before_cursor_execute", note)
    for path in OPEN:
        assert (await client.get(path)).status_code == 200
    assert asked == []


async def test_the_home_page_of_a_member_costs_one_statement(
    app: Litestar, member: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    await member.get("/")
    asked: list[Any] = []
    reader = app.state.services.reader
    read = reader.read

    async def note(ask: Any) -> Any:
        asked.append(ask)
        return await read(ask)

    monkeypatch.setattr(reader, "read", note)
    event.listen(app.state.services.engine.sync_engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    await member.get("/")
    assert len(asked) == 1


async def test_members_who_come_at_once_see_their_own_points(member: Client, other: Client, client: Client) -> None:
    mine, nobodys, theirs = await asyncio.gather(member.get("/"), client.get("/"), other.get("/"))
    for page, said in ((mine, ">1,000</a>"), (theirs, ">50</a>"), (nobodys, 'href="/login"')):
        assert said in page.text


async def test_a_remembered_page_states_the_present_instant(client: Client, clock: FixedClock) -> None:
    await client.get("/")
    clock.instant += timedelta(seconds=5)
    assert f'name="liyu-now" content="{clock.now().isoformat()}"' in (await client.get("/")).text


async def test_a_remembered_page_gives_way_when_the_sale_opens(client: Client, clock: FixedClock) -> None:
    assert "Opens today 13:00" in (await client.get("/items")).text
    clock.instant += timedelta(hours=4)
    assert "Opens today 13:00" not in (await client.get("/items")).text


async def test_no_page_is_remembered_beyond_the_opening_of_a_sale(
    client: Client, member: Client, clock: FixedClock
) -> None:
    clock.instant += timedelta(hours=3, seconds=-1)
    assert "Opens today 13:00" in (await client.get("/")).text
    assert "Opens today 13:00" in (await member.get("/")).text
    clock.instant += timedelta(seconds=1)
    assert "Opens today 13:00" not in (await client.get("/")).text
    assert "Opens today 13:00" not in (await member.get("/")).text


async def test_a_member_sees_a_movement_at_once(shop: Shop, member: Client) -> None:
    assert "1,000" in (await member.get("/")).text
    await shop.world.redeem("M1", "CHEAP")
    assert ">900</a>" in (await member.get("/")).text


async def test_members_do_not_see_each_other_on_remembered_pages(member: Client, other: Client, client: Client) -> None:
    mine, theirs, again = (await member.get("/")).text, (await other.get("/")).text, (await member.get("/")).text
    assert "1,000" in mine
    assert ">50</a>" in theirs
    assert "1,000" not in theirs
    assert again == mine
    tokens = {re.search(r'X-CSRF-Token": "([^"]+)"', page).group(1) for page in (mine, theirs)}  # type: ignore[union-attr]
    assert len(tokens) == 2
    guest = (await client.get("/")).text
    assert "X-CSRF-Token" not in guest
    assert "\x02" not in mine + theirs + guest


async def test_the_memory_is_bounded(app: Litestar, client: Client) -> None:
    for number in range(MOST_PAGES + 10):
        await client.get(f"/items?q=word{number}")
    ready: Ready = app.state["mall"]
    assert len(ready.pages) == MOST_PAGES


async def test_cards_say_what_the_member_can_have_and_what_is_missing(member: Client, other: Client) -> None:
    mine, theirs = (await member.get("/items")).text, (await other.get("/items")).text
    assert "You can have it" in mine
    assert "Needs Gold" in mine
    assert "50 points short" in theirs


async def test_cards_say_the_price_of_their_readers_tier(
    shop: Shop, member: Client, other: Client, client: Client
) -> None:
    connection = shop.world.connection
    for sku in ("FIRST", "SECOND", "SHELF"):
        await shop.world.item(sku, points=20)
    await connection.execute(
        "UPDATE item SET tier_points = jsonb_build_array(jsonb_build_object('tier_id', tier.id, 'points', item.points - 3)) "
        "FROM tier WHERE tier.code = 'gold' AND item.sku IN ('SHELF', 'RARE')"
    )
    await connection.execute(
        "UPDATE member SET tier_id = (SELECT id FROM tier WHERE code = 'gold') WHERE external_id = 'M2'"
    )
    await connection.execute("SELECT pg_notify('catalog', '')")
    await expect(other, "/items", ">17<")
    # Whoever comes first makes the frame of the home page; those after them see their own prices in it.
    for path, skus in (("/", ("SHELF", "RARE")), ("/items?sort=points_up", ("SHELF", "RARE")), ("/drops", ("RARE",))):
        golden, silver, guest, again = [(await reader.get(path)).text for reader in (other, member, client, other)]
        assert again == golden
        for sku in skus:
            points = 20 if sku == "SHELF" else 10
            assert prices_in(golden, sku) == {(f"{points - 3}", f"{points}")}
            for page in (silver, guest):
                assert prices_in(page, sku) == {(f"{points}", None)}


def prices_in(page: str, sku: str) -> set[tuple[str, str | None]]:
    """What the cards of an item say that it costs, and what they cross out."""
    cards = re.findall(rf'<a[^>]*href="/items/{sku}(?:/drop)?".*?</a>', page, re.DOTALL)
    return {
        (price[1], crossed[1] if (crossed := re.search(r"<s[^>]*>([^<]+)</s>", card)) else None)
        for card in cards
        if (price := re.search(r'class="points[^"]*">([\d,]+)<', card))
    }


async def test_a_list_goes_on_with_the_next_cards_alone(shop: Shop, open_client: OpenClient) -> None:
    for number in range(30):
        await shop.world.item(f"MORE-{number:02}", points=500 + number)
    await shop.world.connection.execute("SELECT pg_notify('catalog', '')")
    client = open_client()
    first = ""
    for _ in range(100):
        first = (await client.get("/items?sort=points_up")).text
        if "Show more" in first:
            break
        await shop.world.connection.execute("SELECT pg_sleep(0.05)")
        client.headers["cookie"] = f"liyu_text={_}"
    found = re.search(r'href="(/items\?[^"]*cursor=[^"]+)"', first)
    assert found
    path = found.group(1).replace("&amp;", "&")
    fragment = await client.get(path, headers={"hx-request": "true"})
    assert "<html" not in fragment.text
    assert fragment.text.count('class="card item') == 37 - 24
    whole = await client.get(path)
    assert "<html" in whole.text
    back = (await client.get("/items?sort=points_up&shown=48")).text
    assert back.count('class="card item') == 37


async def test_an_address_that_makes_no_sense_shows_the_list(client: Client) -> None:
    answer = await client.get("/items?scene=moon&sort=sideways&points_from=many&shown=-1")
    assert answer.status_code == 200
    assert "CHEAP" in answer.text


async def test_the_balance_runs_through_the_history(shop: Shop, member: Client) -> None:
    await shop.world.redeem("M1", "CHEAP")
    page = (await member.get("/points")).text
    assert "−100" in page
    assert "Balance 900" in page
    assert "Balance 1,000" in page
    assert "“Purchases”: 1,000" in page


async def test_stock_is_told_as_json_where_no_stream_is_wanted(shop: Shop, client: Client) -> None:
    answer = await client.get("/live/stock?sku=RARE&sku=CHEAP&sku=nothing", headers={"accept": "application/json"})
    assert answer.json() == {"items": [{"sku": "RARE", "left": 2, "total": 2}]}
    assert "2 left" in re.sub(r"<[^>]+>", "", (await client.get("/live/stock/RARE")).text).replace("of ", "")
    assert (await client.get("/live/stock/nothing")).status_code == 404


async def test_a_card_stands_for_the_variant_that_is_left(shop: Shop, member: Client) -> None:
    world = shop.world
    await world.item("LAMP", kind="goods", points=40, stock=1)
    await world.item("LAMP-RED", kind="goods", points=45, stock=1, variant_of="LAMP")
    await world.redeem("M1", "LAMP")
    await world.connection.execute("SELECT pg_notify('catalog', '')")
    await expect(member, "/items?points_to=60", 'href="/items/LAMP-RED"')
    card = re.search(r'<a[^>]*href="/items/LAMP-RED".*?</a>', (await member.get("/items?points_to=60")).text, re.DOTALL)
    assert card is not None
    assert "45" in card[0]
    assert "You can have it" in card[0]
    assert "All gone" not in card[0]
    await world.redeem("M1", "LAMP-RED")
    await expect(member, "/items?points_to=60", "All gone")


async def expect(client: Client, path: str, words: str) -> None:
    """Wait until a page that follows the database says something."""
    for _ in range(100):
        if words in (text := (await client.get(path)).text):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(text)
