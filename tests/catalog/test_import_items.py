from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from psycopg import AsyncConnection

from liyu.catalog.errors import FileFaultyError
from liyu.catalog.import_items import COLUMNS, import_items, read_csv
from liyu.catalog.plan import plan_publication
from liyu.catalog.publish import publish_items, write_publication
from liyu.catalog.records import ImportResult, ItemRecord
from liyu.catalog.service import set_state
from liyu.members.program import ensure_program
from tests.catalog.conftest import NOW, ZONE, fetch

MINIMAL = {"sku": "CUP-1", "kind": "goods", "name_zh": "茶杯", "points": "100"}
FULL = {
    "sku": "LATTE-1", "kind": "partner_right", "name_zh": "拿铁一杯", "name_en": "A latte", "points": "180", "cash_minor": "0",
    "stock": "50", "per_member_limit": "2", "tier": "gold", "on_sale_from": "2026-11-22T10:00:00",
    "on_sale_to": "2026-11-30T10:00:00+00:00", "partner": "DINTAIFUNG", "scene": "coffee",
}  # fmt: skip


async def load(connection: AsyncConnection[Any], *rows: dict[str, str]) -> ImportResult:
    return await import_items(connection, rows, actor="test", now=NOW, zone=ZONE)


async def faults_of(connection: AsyncConnection[Any], *rows: dict[str, str]) -> list[tuple[int, str, str]]:
    before = await everything(connection)
    with pytest.raises(FileFaultyError) as refused:
        await load(connection, *rows)
    assert await everything(connection) == before
    assert len(refused.value.reasons) == len(refused.value.faults)
    return [(fault.row, fault.column, str(fault.message)) for fault in refused.value.faults]


async def everything(connection: AsyncConnection[Any]) -> list[Any]:
    return [
        await fetch(connection, f"SELECT t.* FROM {table} t ORDER BY 1, 2")
        for table in ("item", "item_stock", "item_store", "item_state_change")
    ]


async def one(connection: AsyncConnection[Any], columns: str, sku: str) -> Any:
    query = f"SELECT {columns} FROM item i JOIN item_stock s ON s.item_id = i.id WHERE sku = %s"
    return (await fetch(connection, query, sku))[0]


async def test_four_columns_are_enough(connection: AsyncConnection[Any]) -> None:
    assert await load(connection, MINIMAL) == ImportResult(1, 0, 0)
    assert await one(connection, "kind, state, name_zh, name_en, points, cash_minor, total, taken, scene", "CUP-1") == (
        "goods", "live", "茶杯", "", 100, 0, None, 0, "shopping",
    )  # fmt: skip
    changes = await fetch(connection, "SELECT from_state, to_state, reason, actor, at FROM item_state_change")
    assert changes == [(None, "live", "imported", "test", NOW)]


async def test_every_column_is_read(connection: AsyncConnection[Any]) -> None:
    await load(connection, FULL)
    columns = (
        "per_member_limit, total, scene, is_drop, on_sale_from, on_sale_to, (SELECT code FROM tier WHERE id = tier_id)"
    )
    assert await one(connection, columns, "LATTE-1") == (
        2, 50, "coffee", True, datetime(2026, 11, 22, 2, tzinfo=UTC), datetime(2026, 11, 30, 10, tzinfo=UTC), "gold",
    )  # fmt: skip


async def test_the_same_file_again_changes_nothing(connection: AsyncConnection[Any]) -> None:
    await load(connection, MINIMAL, FULL)
    before = await everything(connection)
    assert await load(connection, MINIMAL, FULL) == ImportResult(0, 0, 2)
    assert await everything(connection) == before


async def test_a_known_item_is_changed_in_place(connection: AsyncConnection[Any]) -> None:
    await load(connection, MINIMAL, FULL)
    await fetch(connection, "UPDATE item_stock SET taken = 20 RETURNING 1")
    assert await load(connection, FULL | {"points": "150", "stock": "20"}, MINIMAL) == ImportResult(0, 1, 1)
    assert await one(connection, "points, total, taken, state", "LATTE-1") == (150, 20, 20, "live")
    assert len(await fetch(connection, "SELECT 1 FROM item_state_change")) == 2


