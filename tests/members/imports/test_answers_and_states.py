"""The operator's own questions and pre-registered members as columns: differences, import, undoing."""

from datetime import date

import pytest

from liyu.members.imports.apply import apply_import, confirm
from liyu.members.imports.columns import question_columns
from liyu.members.imports.errors import FileUnreadableError
from liyu.members.imports.queries import list_rows
from liyu.members.imports.read import find_columns
from liyu.members.personal.fields import FieldDraft, Option, add_field, change_field, list_fields
from liyu.members.profile import activate_member
from tests.members.imports.importing import Importer, table
from tests.world import ZONE

TEA = [Option("green", "绿茶", "Green"), Option("black", "红茶", "Black")]
QUESTIONS = (
    FieldDraft(key="tea", kind="choice", name_zh="喜欢的茶", name_en="Tea", options=TEA),
    FieldDraft(key="budget", kind="number", name_zh="预算", name_en="Budget"),
    FieldDraft(key="since", kind="date", name_zh="喝茶始于", name_en="Drinking since"),
    FieldDraft(key="note", kind="text", name_zh="备注", name_en="Note", required=True),
    FieldDraft(key="city", kind="text", name_zh="城市", name_en="City"),
)
ANSWERS = """
    SELECT coalesce(jsonb_object_agg(f.key, v.value), '{}') FROM profile_value v JOIN profile_field f ON f.id = v.field_id
    JOIN member m ON m.id = v.member_id WHERE m.external_id = %s"""


async def _ask(importer: Importer) -> None:
    for draft in QUESTIONS:
        await add_field(importer.world.connection, draft)


async def _answers(importer: Importer, member: str) -> dict[str, str]:
    return dict(await importer.world.one(ANSWERS, member))


async def _changes(importer: Importer, import_id: int) -> dict[int, dict[str, tuple[str | None, str | None]]]:
    found = await list_rows(importer.world.connection, import_id, size=100)
    return {row.row: {one.field: (one.old, one.new) for one in row.changes} for row in found.rows}


async def test_own_questions_are_columns_by_key_and_by_name_and_those_of_every_program_come_first(
    importer: Importer,
) -> None:
    await _ask(importer)
    columns = question_columns(await list_fields(importer.world.connection))
    header = ["会员号", "喜欢的茶", "Budget", "since", "answer_note", "城市", "answer_city"]
    assert find_columns(header, columns) == [
        "external_id", "answer_tea", "answer_budget", "answer_since", "answer_note", "city", "answer_city",
    ]  # fmt: skip
    await importer.world.connection.execute("UPDATE profile_field SET active = false WHERE key = 'tea'")
    with pytest.raises(FileUnreadableError):
        find_columns(header, question_columns(await list_fields(importer.world.connection)))


async def test_answers_are_compared_brought_and_taken_back_as_they_were(importer: Importer) -> None:
    world = importer.world
    await _ask(importer)
    for member in ("old", "other"):
        await world.member(member)
    await world.connection.execute(
        "INSERT INTO profile_value (member_id, field_id, value) SELECT m.id, f.id, 'green' FROM member m, profile_field f "
        "WHERE m.external_id = 'old' AND f.key = 'tea'"
    )
    file = table(
        ["old", "红茶", "1,200.50", "2020/5/1", ""],
        ["other", "", "", "", ""],
        ["new", "Green", "", "", "安静"],
        ["bad", "咖啡", "viel", "gestern", "x" * 201],
        header="external_id,Tea,预算,since,note",
    )
    before = await importer.snapshot()
    found = await importer.compare(file)
    assert await importer.snapshot() == before
    assert found.counts == {"changed": 1, "unchanged": 1, "new": 1, "faulty": 1}
    told = await _changes(importer, found.id)
    assert told[2] == {
        "answer_tea": ("green", "black"), "answer_budget": (None, "1200.5"), "answer_since": (None, "2020-05-01"),
    }  # fmt: skip
    assert told[4] == {"answer_tea": (None, "green"), "answer_note": (None, "安静")}
    faults = await importer.faults(found.id)
    assert {column for column, _ in faults[5]} == {"answer_tea", "answer_budget", "answer_since", "answer_note"}
    brought = await importer.bring(file)
    assert await _answers(importer, "old") == {"tea": "black", "budget": "1200.5", "since": "2020-05-01"}
    assert await _answers(importer, "new") == {"tea": "green", "note": "安静"}
    assert (await importer.compare(file)).counts == {"unchanged": 3, "faulty": 1}
    # What the member says of it afterwards stays.
    await world.connection.execute("UPDATE profile_value SET value = '9' WHERE value = '1200.5'")
    undone = await importer.undo(brought.id)
    assert await _answers(importer, "old") == {"tea": "green", "budget": "9"}
    refused = (await list_rows(world.connection, undone.id, refused=True)).rows
    assert [(row.row, one.code, one.field, one.now) for row in refused for one in row.refusals] == [
        (2, "changed", "answer_budget", "9")
    ]
    assert await world.one("SELECT count(*) FROM profile_value") == 2


