"""Curating: making, copying, previewing, taking back, and files with a dry run."""

import csv
import io
import re

import xlsxwriter
from httpx import AsyncClient, Response
from PIL import Image

from liyu.catalog.item_columns import COLUMNS
from liyu.catalog.models import ITEM_KINDS
from tests.web.console.acts import submit, texts_of
from tests.web.console.conftest import SignIn
from tests.web.personas import field_in
from tests.world import World

SHIRT = {
    "sku": "SHIRT", "kind": "goods", "name_zh": "衬衫", "name_en": "Shirt", "points": "900",
    "price_gold": "800", "scene": "shopping",
    "value_minor": "129", "cities": "上海、北京", "per_person_limit": "2", "visible_from": "2026-12-01T10:00", "ships_days": "3",
    "ships_not_to": "西藏", "on_sale": "yes", "stock": "5",
}  # fmt: skip


async def test_an_item_is_made_copied_previewed_and_taken_back(sign_in: SignIn, world: World) -> None:
    client, page = await sign_in("operator"), "/console/items/new"
    tag = {"code": "vip", "name_zh": "贵宾", "name_en": "Honoured", "icon": "tag"}
    assert (await submit(client, "/console/tags/new", "/console/tags/new", **tag)).status_code == 303
    assert "Honoured" in (await client.get(page)).text
    assert (await submit(client, page, page, **SHIRT)).status_code == 303
    assert await world.one("SELECT state FROM item WHERE sku = 'SHIRT'") == "live"
    copy = await client.get(f"{page}?copy=SHIRT")
    assert 'value="800"' in copy.text
    assert "上海、北京" in copy.text
    assert 'value="SHIRT"' not in copy.text
    variant = SHIRT | {"sku": "SHIRT-RED", "variant_of": "SHIRT", "variant_zh": "红", "visible_from": ""}
    assert (await submit(client, page, page, **variant)).status_code == 303
    seen = texts_of(
        await submit(client, page, "/console/items/preview", **(SHIRT | {"points": "1290", "name_en": "Linen"}))
    )
    assert "Linen" in seen
    assert "100 points are worth ¥ 10.00 here" in seen
    assert "Gold" in seen
    assert (await submit(client, page, "/console/items/preview", points="x", tags="nobody")).status_code == 200
    assert await world.one("SELECT count(*) FROM item") == 5
    edit = "/console/items/SHIRT/edit"
    assert (await submit(client, edit, edit, **(SHIRT | {"points": "700", "price_gold": ""}))).status_code == 303
    item = texts_of(await client.get("/console/items/SHIRT"))
    assert "SHIRT-RED" in item
    assert "上海, 北京" in item
    versions = texts_of(await client.get("/console/items/SHIRT/versions"))
    assert "Version 2" in versions
    assert "900 → 700" in versions
    assert (
        await submit(client, "/console/items/SHIRT/versions", "/console/items/SHIRT/restore", number="1")
    ).status_code == 303
    assert await world.one("SELECT points FROM item WHERE sku = 'SHIRT'") == 900
    assert await world.one("SELECT cities FROM item WHERE sku = 'SHIRT-RED'") == ["上海", "北京"]


async def test_what_is_faulty_is_said_at_its_field_and_nothing_is_made(sign_in: SignIn, world: World) -> None:
    client, page = await sign_in("operator"), "/console/items/new"
    for faulty in (
        {"visible_from": "2026-12-09T10:00", "on_sale_from": "2026-12-08T10:00"},
        {"variant_of": "NOBODY"},
        {"kind": "coupon", "coupon_form": "cash", "coupon_purpose": "care"},
        {"price_gold": "x"},
        {"stores": "NOWHERE"},
    ):
        assert (await submit(client, page, page, **(SHIRT | faulty))).status_code == 422, faulty
    assert await world.one("SELECT count(*) FROM item") == 3