async def test_an_absent_column_keeps_and_an_empty_cell_resets(connection: AsyncConnection[Any]) -> None:
    await load(connection, FULL)
    await load(connection, {key: FULL[key] for key in ("sku", "kind", "name_zh", "points")})
    assert (await one(connection, "total, per_member_limit, name_en", "LATTE-1")) == (50, 2, "A latte")
    await load(connection, FULL | {"stock": "", "per_member_limit": "", "tier": "", "on_sale_from": ""})
    assert (await one(connection, "total, per_member_limit, tier_id, on_sale_from, is_drop", "LATTE-1")) == (
        None,
        None,
        None,
        None,
        False,
    )


async def test_texts_that_a_file_cannot_hold_are_kept(
    connection: AsyncConnection[Any], demo_items: list[ItemRecord]
) -> None:
    await load(connection, {"sku": "LUCKIN-PAIR", "kind": "partner_right", "name_zh": "瑞幸双杯", "points": "200"})
    columns = (
        "name_zh, points, jsonb_array_length(rules_zh), uses, (SELECT count(*) FROM item_store WHERE item_id = i.id)"
    )
    assert await one(connection, columns, "LUCKIN-PAIR") == ("瑞幸双杯", 200, 3, 2, 2)


async def test_the_demo_is_published_once(connection: AsyncConnection[Any], demo_items: list[ItemRecord]) -> None:
    assert await publish_items(connection, demo_items, actor="test", now=NOW, zone=ZONE) == ImportResult(
        0, 0, len(demo_items), [item.sku for item in demo_items if item.kind == "code"]
    )


FAULTS: list[tuple[dict[str, str], str, str]] = [
    ({"sku": ""}, "sku", "Is missing."),
    ({"sku": "x" * 65}, "sku", "Is longer than 64"),
    ({"sku": "茶杯"}, "sku", "May only have letters"),
    ({"sku": "A B"}, "sku", "May only have letters"),
    (
        {"kind": "ticket"},
        "kind",
        "Unknown kind; known are goods, pick_up, coupon, partner_right, code, top_up, draw, donation.",
    ),
    ({"name_zh": ""}, "name_zh", "Is missing."),
    ({"name_zh": "杯" * 201}, "name_zh", "Is longer than 200"),
    ({"name_en": "cup\x00"}, "name_en", "cannot be shown"),
    ({"points": ""}, "points", "Is missing."),
    ({"points": "12.5"}, "points", "whole number"),
    ({"points": "1e3"}, "points", "whole number"),
    ({"points": "１００"}, "points", "whole number"),
    ({"points": "-1"}, "points", "not be negative"),
    ({"points": "9" * 30}, "points", "at most 1000000000000"),
    ({"points": "9" * 9000}, "points", "at most 1000000000000"),
    ({"cash_minor": "9.90"}, "cash_minor", "whole number"),
    ({"stock": "many"}, "stock", "whole number"),
    ({"stock": "-5"}, "stock", "not be negative"),
    ({"per_member_limit": "0"}, "per_member_limit", "at least 1"),
    ({"tier": "diamond"}, "tier", "known are standard, silver, gold, platinum"),
    ({"partner": "NOBODY"}, "partner", "Unknown partner; known are ATOUR, CARINC"),
    ({"on_sale_from": "tomorrow"}, "on_sale_from", "Must be a date"),
    ({"on_sale_from": "0001-01-01"}, "on_sale_from", "Must be a date"),
    ({"on_sale_to": "9999-12-31"}, "on_sale_to", "Must be a date"),
    ({"on_sale_from": "2026-12-01", "on_sale_to": "2026-11-01"}, "on_sale_to", "must begin before it ends"),
    ({"scene": "s" * 41}, "scene", "Is longer than 40"),
    ({"colour": "red"}, "colour", "Unknown column; known are sku, kind"),
]


