"""From a file to members, opening balances, tiers and tags: nothing lost, nothing twice, nothing half."""

import asyncio
import contextlib
from datetime import date

import pytest
from psycopg import AsyncConnection

from liyu.members.imports import apply, read, service
from liyu.members.imports.errors import ImportNotReadyError, NothingToImportError
from liyu.members.imports.queries import list_rows, load_import
from tests.members.imports.importing import Importer, table
from tests.proofs import at_size
from tests.world import ZONE

LOTS = table(
    ["A-1", "13800000001", "林岚", 500, "2026-12-31"],
    ["A-1", "", "", 300, "2027-12-31"],
    ["A-2", "13800000002", "周宁", 1200, "never"],
    ["A-3", "13800000003", "吴桐", "", ""],
)


async def test_opening_balances_become_dated_lots_and_the_totals_agree_with_the_ledger(importer: Importer) -> None:
    found = await importer.bring(LOTS)
    assert found.counts == {"new": 4}
    assert (found.totals.stated, found.totals.opened, found.totals.difference) == (2_000, 2_000, 0)
    assert await importer.world.lots("A-1") == {date(2026, 12, 31): 500, date(2027, 12, 31): 300}
    assert await importer.world.lots("A-2") == {None: 1_200}
    events = await importer.world.one("SELECT array_agg(DISTINCT event || ' ' || reason) FROM transfer")
    assert events == ["opening imported"]
    assert await importer.world.one("SELECT terms IS NOT NULL FROM member_terms JOIN member ON id = member_id LIMIT 1")


async def test_a_dry_run_changes_no_member_and_shows_every_difference(importer: Importer) -> None:
    await importer.bring(LOTS)
    before = await importer.snapshot()
    found = await importer.compare(
        table(
            ["A-1", "13800000001", "林岚岚", 500, "2026-12-31"],
            ["A-2", "13900000002", "周宁", 1200, "never"],
            ["A-3", "13800000003", "吴桐", "", ""],
            ["A-9", "13800000009", "新人", 7, "2026-12-31"],
        )
    )
    assert await importer.snapshot() == before
    assert found.counts == {"changed": 2, "unchanged": 1, "new": 1}
    rows = (await list_rows(importer.world.connection, found.id)).rows
    assert [[(one.field, one.old, one.new) for one in row.changes] for row in rows[:3]] == [
        [("name", "林岚", "林岚岚")], [("phone", "+8613800000002", "+8613900000002")], [],
    ]  # fmt: skip
    assert (found.totals.before, found.totals.to_come, found.totals.difference) == (1_700, 7, 0)


async def test_the_same_file_again_changes_nothing(importer: Importer) -> None:
    await importer.bring(LOTS)
    before = await importer.snapshot()
    again = await importer.compare(LOTS)
    assert again.counts == {"unchanged": 4}
    with pytest.raises(NothingToImportError):
        async with importer.world.connection.transaction():
            await apply.confirm(importer.world.connection, importer.work(again.id))
    assert (await load_import(importer.world.connection, again.id)).state == "ready"
    assert await importer.snapshot() == before


async def test_a_balance_that_was_opened_with_another_figure_is_named_and_never_added(importer: Importer) -> None:
    await importer.bring(LOTS)
    found = await importer.compare(table(["A-1", "", "", 900, "2026-12-31"]))
    assert await importer.faults(found.id) == {2: [("points", "An opening balance of")]}
    assert (found.totals.faulty, found.totals.difference) == (900, 0)


async def test_an_import_that_was_killed_goes_on_where_it_was_and_doubles_nothing(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "PORTION", 10)
    rows = [[f"A-{number}", "", f"人{number}", number + 1, "2026-12-31"] for number in range(45)]
    rows += [[f"A-{number}", "", "", 1000, "2027-12-31"] for number in range(45)]
    found = await importer.compare(table(*rows))
    connection = importer.world.connection
    async with connection.transaction():
        await apply.confirm(connection, importer.work(found.id))

    def stop(done: int) -> None:
        if done >= 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await apply.apply_import(connection, importer.work(found.id, report=stop), ZONE)
    assert (await load_import(connection, found.id)).totals.to_come > 0
    await apply.apply_import(connection, importer.work(found.id), ZONE)
    done = await load_import(connection, found.id)
    assert (done.state, done.done, done.totals.opened, done.totals.difference) == ("applied", 90, done.totals.stated, 0)
    with pytest.raises(ImportNotReadyError):
        await apply.apply_import(connection, importer.work(found.id), ZONE)


async def test_what_happened_since_the_dry_run_is_respected(importer: Importer) -> None:
    found = await importer.compare(
        table(["A-1", "13800000001", "林岚", 5, "2026-12-31"], ["A-2", "", "乙", 6, "2026-12-31"])
    )
    await importer.world.member("B-1")
    await importer.world.connection.execute("UPDATE member SET phone = '+8613800000001' WHERE external_id = 'B-1'")
    async with importer.world.connection.transaction():
        await apply.confirm(importer.world.connection, importer.work(found.id))
    await apply.apply_import(importer.world.connection, importer.work(found.id), ZONE)
    done = await load_import(importer.world.connection, found.id)
    assert done.counts == {"faulty": 1, "new": 1}
    assert await importer.faults(found.id) == {2: [("phone", "This phone number belongs")]}
    assert (done.totals.opened, done.totals.faulty, done.totals.difference) == (6, 5, 0)


