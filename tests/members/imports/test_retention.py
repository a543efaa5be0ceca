"""Rows of old files go; what they did stays countable."""

from datetime import timedelta

import pytest

from liyu.members.imports.errors import ImportNotReadyError
from liyu.members.imports.queries import list_rows, load_import
from liyu.members.imports.retention import KEPT, forget_old_rows
from liyu.members.imports.undo import begin_undo
from tests.members.imports.importing import Importer, table


async def test_rows_go_after_their_time_and_counts_totals_and_members_stay(importer: Importer) -> None:
    world = importer.world
    applied = await importer.bring(table(["a", "", "甲", 500, "2027-12-31"], ["b", "1.38E+10", "乙", 7, "2027-12-31"]))
    undone = await importer.undo((await importer.bring(table(["c", "", "丙", 30, "2027-12-31"]))).id)
    waiting = await importer.compare(table(["d", "", "丁", "", ""]))
    world.clock.instant += KEPT - timedelta(hours=1)
    late = await importer.compare(table(["e", "", "戊", "", ""]))
    assert await forget_old_rows(world.connection, actor="system", now=world.clock.now()) == 0
    world.clock.instant += timedelta(hours=1)
    before = await importer.snapshot()
    assert await forget_old_rows(world.connection, actor="system", now=world.clock.now()) == 3
    assert await forget_old_rows(world.connection, actor="system", now=world.clock.now()) == 0
    assert await importer.snapshot() == before
    kept = [await load_import(world.connection, one.id) for one in (applied, undone, waiting, late)]
    assert [one.state for one in kept] == ["archived", "archived", "discarded", "ready"]
    assert [(one.counts, one.totals) for one in kept[:2]] == [(one.counts, one.totals) for one in (applied, undone)]
    assert (kept[0].totals.opened, kept[0].totals.difference) == (500, 0)
    assert not (await list_rows(world.connection, applied.id)).rows
    assert await world.one("SELECT array_agg(DISTINCT import_id) FROM member_import_row") == [late.id]
    with pytest.raises(ImportNotReadyError):
        async with world.connection.transaction():
            await begin_undo(world.connection, importer.work(applied.id))
    assert (await world.balances("a"))["points"] == 500
