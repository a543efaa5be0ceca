"""The member's own corner as a browser sees it: every form, its refusals, and that nobody reaches what is another's."""

import io
import json
import re
import zipfile
from datetime import timedelta
from typing import Any

import httpx
import pytest
from litestar import Litestar

from liyu.core.bulk import encode_rows, insert_of
from liyu.core.clock import FixedClock
from liyu.core.database import Sessions
from liyu.members.personal.fields import FieldDraft, Option, add_field
from liyu.members.personal.own_profile import EVENT_TYPE
from liyu.members.program import RuleRow
from liyu.redemption.personal_data import PERSONAL_DATA
from liyu.web.mall.account_words import COLUMN_LABELS
from tests.web.conftest import Client, OpenClient
from tests.web.mall.conftest import Shop
from tests.web.mall.test_pages import in_language, shape_of
from tests.web.personas import OTHER_PHONE, PHONE, field_in, latest_code, sign_in_member, token_in

NEW_PHONE = "+8613700137000"
HOME = {
    "recipient": "林岚", "phone": "138 0013 8000", "province": "浙江省", "city": "杭州市", "district": "西湖区",
    "detail": "文三路 1 号",
}  # fmt: skip
PAGES = [
    "/account/profile", "/account/addresses", "/account/addresses/new", "/account/consents", "/account/phone",
    "/account/privacy", "/account/close", "/account/security",
]  # fmt: skip


async def submit(client: Client, page: str, action: str = "", /, **fields: str) -> httpx.Response:
    token = token_in(await client.get(page))
    return await client.post(action or page, data={"csrf_token": token, **fields})


async def ask_questions(shop: Shop) -> None:
    options = [Option("tea", "茶", "Tea"), Option("coffee", "咖啡", "Coffee")]
    for field in (
        FieldDraft(key="drink", kind="choice", name_zh="饮品", name_en="Drink", options=options, counts=True),
        FieldDraft(key="job", kind="text", name_zh="职业", name_en="Job", required=True),
    ):
        await add_field(shop.world.connection, field)
    rule = RuleRow("profile", EVENT_TYPE, "完善资料", "Complete profile", 20)
    await shop.world.connection.execute(insert_of("earning_rule", RuleRow), (encode_rows([rule]),))


async def test_pages_have_one_structure_in_both_languages_and_are_for_members(member: Client, client: Client) -> None:
    await submit(member, "/account/addresses/new", **HOME)
    await member.get("/me")  # where the notice of the saved address is shown
    for path in [*PAGES, "/account/addresses/1", "/account/addresses/divisions?province=浙江省&city=杭州市"]:
        chinese, english = await in_language(member, path, "zh-CN"), await in_language(member, path, "en")
        assert shape_of(chinese) == shape_of(english), path
        assert (await client.get(path)).status_code == 303, path


async def test_a_profile_is_completed_once_for_points(member: Client, shop: Shop) -> None:
    await ask_questions(shop)
    page = await member.get("/account/profile")
    assert "1 of 5 filled in" in page.text
    assert "get 20 points" in page.text
    faulty = await submit(member, "/account/profile", name="林岚", email="nobody", birthday="1899-01-01")
    assert faulty.status_code == 422
    for words in ("Enter an e-mail address", "Nobody can be born on this day", "Job: This field is needed"):
        assert words in faulty.text
    assert await shop.world.one("SELECT name FROM member WHERE external_id = 'M1'") == "王倩"
    whole = {
        "name": "林岚", "email": "lin@example.com", "birthday": "1992-05-20", "city": "杭州", "locale": "en",
        "answer_drink": "tea", "answer_job": "工程师",
    }  # fmt: skip
    for _ in range(2):
        assert (await submit(member, "/account/profile", **whole)).status_code == 303
    assert (await shop.world.balances("M1"))["points"] == 1_020
    after = await member.get("/account/profile")
    assert "Your profile is complete" in after.text
    early = await submit(member, "/account/profile", **whole | {"birthday": "1992-05-21"})
    assert early.status_code == 422
    assert "once in 365 days; the next time is on 22 Nov 2027" in early.text