async def test_a_fault_is_named_and_nothing_changes(connection: AsyncConnection[Any]) -> None:
    await load(connection, MINIMAL | {"tier": "gold"})
    for change, column, words in FAULTS:
        [(row, at, message)] = await faults_of(connection, MINIMAL | change)
        assert (row, at) == (1 if column == "colour" else 2, column), change
        assert words in message, change


async def test_all_faults_of_all_rows_are_told_at_once(connection: AsyncConnection[Any]) -> None:
    faults = await faults_of(
        connection,
        MINIMAL | {"tier": "", "partner": ""},
        {"sku": "A", "kind": "car", "name_zh": "", "points": "-3", "tier": "wood", "partner": "NOBODY"},
        MINIMAL | {"tier": "wood", "partner": ""},
    )
    assert [(row, column) for row, column, _ in faults] == [
        (3, "kind"), (3, "name_zh"), (3, "partner"), (3, "points"), (3, "tier"), (4, "sku"), (4, "tier"),
    ]  # fmt: skip
    assert "row 2" in next(message for row, column, message in faults if (row, column) == (4, "sku"))


async def test_a_missing_column_is_named(connection: AsyncConnection[Any]) -> None:
    assert await faults_of(connection, {"sku": "A", "kind": "goods"}) == [
        (1, "name_zh", "The column is missing."), (1, "points", "The column is missing."),
    ]  # fmt: skip


async def test_partners_have_to_be_there_first(database_url: str) -> None:
    async with await AsyncConnection.connect(database_url, autocommit=True) as empty:
        await ensure_program(empty)
        [(_, column, message)] = await faults_of(empty, FULL)
    assert column == "partner"
    assert "liyu partners import" in message


async def test_stock_cannot_fall_below_what_is_taken(connection: AsyncConnection[Any]) -> None:
    await load(connection, FULL)
    await fetch(connection, "UPDATE item_stock SET taken = 20 RETURNING 1")
    assert await faults_of(connection, FULL | {"stock": "19"}) == [
        (2, "stock", "20 units are taken already; the stock cannot be less.")
    ]


async def test_units_taken_during_an_import_are_not_overlooked(connection: AsyncConnection[Any]) -> None:
    await load(connection, FULL)
    plan = await plan_publication(connection, [ItemRecord(row=2, sku="LATTE-1", stock=5)], NOW, ZONE)
    assert plan.faults == []
    await connection.execute("UPDATE item_stock SET taken = 6")

    async def write() -> None:
        async with connection.transaction():
            await write_publication(connection, plan, actor="test", now=NOW, reason="imported")

    with pytest.raises(FileFaultyError) as refused:
        await write()
    assert [(fault.row, fault.column) for fault in refused.value.faults] == [(2, "stock")]
    assert await one(connection, "total, taken", "LATTE-1") == (50, 6)


async def test_kinds_never_change_and_ended_items_stay_ended(connection: AsyncConnection[Any]) -> None:
    await load(connection, MINIMAL)
    assert (await faults_of(connection, MINIMAL | {"kind": "draw"}))[0][1] == "kind"
    (item_id,) = await one(connection, "i.id", "CUP-1")
    await set_state(connection, item_id, "paused", actor="test", reason="rest", now=NOW)
    assert (await load(connection, MINIMAL)).changed == 1
    assert await one(connection, "state", "CUP-1") == ("live",)
    await set_state(connection, item_id, "ended", actor="test", reason="over", now=NOW)
    assert (await faults_of(connection, MINIMAL))[0][1] == "sku"


