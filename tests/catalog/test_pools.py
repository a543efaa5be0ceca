from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from psycopg import AsyncConnection

from liyu.catalog.errors import ItemNotFoundError, NotACodeItemError, NothingToRecallError, StockOfPoolError
from liyu.catalog.pools.files import fault_rows, read_codes
from liyu.catalog.pools.forecast import Forecast, Use, forecast
from liyu.catalog.pools.imports import CodesImported, import_codes, split_codes
from liyu.catalog.pools.queries import list_faults, list_pools, list_recalls, list_reveals, load_pool
from liyu.catalog.pools.recall import Recall, Recalled, recall_codes
from liyu.catalog.pools.reveal import reveal, reveal_to_operator
from liyu.catalog.pools.watch import set_watch, watch_pools
from liyu.catalog.publish import publish_items
from liyu.catalog.records import ItemRecord
from liyu.catalog.service import set_stock
from liyu.core.errors import InvalidInputError, NotFoundError
from liyu.members.imports.errors import FileUnreadableError
from liyu.partners.scope import EVERY_PARTNER
from tests.catalog.conftest import NOW, SECRET, ZONE, add_member, add_redemption, fetch

Connection = AsyncConnection[Any]


@pytest.fixture
async def pools(connection: Connection) -> None:
    """A of LUCKIN, B of nobody, and C, which has no codes."""
    items = [
        ItemRecord(sku=sku, kind=kind, name_zh=sku, points=10, partner=partner)
        for sku, kind, partner in (("A", "code", "LUCKIN"), ("B", "code", None), ("C", "goods", None))
    ]
    await publish_items(connection, items, actor="test", now=NOW, zone=ZONE)


async def bring(connection: Connection, sku: str, text: str, **options: Any) -> CodesImported:
    return await import_codes(connection, sku, split_codes(text), secret_key=SECRET, actor="test", now=NOW, **options)


async def take_back(connection: Connection, sku: str, **facts: Any) -> Recalled:
    recall = Recall("bad", **facts)
    return await recall_codes(connection, sku, recall, secret_key=SECRET, actor="test", now=NOW)


async def hand_out(connection: Connection, sku: str, who: str, codes: int = 1) -> tuple[int, int]:
    """A member who has redeemed the first free codes of a pool, as the desk leaves it."""
    member, item = await add_member(connection, who), await item_id(connection, sku)
    redemption = await add_redemption(connection, member, item)
    await connection.execute(
        "UPDATE pool_code SET redemption_id = %s WHERE id IN (SELECT id FROM pool_code WHERE item_id = %s "
        "AND redemption_id IS NULL AND recall_id IS NULL ORDER BY id LIMIT %s)",
        (redemption, item, codes),
    )
    await connection.execute(
        "UPDATE redemption SET quantity = %s, created_at = %s WHERE id = %s", (codes, NOW, redemption)
    )
    await connection.execute("UPDATE item_stock SET taken = taken + %s WHERE item_id = %s", (codes, item))
    return member, redemption


async def item_id(connection: Connection, sku: str) -> int:
    return int((await fetch(connection, "SELECT id FROM item WHERE sku = %s", sku))[0][0])


async def stock(connection: Connection, sku: str) -> tuple[int, int]:
    [row] = await fetch(
        connection, "SELECT total, taken FROM item_stock s JOIN item i ON i.id = s.item_id WHERE sku = %s", sku
    )
    return row[0], row[1]


async def codes_of(connection: Connection, member: int, redemption: int) -> tuple[list[str], int]:
    seen = await reveal(connection, member, redemption, secret_key=SECRET, now=NOW)
    return seen.codes, seen.waiting


@pytest.mark.usefixtures("pools")
async def test_every_code_gets_its_answer_and_stock_follows(connection: Connection) -> None:
    first = await bring(connection, "A", f"ONE\n TWO \n\nONE\n{'x' * 501}\nnul\0\n", file_name="a.csv")
    assert (first.ok, first.duplicate, first.failed, first.existing, first.total) == (2, 1, 2, 0, 2)
    again = await bring(connection, "B", "ONE\nTHREE\nTHREE")
    assert (again.existing, again.ok, again.duplicate) == (1, 1, 1)
    assert (await stock(connection, "A"), await stock(connection, "B")) == ((2, 0), (1, 0))
    faults = [(one.row, one.status, one.fault, one.other_sku) for one in await list_faults(connection, again.import_id)]
    assert faults == [(1, "existing", None, "A"), (3, "duplicate", None, None)]
    written = b"".join(
        [
            piece
            async for piece in fault_rows(connection, first.import_id, lambda *why: [str(why), ""], secret_key=SECRET)
        ]
    ).decode("utf-8-sig")
    assert [line.split(",")[0] for line in written.splitlines()] == ["行号 Row", "4", "5", "6"]
    assert "ONE" in written