async def test_addresses_are_kept_one_by_one(member: Client, other: Client, shop: Shop) -> None:
    faulty = await submit(member, "/account/addresses/new", **HOME | {"phone": "1", "district": "朝阳区"})
    assert faulty.status_code == 422
    assert "Choose the district" in faulty.text
    assert await shop.world.one("SELECT count(*) FROM member_address") == 0
    for label in ("家", "公司"):
        assert (await submit(member, "/account/addresses/new", **HOME, label=label)).status_code == 303
    first, second = (
        int(found) for found in re.findall(r"addresses/(\d+)\"", (await member.get("/account/addresses")).text)
    )
    for action in ("", "/default", "/delete"):
        foreign = await submit(other, "/account/addresses/new", f"/account/addresses/{second}{action}", **HOME)
        assert foreign.status_code == 404, action
    assert (await other.get(f"/account/addresses/{first}")).status_code == 404
    assert await shop.world.one("SELECT count(*) FROM member_address WHERE label IN ('家', '公司')") == 2
    page = f"/account/addresses/{second}"
    assert (await submit(member, page, **HOME | {"detail": "新地址"})).status_code == 303
    assert (await submit(member, "/account/addresses", f"{page}/default")).status_code == 303
    assert await shop.world.one("SELECT id FROM member_address WHERE is_default") == second
    assert (await submit(member, "/account/addresses", f"{page}/delete")).status_code == 303
    assert await shop.world.one("SELECT id FROM member_address WHERE is_default") == first


async def test_the_choices_of_divisions_hang_on_each_other_with_and_without_javascript(member: Client) -> None:
    path = "/account/addresses/divisions"
    part = await member.get(f"{path}?province=浙江省", headers={"hx-request": "true"})
    assert "杭州市" in part.text
    assert "西湖区" not in part.text
    assert "<html" not in part.text
    capital = await member.get(f"{path}?province=北京市&city=杭州市&district=西湖区", headers={"hx-request": "true"})
    assert 'value="市辖区" selected' in capital.text
    assert "东城区" in capital.text
    step = await submit(member, "/account/addresses/new", step="divisions", recipient="林岚", province="浙江省")
    assert step.status_code == 200
    assert "杭州市" in step.text
    assert 'value="林岚"' in step.text


async def test_a_yes_is_for_the_text_that_was_shown(member: Client, shop: Shop) -> None:
    text = field_in(await member.get("/account/consents"), "text")
    for given in ("yes", "yes", "no"):
        assert (await submit(member, "/account/consents", text=text, given=given)).status_code == 303
    assert await shop.world.one("SELECT array_agg(given ORDER BY id) FROM consent_entry") == [True, False]
    assert (await submit(member, "/account/consents", text="999", given="yes")).status_code == 404
    await shop.world.connection.execute(
        "INSERT INTO consent_text (purpose, version, text_zh, text_en, published_at, published_by) "
        "VALUES ('sms', 2, '新', 'New words', now(), 'staff:1')"
    )
    late = await submit(member, "/account/consents", text=text, given="yes")
    assert late.status_code == 409
    assert "replaced by a newer one" in late.text
    assert await shop.world.one("SELECT count(*) FROM consent_entry") == 2


async def _begin_to_change(member: Client, phone: str = NEW_PHONE) -> httpx.Response:
    return await submit(member, "/account/phone", phone=phone)