async def test_two_workers_at_once_open_every_balance_once(
    importer: Importer, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "PORTION", 5)
    found = await importer.compare(table(*([f"A-{n}", f"138000000{n:02}", "", 10, "2026-12-31"] for n in range(40))))
    other = await importer.compare(
        table(*([f"A-{n}", f"138000000{n:02}", "", 10, "2026-12-31"] for n in range(40, -1, -1)))
    )
    works = [importer.work(found.id), importer.work(found.id), importer.work(other.id)]
    for work in works[1:]:
        async with importer.world.connection.transaction():
            await apply.confirm(importer.world.connection, work)

    async def run(work: service.Work) -> None:
        async with await AsyncConnection.connect(database_url, autocommit=True) as connection:
            # The other one may have finished it.
            with contextlib.suppress(ImportNotReadyError):
                await apply.apply_import(connection, work, ZONE)

    await asyncio.gather(*map(run, works))
    assert await importer.world.one("SELECT sum(amount) FROM transfer") == 410
    assert await importer.world.one("SELECT count(*) FROM member") == 41


async def test_rows_of_one_member_go_together_and_faulty_ones_are_left_out_with_every_reason(
    importer: Importer,
) -> None:
    await importer.world.member("007")
    await importer.world.connection.execute("UPDATE member SET phone = '+8613900000000' WHERE external_id = '007'")
    found = await importer.bring(
        table(
            ["A-1", "1.38E+10", "林岚", "x", "2026-12-31"],
            ["A-1", "", "", 300, "2027-12-31"],
            ["A-2", "13900000000", "借号", 5, ""],
            ["A-3", "13800000003", "丙", 5, "2020-01-01"],
            ["A-4", "13800000003", "丁", 5, ""],
            ["A-5", "13800000005", "戊", 5, ""],
            ["A-5", "13800000005", "己", 6, "2026-12-31"],
            ["A-6", "", "庚", 5, "2026-12-31"],
            ["A-6", "", "", 5, "2026-12-31"],
            ["A-7", "", "辛", "", ""],
            ["A-7", "", "", "", ""],
            ["7", "", "零", 5, ""],
            ["", "", "无", 5, ""],
            ["A-8", "", "好", 9, "2026-12-31"],
        )
    )
    assert found.counts == {"faulty": 13, "new": 1}
    faults = await importer.faults(found.id)
    assert {row: sorted(column for column, _ in words) for row, words in faults.items()} == {
        2: ["phone", "points"], 3: [""], 4: ["phone"], 5: ["points"], 6: ["phone"], 7: [""], 8: [""], 9: [""], 10: ["points"],
        11: [""], 12: [""], 13: ["external_id"], 14: [""],
    }  # fmt: skip
    assert found.points_unreadable == 1
    assert (found.totals.opened, found.totals.difference) == (9, 0)
    assert await importer.world.one("SELECT count(*) FROM member") == 2


async def test_tiers_and_growth_are_raised_once_by_the_rules_and_never_lowered(importer: Importer) -> None:
    header = "external_id,tier,tier_until,growth"
    await importer.bring(
        table(["A", "金卡会员", "2027-06-30", "3200"], ["B", "", "", "1500"], ["C", "silver", "", ""], header=header)
    )
    a, b, c = [await importer.member(name) for name in "ABC"]
    assert (a["tier_until"], a["growth"], a["period_growth"]) == ("2027-06-30", 3_200, 3_200)
    assert await importer.world.one("SELECT code FROM tier WHERE id = %s", b["tier_id"]) == "silver"
    assert c["tier_until"] == "2028-11-30"
    before = await importer.snapshot()
    again = await importer.compare(
        table(["A", "silver", "2029-01-31", "9000"], ["B", "", "", "1500"], ["C", "standard", "", ""], header=header)
    )
    assert again.counts == {"unchanged": 3}
    assert await importer.snapshot() == before


async def test_a_debt_is_paid_off_before_points_become_usable(importer: Importer) -> None:
    await importer.world.member("A")
    await importer.world.post(importer.world.event("A", "return", 40_000))
    await importer.bring(table(["A", "", "", 300, "2026-12-31"], ["A", "", "", 200, "2027-12-31"]))
    assert await importer.world.balances("A") == {"points": 100, "pending": 0, "debt": 0}
    assert await importer.world.lots("A") == {date(2027, 12, 31): 100}


@pytest.mark.proof
async def test_seventy_thousand_imported_members_still_earn(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shape of the complaint, in a run of `make prove` at its size: events and lots go on as ever after many portions."""
    members = at_size(3_500, 70_000)
    monkeypatch.setattr(service, "PORTION", 1_000)
    monkeypatch.setattr(read, "PORTION", 1_000)
    found = await importer.bring(table(*([f"A-{n}", f"1380{n:07}", "", 10, "2026-12-31"] for n in range(members))))
    assert (found.totals.opened, found.totals.difference) == (10 * members, 0)
    posted = await importer.world.post(
        *(importer.world.purchase(f"A-{n}", 1_000) for n in range(members - 100, members))
    )
    assert {one.status for one in posted} == {"ok"}
    assert await importer.world.balances(f"A-{members - 1}") == {"points": 20, "pending": 0, "debt": 0}


async def test_the_proof_would_see_a_lost_balance(importer: Importer) -> None:
    found = await importer.bring(LOTS)
    async with importer.world.connection.transaction(force_rollback=True):
        await importer.world.connection.execute("UPDATE opening_balance SET transfer_id = NULL WHERE row = 2")
        assert (await load_import(importer.world.connection, found.id)).totals.difference == 500