async def test_a_workbook_is_compared_then_published_whole(sign_in: SignIn, world: World) -> None:
    client, page = await sign_in("operator"), "/console/items/import"
    template = await client.get(f"{page}/template.xlsx")
    assert template.content.startswith(b"PK")
    faulty = await _upload(client, [["sku", "kind", "name_zh", "points", "shoe size"], ["a", "goods", "甲", "5", "42"]])
    assert "shoe size" in texts_of(await client.get(faulty))
    headings = [column.heading_zh for column in COLUMNS[:3]] + ["points", "总库存"]
    wrong = await _upload(client, [headings, ["a", "goods", "甲", "x", ""], ["b", "nothing", "乙", "1", ""]])
    assert "2 faults" in texts_of(await client.get(wrong))
    assert (await submit(client, wrong, f"{wrong}/apply")).status_code == 303
    assert await world.one("SELECT count(*) FROM item") == 3
    await _mend_and_send_again(client, wrong)
    good = await _upload(client, [headings, ["tea", "goods", "茶", "120", "10"], ["new", "coupon", "新", "50", ""]])
    seen = texts_of(await client.get(good))
    assert "100 → 120" in seen
    assert "新" in seen
    assert await world.one("SELECT count(*) FROM item") == 3
    assert (await submit(client, good, f"{good}/apply")).status_code == 303
    assert await world.one("SELECT points FROM item WHERE sku = 'tea'") == 120
    assert await world.one("SELECT count(*) FROM item") == 4
    assert "Imported" in texts_of(await client.get(good))
    assert (await submit(client, wrong, f"{wrong}/discard")).status_code == 303
    assert (await (await sign_in("service")).get(page)).status_code == 403


async def _mend_and_send_again(client: AsyncClient, wrong: str) -> None:
    """The faulty rows come as a file; mended and sent again as it is, it has no fault."""
    text = (await client.get(f"{wrong}/faults.csv")).content.decode("utf-8-sig")
    header, *rows = csv.reader(io.StringIO(text))
    assert [(row[0], row[3]) for row in rows] == [("2", "a"), ("3", "b")]
    assert rows[0][1].startswith("points: ")
    assert rows[1][2] == "kind: Unknown kind; known are " + ", ".join(ITEM_KINDS) + "."
    rows[0][header.index("points")], rows[1][4] = "5", "coupon"
    mended = await _upload(client, [header, *rows])
    assert "faults" not in texts_of(await client.get(mended))
    assert (await client.get(f"{wrong}/faults.xlsx")).content.startswith(b"PK")
    assert (await submit(client, mended, f"{mended}/discard")).status_code == 303
    assert (await client.get(f"{mended}/faults.csv")).status_code == 404


async def _upload(client: AsyncClient, rows: list[list[str]]) -> str:
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(buffer)
    sheet = book.add_worksheet()
    for number, row in enumerate(rows):
        sheet.write_row(number, 0, row)
    book.close()
    token = field_in(await client.get("/console/items/import"), "csrf_token")
    answer: Response = await client.post(
        "/console/items/import", data={"csrf_token": token}, files={"file": ("items.xlsx", buffer.getvalue())}
    )
    assert answer.status_code == 303, texts_of(answer)
    return answer.headers["location"]


async def test_a_price_is_planned_seen_and_withdrawn(sign_in: SignIn, world: World) -> None:
    client, page = await sign_in("operator"), "/console/items/tea/prices"
    good = {
        "begins_at": "2027-01-01T10:00",
        "points": "80",
        "cash_minor": "5",
        "price_gold": "60",
        "reason": "New year",
    }
    for faulty in ({"begins_at": "2020-01-01T10:00"}, {"points": "x"}, {"begins_at": ""}, {"reason": ""}):
        assert (await submit(client, page, page, **good | faulty)).status_code == 422, faulty
    assert await world.one("SELECT count(*) FROM planned_price") == 0
    assert (await submit(client, page, page, **good)).status_code == 303
    assert (await submit(client, page, page, **good)).status_code == 422
    seen = texts_of(await client.get(page))
    for words in ("80", "Gold 60", "New year", "Planned"):
        assert words in seen
    assert "Price from 1 Jan 2027, 10:00" in texts_of(await client.get("/console/items/tea"))
    assert (await submit(client, page, f"{page}/withdraw", price="1")).status_code == 303
    assert "Withdrawn" in texts_of(await client.get(page))
    assert await world.one("SELECT count(*) FROM audit_event WHERE action LIKE 'item.price.%%'") == 2
    service = await sign_in("service")
    assert (await submit(service, page, page, **good)).status_code == 403