async def test_a_number_moves_with_both_codes_and_the_other_devices_are_signed_out(
    member: Client, open_client: OpenClient, sessions: Sessions, shop: Shop
) -> None:
    elsewhere = open_client()
    await sign_in_member(elsewhere, sessions)
    asked = await _begin_to_change(member)
    assert "138****8000" in asked.text
    codes = {"old_code": await latest_code(sessions, PHONE), "new_code": await latest_code(sessions, NEW_PHONE)}
    wrong = "000000" if codes["old_code"] != "000000" else "111111"

    async def confirm(**given: str) -> httpx.Response:
        token = token_in(asked)
        return await member.post(
            "/account/phone/confirm", data={"csrf_token": token, "phone": NEW_PHONE, **codes, **given}
        )

    refused = await confirm(old_code=wrong)
    assert refused.status_code == 422
    assert refused.text.count("This code is not right") == 2, "once at the field, once in the summary"
    assert await shop.world.one("SELECT count(*) FROM phone_change") == 0
    assert (await confirm()).status_code == 303
    assert await shop.world.one("SELECT phone FROM member WHERE external_id = 'M1'") == NEW_PHONE
    assert (await member.get("/me")).status_code == 200
    assert (await elsewhere.get("/me")).status_code == 303
    told = await shop.world.one("SELECT body FROM outbox_message WHERE recipient = %s ORDER BY id DESC LIMIT 1", PHONE)
    assert "137****7000" in told
    again = await submit(member, "/account/profile", "/account/phone", phone=PHONE)
    assert again.status_code == 422
    assert "once in 30 days" in again.text


async def test_a_sign_in_code_changes_no_number_and_a_taken_number_is_told_only_to_who_proved_it(
    member: Client, open_client: OpenClient, sessions: Sessions, shop: Shop
) -> None:
    asked = await _begin_to_change(member, OTHER_PHONE)
    assert asked.status_code == 200, "nothing is told of whose number it is"
    change_codes = {
        "old_code": await latest_code(sessions, PHONE),
        "new_code": await latest_code(sessions, OTHER_PHONE),
    }
    browser = open_client()
    await browser.post("/login/code", data={"csrf_token": token_in(await browser.get("/login")), "phone": PHONE})
    login_code = await latest_code(sessions, PHONE)
    token = token_in(asked)
    form: dict[str, Any] = {"csrf_token": token, "phone": OTHER_PHONE}
    swapped = await member.post("/account/phone/confirm", data=form | change_codes | {"old_code": login_code})
    assert swapped.status_code == 422
    assert (await browser.post("/login", data={
        "csrf_token": token_in(await browser.get("/login")), "phone": PHONE, "code": change_codes["old_code"],
    })).status_code == 422  # fmt: skip
    taken = await member.post("/account/phone/confirm", data=form | change_codes)
    assert taken.status_code == 422
    assert "belongs to another member" in taken.text
    assert await shop.world.one("SELECT count(*) FROM phone_change") == 0


async def test_guesses_and_messages_are_limited(member: Client, shop: Shop) -> None:
    for _ in range(4):
        assert (await _begin_to_change(member)).status_code == 200
    # The fifth code within the hour was the one to sign in with.
    assert (await _begin_to_change(member)).status_code == 429
    assert await shop.world.one("SELECT phone FROM member WHERE external_id = 'M1'") == PHONE


async def test_devices_are_listed_and_signed_out_one_by_one_or_together(
    member: Client, other: Client, open_client: OpenClient, sessions: Sessions
) -> None:
    devices = [open_client(), open_client()]
    for device in devices:
        await sign_in_member(device, sessions)
    page = await member.get("/account/security")
    found = re.findall(r'name="device" value="([0-9a-f]+)"', page.text)
    assert len(found) == 2
    assert "last seen" in page.text
    foreign = await submit(other, "/account/security", "/account/security/sessions/end", device=found[0])
    assert foreign.status_code == 404
    assert (
        await submit(member, "/account/security", "/account/security/sessions/end", device=found[0])
    ).status_code == 303
    assert sorted([(await device.get("/me")).status_code for device in devices]) == [200, 303]
    assert (await submit(member, "/account/security", "/account/security/sessions/end")).status_code == 303
    assert [(await device.get("/me")).status_code for device in devices] == [303, 303]
    assert (await member.get("/me")).status_code == 200