async def test_an_agreement_line_is_never_guessed(connection: AsyncConnection[Any]) -> None:
    line = "(SELECT code || version FROM agreement_line WHERE id = agreement_line_id)"
    await connection.execute(
        "WITH solo AS (INSERT INTO partner (code, name_zh, name_en, category, state, created_at) "
        "VALUES ('SOLO', '独', 'Solo', 'coffee', 'active', now()) RETURNING id) "
        "INSERT INTO agreement_line (partner_id, code, version, mode, title_zh, title_en, currency, unit_price_minor, "
        "commission_minor, free_quota, tax_rate_basis_points, valid_from, valid_to) "
        "SELECT id, code, version, 'concierge', '', '', 'CNY', 1, 0, 0, 600, '2020-01-01', valid_to "
        "FROM solo, (VALUES ('OLD', 1, '2021-01-01'::date), ('NOW', 1, NULL), ('NOW', 2, NULL)) AS l(code, version, valid_to)"
    )
    await load(connection, FULL | {"partner": "SOLO"}, FULL | {"sku": "TWO-LINES", "partner": "LUCKIN"})
    assert await one(connection, line, "LATTE-1") == ("NOW2",)
    assert await one(connection, line, "TWO-LINES") == (None,)


async def test_a_chosen_agreement_line_stays_as_long_as_its_partner(connection: AsyncConnection[Any]) -> None:
    await publish_items(
        connection,
        [ItemRecord(sku="CUP", kind="coupon", name_zh="杯", points=5, partner="LUCKIN", agreement_line="LUCKIN-BULK")],
        actor="test", now=NOW, zone=ZONE,
    )  # fmt: skip
    row = {"sku": "CUP", "kind": "coupon", "name_zh": "杯", "points": "5", "partner": "LUCKIN"}
    assert (await load(connection, row)).unchanged == 1
    await load(connection, row | {"partner": "HEYTEA"})
    assert await one(connection, "agreement_line_id", "CUP") == (None,)


async def test_items_with_codes_offer_what_their_pool_has(connection: AsyncConnection[Any]) -> None:
    row = MINIMAL | {"kind": "code", "stock": "40"}
    assert (await load(connection, row)).awaiting_codes == ["CUP-1"]
    assert await one(connection, "total", "CUP-1") == (0,)


async def test_a_date_means_whole_days_of_the_program(connection: AsyncConnection[Any]) -> None:
    await load(connection, MINIMAL | {"on_sale_from": "2026-11-22", "on_sale_to": "2026-11-22"})
    assert await one(connection, "on_sale_from, on_sale_to", "CUP-1") == (
        datetime(2026, 11, 21, 16, tzinfo=UTC), datetime(2026, 11, 22, 16, tzinfo=UTC),
    )  # fmt: skip


async def test_five_thousand_rows_take_a_moment(connection: AsyncConnection[Any]) -> None:
    rows = [MINIMAL | {"sku": f"CUP-{number}", "stock": "5"} for number in range(5_000)]
    begun = datetime.now(UTC)
    assert (await load(connection, *rows)).created == 5_000
    assert (datetime.now(UTC) - begun).total_seconds() < 5


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "items.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_a_file_may_have_a_mark_and_any_order(tmp_path: Path) -> None:
    rows = read_csv(write(tmp_path, '\ufeffpoints, sku,name_zh,kind\r\n5,A,"茶,杯",goods\r\n\r\n7,B,杯\r\n'))
    assert rows == [
        {"points": "5", "sku": "A", "name_zh": "茶,杯", "kind": "goods"},
        {"points": "", "sku": "", "name_zh": "", "kind": ""},
        {"points": "7", "sku": "B", "name_zh": "杯", "kind": ""},
    ]


def broken_files() -> Iterator[tuple[str | bytes, str]]:
    header = "sku,kind,name_zh,points\n"
    yield "", "The column is missing."
    yield "茶杯,100\n".encode("gb18030"), "not UTF-8"
    yield (header + "A,goods,杯,5,6\n"), "5 cells, the header 4"
    yield ("sku," + header), "twice"
    yield (header + 'A,goods,"杯,5\n'), "not CSV"


@pytest.mark.parametrize(("content", "words"), list(broken_files()))
def test_a_broken_file_is_refused(tmp_path: Path, content: str | bytes, words: str) -> None:
    with pytest.raises(FileFaultyError) as refused:
        read_csv(write(tmp_path, content))
    assert words in str(refused.value.faults[0].message)


def test_the_columns_are_the_promised_ones() -> None:
    assert {*FULL, *SHIRT} <= set(COLUMNS)


