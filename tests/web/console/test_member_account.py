"""Help with a member's account: with a reason, once, in the log without anything personal; roles that may not are refused."""

from typing import Any

from tests.web.console.acts import submit, texts_of
from tests.web.console.conftest import SignIn
from tests.world import World

PAGE = "/console/members/m-1/account"
PHONE, NEW_PHONE = "+8613800138000", "+8613700137000"
FIELDS = "/console/profile-fields"


async def audit_of(world: World, action: str) -> Any:
    rows = await world.connection.execute("SELECT object, after FROM audit_event WHERE action = %s", (action,))
    return await rows.fetchall()


async def test_birthday_and_number_are_corrected_with_a_reason(sign_in: SignIn, world: World) -> None:
    await world.connection.execute("UPDATE member SET phone = %s WHERE external_id = 'm-1'", (PHONE,))
    client = await sign_in("service")
    for action, fields in (
        ("birthday", {"birthday": "1899-01-01", "birthday_reason": "x"}),
        ("birthday", {"birthday": "1990-01-01"}),
        ("phone", {"phone": "12", "phone_reason": "Lost"}),
        ("phone", {"phone": PHONE, "phone_reason": "Lost"}),
        ("phone", {"phone": NEW_PHONE}),
    ):
        assert (await submit(client, PAGE, f"{PAGE}/{action}", **fields)).status_code == 422, fields
    assert await world.one("SELECT count(*) FROM audit_event WHERE action LIKE 'member.%%'") == 0
    assert await world.one("SELECT phone FROM member WHERE external_id = 'm-1'") == PHONE
    right = {"birthday": "1990-01-01", "birthday_reason": "Passport"}
    assert (await submit(client, PAGE, f"{PAGE}/birthday", **right)).status_code == 303
    assert (await submit(client, PAGE, f"{PAGE}/phone", phone=NEW_PHONE, phone_reason="Lost")).status_code == 303
    assert await audit_of(world, "member.birthday") == [("member:m-1", {"reason": "Passport"})]
    assert await audit_of(world, "member.phone") == [("member:m-1", {"reason": "Lost"})]
    assert "137****7000" in await world.one("SELECT body FROM outbox_message WHERE recipient = %s", PHONE)
    assert "Number changed from +8613800138000 to +8613700137000" in texts_of(await client.get(PAGE))
    assert (await submit(client, PAGE, f"{PAGE}/sessions/end")).status_code == 303
    finance = await sign_in("finance")
    for action in ("birthday", "phone", "sessions/end", "close", "close/take-back"):
        assert (await submit(finance, FIELDS, f"{PAGE}/{action}", **right)).status_code == 403, action
    missing = "/console/members/nobody/account"
    assert (await client.get(missing)).status_code == 404
    assert (await submit(client, PAGE, f"{missing}/birthday", **right)).status_code == 404


async def test_closing_is_noted_taken_back_and_carried_out_at_once(sign_in: SignIn, world: World) -> None:
    client = await sign_in("operator")
    assert (await submit(client, PAGE, f"{PAGE}/close", leave_reason="")).status_code == 422
    assert (await submit(client, PAGE, f"{PAGE}/close", leave_reason="Letter")).status_code == 303
    assert "The member wants to leave" in texts_of(await client.get(PAGE))
    assert (await submit(client, PAGE, f"{PAGE}/close", leave_reason="Letter")).status_code == 422
    assert (await submit(client, PAGE, f"{PAGE}/close/take-back")).status_code == 303
    assert (await submit(client, PAGE, f"{PAGE}/close/take-back")).status_code == 422
    service = await sign_in("service")
    assert (await submit(service, PAGE, f"{PAGE}/close", leave_reason="x", at_once="yes")).status_code == 403
    await world.redeem("m-1", "tea")
    waiting = await submit(client, PAGE, f"{PAGE}/close", leave_reason="Letter", at_once="yes")
    assert waiting.status_code == 422
    assert "Some orders are still open" in texts_of(waiting)
    assert await world.one("SELECT state FROM member WHERE external_id = 'm-1'") == "active"
    await world.connection.execute("UPDATE redemption SET state = 'completed'")
    done = await submit(client, PAGE, f"{PAGE}/close", leave_reason="Letter", at_once="yes")
    assert done.status_code == 303
    erased = done.headers["location"]
    assert "The person was erased" in texts_of(await client.get(erased))
    assert (await client.get(PAGE)).status_code == 404
    assert [after for _object, after in await audit_of(world, "member.erase")] == [{"reason": "Letter"}]
    assert await world.one("SELECT coalesce(sum(balance), 0) FROM account a JOIN member m ON m.id = a.member_id "
        "WHERE m.state = 'closed'") == 0  # fmt: skip