@pytest.mark.usefixtures("pools")
async def test_no_code_is_readable_in_the_database(connection: Connection) -> None:
    await bring(connection, "A", "SECRET-CODE\nSECRET-CODE")
    [(secret, digest)] = await fetch(connection, "SELECT secret, secret_hash FROM pool_code")
    [(kept,)] = await fetch(connection, "SELECT secret FROM pool_import_fault")
    assert b"SECRET-CODE" not in bytes(secret) + bytes(digest) + bytes(kept)


@pytest.mark.usefixtures("pools")
async def test_only_their_owner_sees_codes_and_every_look_is_kept(connection: Connection) -> None:
    await bring(connection, "A", "ONE\nTWO")
    owner, redemption = await hand_out(connection, "A", "owner")
    stranger = await add_member(connection, "stranger")
    [code] = (await codes_of(connection, owner, redemption))[0]
    seen = await reveal_to_operator(connection, redemption, secret_key=SECRET, actor="staff:1", reason="asked", now=NOW)
    assert seen.codes == [code]
    with pytest.raises(NotFoundError):
        await codes_of(connection, stranger, redemption)
    looks = [
        (one.actor, one.by_staff, one.reason) for one in await list_reveals(connection, await item_id(connection, "A"))
    ]
    assert looks == [("staff:1", True, "asked"), (f"member:{owner}", False, "")]
    for state in ("held", "cancelled"):
        await connection.execute("UPDATE redemption SET state = %s", (state,))
        with pytest.raises(NotFoundError):
            await codes_of(connection, owner, redemption)


@pytest.mark.usefixtures("pools")
async def test_pools_belong_to_items_with_codes_and_to_their_partner(connection: Connection) -> None:
    [(luckin,), (other,)] = (
        await fetch(connection, "SELECT id FROM partner WHERE code IN ('LUCKIN', 'STARBUCKS') ORDER BY code")
        if await fetch(connection, "SELECT 1 FROM partner WHERE code = 'STARBUCKS'")
        else await fetch(
            connection, "(SELECT id FROM partner WHERE code = 'LUCKIN') UNION ALL (SELECT max(id) FROM partner)"
        )
    )
    with pytest.raises(NotACodeItemError):
        await bring(connection, "C", "ONE")
    for sku, scope in (("NONE", EVERY_PARTNER), ("A", other), ("B", luckin)):
        with pytest.raises(ItemNotFoundError):
            await bring(connection, sku, "ONE", scope=scope)
    with pytest.raises(StockOfPoolError):
        await set_stock(connection, await item_id(connection, "A"), 5, now=NOW)
    assert await fetch(connection, "SELECT 1 FROM pool_code UNION ALL SELECT 1 FROM pool_import") == []
    assert await stock(connection, "A") == (0, 0)
    assert [one.sku for one in await list_pools(luckin, connection, now=NOW, zone=ZONE)] == ["A"]
    with pytest.raises(NotFoundError):
        await load_pool(other, connection, "A", now=NOW, zone=ZONE)


def test_files_of_one_column_need_no_heading_and_lost_digits_are_found(tmp_path: Path) -> None:
    plain, cards, book = tmp_path / "a.txt", tmp_path / "b.csv", tmp_path / "c.xlsx"
    plain.write_text("AAA\nBBB\n\nCCC,1\n")
    assert [(one.row, one.text, one.fault) for one in read_codes(plain)] == [
        (1, "AAA", None), (2, "BBB", None), (4, "CCC,1", "columns")
    ]  # fmt: skip
    cards.write_text("序号,卡号,卡密\n1,N1,P1\n2,N2,P2\n")
    assert [one.text for one in read_codes(cards)] == ["N1 P1", "N2 P2"]
    with xlsxwriter.Workbook(str(book)) as made:
        sheet = made.add_worksheet()
        for row, cell in enumerate(["券码", "OK-1", 12345678901234567890, 4711]):
            sheet.write(row, 0, cell)
    assert [(one.row, one.fault) for one in read_codes(book)] == [(2, None), (3, "number"), (4, None)]
    cards.write_text("a,b\n1,2\n")
    with pytest.raises(FileUnreadableError):
        read_codes(cards)


@pytest.mark.usefixtures("pools")
async def test_a_recall_replaces_what_members_hold_and_leaves_used_codes_alone(connection: Connection) -> None:
    bad = await bring(connection, "A", "BAD-1\nBAD-2\nBAD-3\nBAD-4")
    await bring(connection, "A", "GOOD-1\nGOOD-2")
    (first, first_order), (second, second_order) = [await hand_out(connection, "A", who) for who in ("m1", "m2")]
    [used] = (await codes_of(connection, first, first_order))[0]
    done = await take_back(connection, "A", import_id=bad.import_id, used=split_codes(used))
    assert (done.withdrawn, done.replaced, done.waiting) == (2, 1, 0)
    assert await codes_of(connection, first, first_order) == ([used], 0)
    [new], waiting = await codes_of(connection, second, second_order)
    assert (new.startswith("GOOD"), waiting) == (True, 0)
    assert await stock(connection, "A") == (3, 2)  # two that are out, one that is free
    told = await fetch(connection, "SELECT member_id, topic FROM member_notice")
    assert told == [(second, "code_replaced")]
    [line] = await list_recalls(connection, await item_id(connection, "A"))
    assert (line.import_id, line.withdrawn, line.replaced, line.waiting, line.refunded) == (bad.import_id, 2, 1, 0, 0)
    with pytest.raises(NothingToRecallError):
        await take_back(connection, "A", import_id=bad.import_id)
    assert len(await list_recalls(connection, line.id)) <= 1