async def test_an_option_that_goes_between_the_dry_run_and_the_yes_is_named(importer: Importer) -> None:
    await _ask(importer)
    world = importer.world
    found = await importer.compare(table(["a", "绿茶"], ["b", "红茶"], header="external_id,tea"))
    (tea,) = [one for one in QUESTIONS if one.key == "tea"]
    tea.options = [TEA[0], Option("white", "白茶", "White")]
    await change_field(world.connection, tea)
    tea.options = TEA
    async with world.connection.transaction():
        await confirm(world.connection, importer.work(found.id))
    await apply_import(world.connection, importer.work(found.id), ZONE)
    assert await importer.faults(found.id) == {3: [("answer_tea", "Choose one of the")]}
    assert await world.one("SELECT array_agg(value) FROM profile_value") == ["green"]


async def test_the_points_of_who_is_pre_registered_have_no_last_day_before_the_activation(importer: Importer) -> None:
    world = importer.world
    file = table(
        ["p", "预注册", "gold", 500, ""],
        ["p", "", "", 7, "2027-12-31"],
        ["q", "pre_registered", "", 300, ""],
        ["r", "激活", "", 200, ""],
        ["s", "somewhere", "", "", ""],
        header="external_id,state,tier,points,expires_on",
    )
    found = await importer.bring(file)
    assert found.counts == {"new": 2, "faulty": 3}
    assert await importer.faults(found.id) == {
        2: [("", "Row %(row)s of the")],
        3: [("expires_on", "Points of who is"), ("points", "Row %(row)s has points")],
        6: [("state", "Must be one of")],
    }  # fmt: skip
    assert (await _changes(importer, found.id))[4]["state"] == (None, "pre_registered")
    assert (await importer.member("q"))["state"] == "pre_registered"
    assert (await importer.member("r"))["state"] == "active"
    assert await world.lots("q") == {None: 300}
    assert await world.lots("r") == {date(2027, 12, 31): 200}
    mended = await importer.bring(table(["p", "预注册", "gold", 500], header="external_id,state,tier,points"))
    assert (await importer.member("p"))["tier_until"] is None
    assert (await importer.undo(mended.id)).totals.reversed == 500
    assert await importer.member("p") == {}
    # Their points become dated with the activation; afterwards nothing of it can be undone, and the file says nothing new.
    async with world.connection.transaction():
        member_id = (await importer.member("q"))["id"]
        now = world.clock.now()
        assert await activate_member(world.connection, member_id, reason="x", actor="test", now=now, zone=ZONE)
    assert {day: left for day, left in (await world.lots("q")).items() if left} == {date(2027, 12, 31): 300}
    again = await importer.compare(table(["q", "pre_registered", 300], header="external_id,state,points"))
    assert again.counts == {"unchanged": 1}
    undone = await importer.undo(found.id)
    kept = (await list_rows(world.connection, undone.id, refused=True)).rows
    assert [(row.row, [one.code for one in row.refusals]) for row in kept] == [(4, ["active", "points_spent"])]
    assert (await world.balances("q"))["points"] == 300


async def test_who_has_joined_is_not_pre_registered_again_and_who_has_not_gets_no_dated_points(
    importer: Importer,
) -> None:
    await importer.world.member("a", points=10)
    await importer.bring(table(["p", "pre_registered"], header="external_id,state"))
    before = await importer.snapshot()
    found = await importer.compare(
        table(
            ["a", "pre_registered", 50, ""],
            ["p", "", 60, "2027-12-31"],
            header="external_id,state,points,expires_on",
        )
    )
    assert await importer.faults(found.id) == {
        2: [("state", "This member has joined")], 3: [("points", "This member is pre-registered:")],
    }  # fmt: skip
    assert (await importer.compare(table(["a", "pre_registered"], header="external_id,state"))).counts == {
        "unchanged": 1
    }
    assert await importer.snapshot() == before
