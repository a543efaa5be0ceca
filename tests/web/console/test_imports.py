"""The import studio, tags and segments as operators use them, with the worker that does what was asked for."""

import csv
import io
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from python_calamine import CalamineWorkbook

from liyu.core.clock import FixedClock
from liyu.core.database import Sessions
from liyu.core.exports import KEPT, forget_old_exports
from liyu.core.settings import Settings
from liyu.core.storage import open_storage
from liyu.members.personal.fields import FieldDraft, Option, add_field
from liyu.web.console import exports
from tests.web.console.acts import submit, texts_of
from tests.web.console.conftest import SignIn
from tests.web.personas import token_in
from tests.worker import Worker
from tests.world import World

FILE = (
    "会员号,手机号,姓名,等级,期初积分,积分有效期至\n"
    "m-1,,林岚,,,\nN-1,13800000001,=1+1,金卡会员,500,2026-12-31\nN-2,1.38E+10,坏,,7,2026-12-31\n"
)


@pytest.fixture
def worker(settings: Settings, clock: FixedClock, sessions: Sessions) -> Worker:
    return Worker(settings, clock, sessions)


async def _upload(client: httpx.AsyncClient, content: bytes, name: str = "members.csv") -> httpx.Response:
    opened = await client.get("/console/imports")
    return await client.post(
        "/console/imports", data={"csrf_token": token_in(opened)}, files={"file": (name, content, "text/csv")}
    )


async def test_from_the_upload_over_the_differences_to_the_members_and_back(
    sign_in: SignIn, world: World, worker: Worker
) -> None:
    client = await sign_in("operator")
    here = (await _upload(client, FILE.encode("gb18030"))).headers["location"]
    assert "Waiting to be read" in texts_of(await client.get(here))
    assert (await client.get(f"{here}/progress")).headers.get("hx-refresh") is None
    await worker.run()
    assert (await client.get(f"{here}/progress")).headers["hx-refresh"] == "true"
    page = texts_of(await client.get(here))
    for words in (
        "Read as GB18030",
        "林岚",
        "500 points through 31 Dec 2026",
        "has rounded this number",
        "Every point is accounted for",
    ):
        assert words in page
    assert await world.one("SELECT count(*) FROM member") == 2
    assert (await submit(client, here, f"{here}/confirm")).status_code == 303
    assert (await submit(client, here, f"{here}/confirm")).status_code == 409
    await worker.run()
    page = texts_of(await client.get(here))
    assert "Imported" in page
    assert "In the ledger by this import 500" in page
    assert (await world.balances("N-1"))["points"] == 500
    assert "Everything can be undone" in texts_of(await client.get(f"{here}/undo"))
    assert (await submit(client, f"{here}/undo", f"{here}/undo")).status_code == 303
    await worker.run()
    assert "Reversed by the undoing 500" in texts_of(await client.get(here))
    assert await world.one("SELECT name FROM member WHERE external_id = 'm-1'") is None
    acts = await world.one("SELECT array_agg(action ORDER BY id) FROM audit_event WHERE action LIKE 'members.%%'")
    assert acts == ["members.upload", "members.import", "members.undo"]


async def test_faulty_rows_come_back_as_they_were_with_what_is_wrong_in_both_languages(
    sign_in: SignIn, world: World, worker: Worker, tmp_path: Path
) -> None:
    client = await sign_in("operator")
    here = (await _upload(client, FILE.replace("1.38E+10", "+1").encode())).headers["location"]
    await worker.run()
    text = (await client.get(f"{here}/faults.csv")).content.decode("utf-8-sig")
    header, row = csv.reader(io.StringIO(text))
    assert header[3:] == ["会员号", "手机号", "姓名", "等级", "期初积分", "积分有效期至"]
    assert row[0] == "4"
    assert "手机号" in row[1]
    assert "mobile" in row[2]
    assert row[3:6] == ["N-2", "'+1", "坏"]
    path = tmp_path / "faults.xlsx"
    path.write_bytes((await client.get(f"{here}/faults.xlsx")).content)
    assert CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).to_python()[1][4] == "+1"