SHIRT = {
    "sku": "SHIRT-RED", "kind": "goods", "name_zh": "衬衫", "points": "900", "variant_zh": "红色", "variant_of": "",
    "per_person_limit": "2", "per_order_limit": "1", "per_day_limit": "1", "tier_prices": "gold:800；Platinum：700", "tags": "",
    "cities": "上海、北京", "visible_from": "2026-12-01", "visible_to": "2026-12-31", "ships_days": "3", "ships_not_to": "西藏",
    "value_minor": "12900", "summary_zh": "纯棉", "coupon_form": "", "coupon_purpose": "",
}  # fmt: skip


async def test_variants_share_all_but_their_own_and_follow_their_item(connection: AsyncConnection[Any]) -> None:
    blue = {**SHIRT, "sku": "SHIRT-BLUE", "variant_of": "SHIRT-RED", "variant_zh": "蓝色", "stock": "5", "cities": ""}
    # Also where the variant stands first.
    assert await load(connection, blue, SHIRT) == ImportResult(2, 0, 0)
    shared = "per_person_limit, cities, ships_days, visible_from, on_sale_from, on_sale_to = visible_to"
    assert await one(connection, shared, "SHIRT-BLUE") == await one(connection, shared, "SHIRT-RED")
    assert await one(connection, "variant_zh, total, (SELECT sku FROM item l WHERE l.id = i.variant_of)", "SHIRT-BLUE") == (
        "蓝色", 5, "SHIRT-RED",
    )  # fmt: skip
    prices = "(SELECT jsonb_agg(t.code || ':' || (p ->> 'points') ORDER BY t.rank) FROM jsonb_array_elements(i.tier_points) p "
    assert await one(connection, f"{prices} JOIN tier t ON t.id = (p ->> 'tier_id')::int)", "SHIRT-RED") == (
        ["gold:800", "platinum:700"],
    )
    assert await load(connection, blue, SHIRT) == ImportResult(0, 0, 2)
    # A change of the item alone leads its variants.
    await publish_items(
        connection, [ItemRecord(sku="SHIRT-RED", name_zh="新衬衫", points=950)], actor="test", now=NOW, zone=ZONE
    )
    assert await one(connection, "name_zh, points, variant_zh", "SHIRT-BLUE") == ("新衬衫", 900, "蓝色")


@pytest.mark.parametrize(
    ("cells", "column"),
    [
        ({"variant_of": "NOBODY"}, "variant_of"),
        ({"variant_of": "CUP-1", "variant_zh": ""}, "variant_zh"),
        ({"variant_of": "CUP-1", "kind": "coupon"}, "kind"),
        ({"tier_prices": "gold"}, "tier_prices"),
        ({"tier_prices": "wood:3"}, "tier_prices"),
        ({"tags": "nobody"}, "tags"),
        ({"on_sale_from": "2026-11-30"}, "visible_from"),
        ({"on_sale_to": "2027-01-31"}, "visible_to"),
        ({"coupon_form": "cash", "coupon_purpose": "care", "coupon_benefit": "5"}, "coupon_form"),
        ({"coupon_form": "voucher"}, "coupon_form"),
        ({"kind": "coupon", "coupon_form": "cash"}, "coupon_purpose"),
        ({"kind": "coupon", "coupon_form": "cash", "coupon_purpose": "care"}, "coupon_benefit"),
        ({"kind": "coupon", "coupon_form": "gift", "coupon_purpose": "care", "coupon_benefit": "5"}, "coupon_benefit"),
        (
            {"kind": "coupon", "coupon_form": "discount", "coupon_purpose": "care", "coupon_benefit": "10000"},
            "coupon_benefit",
        ),
        ({"per_order_limit": "0"}, "per_order_limit"),
    ],
)
async def test_further_faults_are_found(connection: AsyncConnection[Any], cells: dict[str, str], column: str) -> None:
    await load(connection, MINIMAL)
    assert [place for _, place, _ in await faults_of(connection, SHIRT | cells)] == [column]
