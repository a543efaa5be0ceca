"""Undoing an import: exactly what it did, as far as nothing has been built on it."""

from typing import Any

import pytest

from liyu.members.imports import service, undo
from liyu.members.imports.queries import list_rows
from tests.members.imports.importing import ACTOR, Importer, table

HEADER = "external_id,phone,name,tier,growth,tags,points,expires_on"


async def _refusals(importer: Importer, import_id: int) -> dict[int, list[tuple[str, str]]]:
    found = await list_rows(importer.world.connection, import_id, refused=True)
    return {row.row: [(one.code, one.field) for one in row.refusals] for row in found.rows}


async def test_undoing_at_once_leaves_members_and_points_as_they_were_and_frees_the_numbers(importer: Importer) -> None:
    await importer.world.member("old", points=100)
    await importer.world.connection.execute("UPDATE member SET name = '旧', city = '上海' WHERE external_id = 'old'")
    await importer.world.connection.execute(
        "INSERT INTO tag (code, name_zh, name_en, is_badge, icon, needs_zh, needs_en, by_rule, active, created_at) "
        "VALUES ('vip', '贵宾', 'VIP', false, 'tag', '', '', false, true, now())"
    )
    before = await importer.member("old")
    file = table(
        ["old", "13800000001", "新", "gold", 5000, "vip", 500, "2026-12-31"],
        ["new", "13800000002", "甲", "", 1200, "VIP", 300, "2026-12-31"],
        ["new", "", "", "", "", "", 200, "2027-12-31"],
        header=HEADER,
    )
    found = await importer.bring(file)
    assert found.counts == {"changed": 1, "new": 2}
    assert await importer.member("old") != before
    undone = await importer.undo(found.id)
    assert (undone.state, undone.totals.reversed) == ("undone", 1_000)
    assert await importer.member("old") == before
    assert await importer.world.balances("old") == {"points": 100, "pending": 0, "debt": 0}
    assert await importer.world.one("SELECT count(*) FROM member_tag") == 0
    assert await importer.member("new") == {}
    assert await importer.world.one("SELECT count(*) FROM transfer WHERE reversal_of IS NOT NULL") == 3
    again = await importer.bring(file)
    assert (again.counts, again.totals.opened) == ({"changed": 1, "new": 2}, 1_000)


async def test_what_was_built_upon_stays_and_is_named_before_anything_happens(importer: Importer) -> None:
    await importer.world.member("old")
    found = await importer.bring(
        table(
            ["a", "", "甲", "", "", "", 500, "2027-12-31"],
            ["b", "", "乙", "", "", "", 300, "2027-12-31"],
            ["c", "", "丙", "", "", "", "", ""],
            ["old", "", "新", "", 100, "", 50, "2027-12-31"],
            header=HEADER,
        )
    )
    sku = await importer.world.item(points=200)
    await importer.world.redeem("a", sku)
    await importer.world.post(importer.world.purchase("b", 1_000))
    await importer.world.connection.execute("UPDATE member SET name = '别' WHERE external_id IN ('c', 'old')")
    await importer.world.post(importer.world.purchase("old", 1_000))
    before = await importer.snapshot()
    await undo.preview_undo(importer.world.connection, found.id)
    assert await importer.snapshot() == before
    named = {
        2: [("active", ""), ("points_spent", "points")],
        3: [("active", "")],
        4: [("changed", "name")],
        5: [("changed", "name"), ("tier_moved", "tier_id")],
    }
    assert await _refusals(importer, found.id) == named
    undone = await importer.undo(found.id)
    assert await _refusals(importer, found.id) == named
    assert undone.totals.reversed == 350
    assert await importer.world.balances("a") == {"points": 300, "pending": 0, "debt": 0}
    assert await importer.world.balances("b") == {"points": 10, "pending": 0, "debt": 0}
    assert (await importer.member("c"))["state"] == "active"
    assert (await importer.member("old"))["growth"] == 110


async def test_undoing_goes_on_after_a_kill_and_reverses_nothing_twice(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "PORTION", 10)
    found = await importer.bring(table(*([f"A-{n}", "", "", 10, "2026-12-31"] for n in range(35))))
    connection = importer.world.connection
    async with connection.transaction():
        await undo.begin_undo(connection, importer.work(found.id))

    def stop(done: int) -> None:
        if done >= 15:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await undo.undo_import(connection, importer.work(found.id, report=stop))
    await undo.undo_import(connection, importer.work(found.id))
    assert await importer.world.one("SELECT count(*) FROM transfer WHERE event = 'opening_reversed'") == 35
    assert await importer.world.one("SELECT count(*) FROM member WHERE state = 'closed'") == 35


async def test_a_debt_that_an_opening_balance_paid_is_owed_again(importer: Importer) -> None:
    await importer.world.member("A")
    await importer.world.post(importer.world.event("A", "return", 40_000))
    found = await importer.bring(table(["A", "", "", 300, "2026-12-31"], ["A", "", "", 200, "2027-12-31"]))
    await importer.undo(found.id)
    assert await importer.world.balances("A") == {"points": 0, "pending": 0, "debt": -400}


async def test_every_table_that_knows_members_is_asked_whether_they_did_something(importer: Importer) -> None:
    found: list[Any] = await (await importer.world.connection.execute(undo._REFERENCES)).fetchall()
    asked = {table for table, _ in found} - undo.OWN_TRACES
    assert {"earning_event", "redemption", "session", "member_note"} <= asked
    assert ACTOR.startswith("staff:")