async def test_the_template_can_be_read_back_in_both_languages(
    sign_in: SignIn, world: World, worker: Worker, tmp_path: Path
) -> None:
    client = await sign_in("operator")
    options = [Option("a", "绿茶", "Green"), Option("b", "红茶", "Black")]
    tea = FieldDraft(key="tea", kind="choice", name_zh="喜欢的茶", name_en="Tea", options=options)
    await add_field(world.connection, tea)
    for language, heading, option in (("zh-CN", "喜欢的茶", "绿茶"), ("en", "Tea", "green")):
        found = await client.get("/console/imports/template.xlsx", headers={"accept-language": language})
        path = tmp_path / "template.xlsx"
        path.write_bytes(found.content)
        sheets = CalamineWorkbook.from_path(str(path))
        assert len(sheets.sheet_names) == 2
        headings = sheets.get_sheet_by_index(0).to_python()[0]
        assert headings[-1] == heading
        filled = ",".join(map(str, headings)) + "\nT-1" + "," * (len(headings) - 1) + option
        here = (await _upload(client, filled.encode())).headers["location"]
        await worker.run()
        page = texts_of(await client.get(here))
        assert "New 1" in page, language
        assert "Tea: Green" in page


async def test_a_file_that_cannot_be_read_and_one_that_is_not_there(
    sign_in: SignIn, world: World, worker: Worker
) -> None:
    client = await sign_in("operator")
    assert (await submit(client, "/console/imports", "/console/imports")).status_code == 422
    here = (await _upload(client, b"what,who\n1,2\n")).headers["location"]
    await worker.run()
    page = texts_of(await client.get(here))
    assert "Cannot be read" in page
    assert "Unknown column “what”" in page
    discarded = (await _upload(client, FILE.encode())).headers["location"]
    await worker.run()
    assert (await submit(client, discarded, f"{discarded}/discard")).status_code == 303
    assert (await client.get("/console/imports/999")).status_code == 404
    assert await world.one("SELECT count(*) FROM member") == 2


async def test_only_those_who_may_import_and_export_do(sign_in: SignIn) -> None:
    for role, status in (("operator", 200), ("service", 403), ("finance", 403)):
        client = await sign_in(role)
        for path in ("/console/imports", "/console/imports/template.csv", "/console/export/members.csv"):
            assert (await client.get(path)).status_code == status, (role, path)
        for path in ("/console/tags", "/console/segments"):
            assert (await client.get(path)).status_code == 200, (role, path)


async def test_a_rule_badge_is_made_given_shown_and_retired(sign_in: SignIn, world: World, worker: Worker) -> None:
    client = await sign_in("operator")
    fields = {
        "code": "big", "name_zh": "大客户", "name_en": "Big spender", "icon": "medal", "is_badge": "yes", "by_rule": "yes",
        "match": "all", "kind_0": "spent_min", "value_0": "many", "needs_en": "Spend 1,000",
    }  # fmt: skip
    refused = await submit(client, "/console/tags/new", "/console/tags/new", **fields)
    assert refused.status_code == 422
    assert "This value does not fit. An example: 5000" in texts_of(refused)
    made = await submit(client, "/console/tags/new", "/console/tags/new", **fields | {"value_0": "1000"})
    assert made.status_code == 303
    await worker.run()
    assert await world.one("SELECT count(*) FROM member_tag") == 1
    page = texts_of(await client.get("/console/tags"))
    assert "Spent in CNY, at least: 1000" in page
    assert (await client.get("/console/tags/big")).status_code == 200
    assert (await submit(client, "/console/tags", "/console/tags/big/retire")).status_code == 303
    assert "Resting" in texts_of(await client.get("/console/tags"))


async def test_a_tag_is_given_and_taken_by_hand_on_the_members_page(sign_in: SignIn, world: World) -> None:
    client = await sign_in("operator")
    await submit(
        client, "/console/tags/new", "/console/tags/new", code="vip", name_zh="贵宾", name_en="VIP", icon="tag"
    )
    service = await sign_in("service")
    member = "/console/members/m-1"
    for wanted, count in (("give", 1), ("take", 0)):
        answer = await submit(service, member, f"{member}/tags", code="vip", wanted=wanted)
        assert answer.status_code == 303
        assert await world.one("SELECT count(*) FROM member_tag") == count
    assert "Tags and badges" in texts_of(await service.get(member))