async def test_questions_are_asked_changed_and_retired(sign_in: SignIn, world: World) -> None:
    client = await sign_in("operator")
    assert "there is no rule for it" in texts_of(await client.get(FIELDS))
    new = f"{FIELDS}/new"
    faulty = await submit(client, new, new, key="Drink!", kind="choice", name_zh="饮品", options="tea | 茶")
    assert faulty.status_code == 422
    for words in ("Use 1 to 40 small letters", "Give 2 to 60 options", "Must have 1 to 60 characters"):
        assert words in texts_of(faulty)
    assert await world.one("SELECT count(*) FROM profile_field") == 0
    drink = {
        "name_zh": "饮品",
        "name_en": "Drink",
        "options": "tea | 茶 | Tea\ncoffee | 咖啡 | Coffee",
        "counts": "yes",
    }
    assert (await submit(client, new, new, key="drink", kind="choice", active="yes", **drink)).status_code == 303
    assert (await submit(client, new, new, key="drink", kind="text", name_zh="x", name_en="x")).status_code == 422
    await world.connection.execute(
        "INSERT INTO profile_value SELECT m.id, f.id, 'tea' FROM member m, profile_field f WHERE m.external_id = 'm-1'"
    )
    one = f"{FIELDS}/drink"
    assert "tea | 茶 | Tea" in texts_of(await client.get(one))
    gone = drink | {"options": "wine | 酒 | Wine\ncoffee | 咖啡 | Coffee"}
    assert (await submit(client, one, one, **gone)).status_code == 422
    assert "Tea" in texts_of(await client.get(PAGE))
    assert (await submit(client, one, one, **drink | {"name_en": "Favourite"})).status_code == 303
    assert await world.one("SELECT name_en || active::text FROM profile_field") == "Favouritefalse"
    assert (await client.get(f"{FIELDS}/nothing")).status_code == 404
    rules = {"birthday_change_days": "100", "phone_change_days": "5", "closing_days": "14"}
    assert (await submit(client, FIELDS, f"{FIELDS}/rules", **rules | {"closing_days": "x"})).status_code == 422
    assert (await submit(client, FIELDS, f"{FIELDS}/rules", **rules)).status_code == 303
    assert await world.one("SELECT closing_days FROM program") == 14
    service = await sign_in("service")
    for path in (new, one, f"{FIELDS}/rules"):
        assert (await submit(service, FIELDS, path, **drink)).status_code == 403, path


async def test_a_new_wording_is_published_by_who_may(sign_in: SignIn, world: World) -> None:
    client, page = await sign_in("operator"), "/console/consents"
    assert (await submit(client, page, page, purpose="sms", text_zh="新")).status_code == 422
    assert await world.one("SELECT count(*) FROM consent_text") == 3
    words = {"purpose": "sms", "text_zh": "新文本", "text_en": "New words"}
    assert (await submit(client, page, page, **words)).status_code == 303
    assert "Version 2 New words" in texts_of(await client.get(page)).replace("Agreed: 0 新文本 ", "")
    assert await audit_of(world, "consent.publish") == [("consent:sms", {"version": 2})]
    service = await sign_in("service")
    assert (await submit(service, page, page, **words)).status_code == 403