async def test_many_items_change_together_or_not_at_all(sign_in: SignIn, world: World) -> None:
    client, page = await sign_in("operator"), "/console/items"
    await world.member("m-3", points=5_000)
    await world.redeem("m-3", "tea", 5)
    chosen = {"sku": ["tea", "coupon-1"]}
    assert "2 items are ticked" in texts_of(await submit(client, page, f"{page}/bulk", **chosen))
    trial = await submit(client, page, f"{page}/bulk", **chosen, field="points_percent", points_percent="-10")
    assert "100 → 90" in texts_of(trial)
    assert await world.one("SELECT sum(points) FROM item") == 300
    change = chosen | {"field": "points_percent", "points_percent": "-10"}
    assert (await submit(client, page, f"{page}/bulk/apply", **change)).status_code == 303
    assert await world.one("SELECT sum(points) FROM item") == 280
    window = chosen | {"field": "on_sale_to", "on_sale_to": "2020-01-01T10:00"}
    await world.connection.execute("UPDATE item SET on_sale_from = '2026-01-01' WHERE sku = 'tea'")
    assert (await submit(client, page, f"{page}/bulk/apply", **window)).status_code == 422
    assert await world.one("SELECT count(*) FROM item WHERE on_sale_to IS NOT NULL") == 0
    assert (await submit(client, page, f"{page}/bulk", **chosen, field="points")).status_code == 422
    ended = await submit(client, page, f"{page}/bulk/state", **chosen, wanted="paused", reason="Stocktaking")
    assert ended.status_code == 303
    assert await world.one("SELECT count(*) FROM item WHERE state = 'paused'") == 2
    assert (await (await sign_in("service")).post(f"{page}/bulk", data=chosen)).status_code == 403


async def test_a_picture_is_checked_encoded_anew_and_served_for_ever(sign_in: SignIn, world: World) -> None:
    client, page = await sign_in("operator"), "/console/items/tea/pictures"
    for content in (b"<svg onload=alert(1)>", _png(100, "red"), b"\x89PNG\r\n"):
        assert (await _send_picture(client, page, content)).status_code == 422
    assert await world.one("SELECT count(*) FROM picture") == 0
    for colour in ("red", "blue"):
        assert (await _send_picture(client, page, _png(900, colour))).status_code == 303
    digests = re.findall(r"position_([0-9a-f]{64})", (await client.get(page)).text)
    order = {f"position_{one}": str(2 - place) for place, one in enumerate(digests)}
    assert (await submit(client, page, f"{page}/order", **order, **{f"alt_zh_{digests[1]}": "蓝"})).status_code == 303
    assert await world.one("SELECT digest FROM item_picture WHERE position = 1") == digests[1]
    served = await client.get(f"/pictures/{digests[1]}-s.webp")
    assert (served.headers["content-type"], served.content[8:12]) == ("image/webp", b"WEBP")
    assert "immutable" in served.headers["cache-control"]
    for missing in (f"/pictures/{'0' * 64}-s.webp", "/pictures/..%2Fsecret.key", f"/pictures/{digests[1]}-x.webp"):
        assert (await client.get(missing)).status_code == 404
    assert (await submit(client, page, f"{page}/remove", digest=digests[1])).status_code == 303
    assert (await submit(client, page, f"{page}/remove", digest=digests[1])).status_code == 404
    assert await world.one("SELECT count(*) FROM item_picture") == 1


def _png(width: int, colour: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGBA", (width, width // 2), colour).save(buffer, "PNG")
    return buffer.getvalue()


async def _send_picture(client: AsyncClient, page: str, content: bytes) -> Response:
    token = field_in(await client.get(page), "csrf_token")
    return await client.post(
        page, data={"csrf_token": token, "alt_zh": "图"}, files={"picture": ("harmless.png", content, "image/png")}
    )