async def test_a_segment_is_looked_at_saved_exported_and_noted_in_the_audit_log(sign_in: SignIn, world: World) -> None:
    client = await sign_in("operator")
    fields = {"name": "Buyers", "match": "all", "kind_0": "spent_min", "value_0": "1"}
    page = await submit(client, "/console/segments/new", "/console/segments/new", preview="yes", **fields)
    assert "1 member" in texts_of(page)
    assert await world.one("SELECT count(*) FROM segment") == 0
    assert (await submit(client, "/console/segments/new", "/console/segments/new", **fields)).status_code == 303
    assert (await submit(client, "/console/segments/new", "/console/segments/new", **fields)).status_code == 422
    segment = await world.one("SELECT id FROM segment")
    assert "Spent in CNY, at least: 1" in texts_of(await client.get("/console/segments"))
    count = f"/console/segments/{segment}/count"
    assert (await client.get(count, headers={"hx-request": "true"})).text.strip() == "<span>1</span>"
    members = f"/console/segments/{segment}/members"
    assert (await client.get(count)).headers["location"] == members
    own = (await client.get(f"/console/segments/{segment}")).text
    assert f'hx-get="{members}"' in own
    assert "/console/members/m-1" not in own
    assert "1 member" in texts_of(await client.get(members, headers={"hx-request": "true"}))
    whole = await client.get(members)
    assert "1 member" in texts_of(whole)
    assert "/console/members/m-1" in whole.text
    rows = list(csv.reader(io.StringIO((await client.get(f"/console/export/members.csv?segment={segment}")).text)))
    assert [row[0] for row in rows[1:]] == ["m-1"]
    everybody = (await client.get("/console/export/members.csv")).text
    assert len(everybody.splitlines()) == 3
    assert (await client.get(f"/console/export/members.xlsx?segment={segment}&tier=platinum")).status_code == 200
    noted = await world.one("SELECT jsonb_agg(after -> 'members') FROM audit_event WHERE action = 'members.export'")
    assert noted == [1, 2, 1]
    assert (
        await submit(client, f"/console/segments/{segment}", f"/console/segments/{segment}/delete")
    ).status_code == 303


async def test_a_large_export_is_written_by_the_worker_told_and_gone_after_a_day(
    sign_in: SignIn, world: World, worker: Worker, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "AT_ONCE", 1)
    client, service = await sign_in("operator"), await sign_in("service")
    ordered = [await client.get(f"/console/export/members.{kind}") for kind in ("csv", "csv", "xlsx")]
    pages = [answer.headers["location"] for answer in ordered]
    assert len(set(pages)) == 2, "a second click orders nothing new"
    assert "0 of 2 members" in texts_of(await client.get(pages[0]))
    assert (await client.get(f"{pages[0]}/file")).status_code == 404
    assert (await client.get(f"{pages[0]}/progress")).headers.get("hx-refresh") is None
    await worker.run()
    await worker.run()
    assert (await client.get(f"{pages[0]}/progress")).headers["hx-refresh"] == "true"
    assert "2 members" in texts_of(await client.get(pages[0]))
    file = await client.get(f"{pages[0]}/file")
    rows = list(csv.reader(io.StringIO(file.content.decode("utf-8-sig"))))
    assert (rows[0][0], [row[0] for row in rows[1:]]) == ("Member number", ["m-1", "m-2"])
    assert file.headers["content-disposition"] == 'attachment; filename="members.csv"'
    assert (await client.get(f"{pages[2]}/file")).content[:2] == b"PK"
    assert (await service.get(pages[0])).status_code == 403
    assert (await client.get("/console/exports/999/file")).status_code == 404
    noted = await world.one("SELECT count(*) FROM audit_event WHERE object LIKE 'export:%%'")
    assert noted == 2
    world.clock.instant += KEPT + timedelta(seconds=1)
    assert await forget_old_exports(world.connection, open_storage(settings), world.clock.now()) == 2
    assert "The file is gone" in texts_of(await client.get(pages[0]))
    assert (await client.get(f"{pages[0]}/file")).status_code == 404