async def test_the_copy_holds_ones_own_data_for_programs_and_people_and_is_logged(
    member: Client, other: Client, shop: Shop
) -> None:
    await submit(member, "/account/addresses/new", **HOME)
    await submit(other, "/account/addresses/new", **HOME | {"detail": "别人的地址"})
    answer = await submit(member, "/account/privacy", "/account/export")
    assert answer.headers["content-disposition"] == 'attachment; filename="my-data-2026-11-22.zip"'
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    data = json.loads(archive.read("my-data.json"))["data"]
    assert set(data) == {table.table for table in PERSONAL_DATA if table.read}
    assert [row["phone"] for row in data["member"]] == [PHONE]
    assert [row["detail"] for row in data["member_address"]] == ["文三路 1 号"]
    assert [row["points"] for row in data["transfer"]] == [1_000]
    readable = archive.read("my-data.html").decode()
    assert "文三路 1 号" in readable
    assert "别人的地址" not in readable
    assert "Street, house, room" in readable
    assert await shop.world.one("SELECT count(*) FROM data_export") == 1
    assert await shop.world.one("SELECT count(*) FROM audit_event WHERE action = 'data.export'") == 1
    assert "Copies taken so far" in (await member.get("/account/privacy")).text


async def test_every_column_of_the_copy_has_its_words(shop: Shop) -> None:
    nobody = {"members": [0], "contacts": [""], "actors": [""], "external_ids": [""]}
    for table in PERSONAL_DATA:
        if table.read:
            cursor = await shop.world.connection.execute(table.read, nobody)
            assert {column.name for column in cursor.description or []} <= set(COLUMN_LABELS), table.table


async def test_leaving_is_told_before_asked_and_can_be_taken_back(member: Client, shop: Shop) -> None:
    await shop.world.redeem("M1", shop.cheap)
    page = await member.get("/account/close")
    assert "Your 900 points are lost." in page.text
    assert "Vouchers that you hold (1) stay good" in page.text
    assert (await submit(member, "/account/close", reason="x")).status_code == 422
    assert await shop.world.one("SELECT count(*) FROM closing_request") == 0
    assert (await submit(member, "/account/close", reason="搬家", understood="yes")).status_code == 303
    for path in ("/account/privacy", "/notices"):
        assert "29 Nov 2026" in (await member.get(path)).text
    assert (await submit(member, "/account/privacy", "/account/close", understood="yes")).status_code == 422
    assert (await submit(member, "/account/privacy", "/account/close/take-back")).status_code == 303
    assert (await submit(member, "/account/privacy", "/account/close/take-back")).status_code == 409
    assert await shop.world.one("SELECT cancelled_at IS NOT NULL FROM closing_request") is True
    assert await shop.world.one("SELECT count(*) FROM audit_event WHERE action LIKE 'account.close%%'") == 2


@pytest.mark.parametrize("sku", ["goods"])
async def test_leaving_waits_for_what_is_on_its_way(member: Client, shop: Shop, sku: str) -> None:
    await shop.world.item(sku, kind="goods", points=10)
    number = (await shop.world.redeem("M1", sku)).number
    page = await member.get("/account/close")
    assert number in page.text
    refused = await submit(member, "/account/privacy", "/account/close", understood="yes")
    assert refused.status_code == 422
    assert await shop.world.one("SELECT count(*) FROM closing_request") == 0


async def test_after_the_days_nobody_signs_in_and_the_number_is_free(
    app: Litestar, member: Client, open_client: OpenClient, sessions: Sessions, shop: Shop, clock: FixedClock
) -> None:
    from liyu.redemption.closing import close_due_accounts
    from tests.members.personal.people import enrol

    await submit(member, "/account/close", understood="yes")
    due = clock.now() + timedelta(days=7)
    assert await close_due_accounts(shop.world.connection, due - timedelta(seconds=1), actor="system") == 0
    assert (await member.get("/me")).status_code == 200
    assert await close_due_accounts(shop.world.connection, due, actor="system") == 1
    assert (await member.get("/me")).status_code == 303
    browser = open_client()
    token = token_in(await browser.get("/login"))
    await browser.post("/login/code", data={"csrf_token": token, "phone": PHONE})
    assert await shop.world.one("SELECT count(*) FROM outbox_message WHERE recipient = %s", PHONE) == 0
    await enrol(shop.world, "M1", PHONE)
    signed_in = await sign_in_member(open_client(), sessions)
    assert signed_in.status_code == 303
    assert (await shop.world.balances("M1"))["points"] == 0