@pytest.mark.usefixtures("pools")
async def test_who_cannot_be_served_gets_the_next_codes_that_come_in(connection: Connection) -> None:
    bad = await bring(connection, "A", "BAD-1\nBAD-2\nBAD-3")
    member, order = await hand_out(connection, "A", "m1", codes=2)
    done = await take_back(connection, "A", import_id=bad.import_id)
    assert (done.withdrawn, done.replaced, done.waiting, done.total) == (1, 0, 2, 2)
    assert await codes_of(connection, member, order) == ([], 2)
    assert await stock(connection, "A") == (2, 2)
    one = await bring(connection, "A", "NEW-1")
    assert (one.replaced, await codes_of(connection, member, order)) == (1, (["NEW-1"], 1))
    more = await bring(connection, "A", "NEW-2\nNEW-3")
    codes, waiting = await codes_of(connection, member, order)
    assert (more.replaced, len(codes), waiting, await stock(connection, "A")) == (1, 2, 0, (3, 2))
    assert await fetch(connection, "SELECT topic FROM member_notice ORDER BY id") == [
        ("code_recalled",), ("code_replaced",)
    ]  # fmt: skip


@pytest.mark.usefixtures("pools")
async def test_a_recall_with_codes_of_elsewhere_changes_nothing(connection: Connection) -> None:
    await bring(connection, "A", "ONE\nTWO")
    other = await bring(connection, "B", "THREE")
    with pytest.raises(InvalidInputError) as refused:
        await take_back(connection, "A", codes=split_codes("ONE\nTHREE\nNONE"), used=split_codes("TWO\nX"))
    assert [(one.details["field"], one.message.values["lines"]) for one in refused.value.reasons] == [
        ("recalled", "2, 3"), ("used", "2")
    ]  # fmt: skip
    with pytest.raises(NotFoundError):
        await take_back(connection, "A", import_id=other.import_id)
    assert await fetch(connection, "SELECT 1 FROM pool_recall") == []
    assert (await take_back(connection, "A", codes=split_codes("ONE"))).withdrawn == 1
    assert await stock(connection, "A") == (1, 0)


@pytest.mark.parametrize(
    ("free", "use", "low_at", "wanted"),
    [
        (0, Use(9, 9, 60), None, Forecast("empty", 0, date(2026, 11, 22))),
        (30, Use(14, 28, 60), None, Forecast("fine", 15, date(2026, 12, 7))),  # 2 a day: the week is the faster one
        (28, Use(0, 56, 60), None, Forecast("low", 14, date(2026, 12, 6))),
        (10, Use(6, 6, 2), None, Forecast("low", 3, date(2026, 11, 25))),  # two days old: 3 a day
        (40, Use(0, 0, 60), None, Forecast("idle", None, None)),
        (40, Use(0, 0, 60), 40, Forecast("low", None, None)),
        (10**9, Use(1, 1, 60), None, Forecast("fine", None, None)),
    ],
)
def test_the_forecast_takes_the_faster_of_two_rates(free: int, use: Use, low_at: int | None, wanted: Forecast) -> None:
    assert forecast(free, use, date(2026, 11, 22), low_at=low_at, lead_days=14) == wanted


@pytest.mark.usefixtures("pools")
async def test_a_pool_that_runs_low_is_said_once_until_it_is_filled_again(connection: Connection) -> None:
    await bring(connection, "A", "\n".join(f"A-{number}" for number in range(20)))
    await hand_out(connection, "A", "m1", codes=5)

    async def watch() -> int:
        return await watch_pools(
            connection,
            now=NOW + timedelta(hours=1),
            zone=ZONE,
            translate=lambda text, _: str(text),
            base_url="",
            locale="en",
        )

    await connection.execute(
        "INSERT INTO staff (email, name, password_hash, audience, role, active, created_at) "
        "VALUES ('o@x.example', 'O', '', 'operator', 'operator', true, now())"
    )
    pool = await load_pool(EVERY_PARTNER, connection, "A", now=NOW, zone=ZONE)
    assert (pool.free, pool.future.level, pool.future.days_left) == (15, "low", 3)
    # B is empty and live, too.
    assert [await watch(), await watch()] == [2, 0]
    assert len(await fetch(connection, "SELECT 1 FROM outbox_message")) == 2
    await bring(connection, "A", "\n".join(f"B-{number}" for number in range(200)))
    assert await watch() == 0
    await set_watch(connection, pool.id, low_at=500, lead_days=14)
    assert await watch() == 1
