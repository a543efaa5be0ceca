"""Points rules in the console: made, tried, changed, ended; every step leaves its audit event and no past price moves."""

from tests.web.console.acts import submit, texts_of
from tests.web.console.conftest import SignIn
from tests.web.console.test_acts import audit
from tests.world import World

RULES = "/console/rules"
DOUBLE = {
    "name_zh": "双倍消费", "name_en": "Double purchases", "points": "2", "growth": "1", "per_minor": "1.00",
    "condition": "always", "birthday_basis_points": "1.5", "birthday_span": "month", "yearly_cap": "700",
}  # fmt: skip


async def test_a_rule_is_tried_before_it_is_saved_and_then_prices_what_comes(sign_in: SignIn, world: World) -> None:
    client, page = await sign_in("operator"), f"{RULES}/purchase/edit"
    trial = {"trial_amount": "320", "trial_birthday": "1990-11-02", "act": "preview"}
    shown = texts_of(await submit(client, page, page, **DOUBLE, **trial))
    assert "× 1.5 for the birthday · the year's cap left 700 of 960" in shown
    assert await world.one("SELECT count(*) FROM earning_rule WHERE code = 'purchase'") == 1
    before = (await world.balances("m-1"))["points"]
    saved = await submit(client, page, page, **DOUBLE)
    assert saved.status_code == 303, texts_of(saved)
    assert await audit(world, "rule.edit") == 1
    await world.post(world.purchase("m-1", 1_000), world.purchase("m-1", 1_000, at=world.clock.now()))
    assert (await world.balances("m-1"))["points"] == before + 10 + 20
    one = texts_of(await client.get(f"{RULES}/purchase"))
    assert "Double purchases" in one
    assert "× 1.5 in the birthday's month" in one
    preview = await client.get(f"{RULES}/preview?event_type=purchase&trial_amount=320&trial_member=m-1")
    assert "640" in texts_of(preview)


async def test_a_draft_with_faults_names_them_all_and_saves_nothing(sign_in: SignIn, world: World) -> None:
    client, page = await sign_in("operator"), f"{RULES}/new"
    faulty = {
        **DOUBLE, "event_type": "share", "code": "a b", "condition": "streak", "valid_from": "2020-01-01T00:00",
    }  # fmt: skip
    answer = await submit(client, page, page, **faulty)
    assert answer.status_code == 422
    for fault in (
        "letters, digits and underscores", "Only purchases have an amount", "Only check-ins", "what has happened keeps",
    ):  # fmt: skip
        assert fault in texts_of(answer)
    assert (await submit(client, page, page, **DOUBLE, event_type="purchase", code="returns")).status_code == 422
    taken = await submit(client, page, page, **DOUBLE, event_type="purchase", code="purchase")
    assert taken.status_code == 409
    for trial in ({"trial_member": "nobody"}, {"trial_amount": "x"}):
        answer = await submit(client, page, page, **DOUBLE, **trial, event_type="purchase", code="more", act="preview")
        assert answer.status_code == 422
    assert await world.one("SELECT count(*) FROM earning_rule") == 6
    assert (await submit(client, page, page, **DOUBLE, event_type="purchase", code="more")).status_code == 303


async def test_a_rule_ends_with_a_reason_and_a_plan_can_be_withdrawn(sign_in: SignIn, world: World) -> None:
    client, page = await sign_in("operator"), f"{RULES}/share"
    edit = f"{page}/edit"
    planned = {
        "name_zh": "分享",
        "name_en": "Share",
        "points": "3",
        "condition": "always",
        "valid_from": "2027-01-01T00:00",
    }
    assert (await submit(client, edit, edit, **planned)).status_code == 303
    assert (await submit(client, page, f"{page}/end", reason="x")).status_code == 409
    assert "version 2" in texts_of(await client.get(RULES))
    assert (await submit(client, page, f"{page}/withdraw")).status_code == 303
    assert (await submit(client, page, f"{page}/end", reason="")).status_code == 422
    assert await world.one("SELECT valid_to FROM earning_rule WHERE code = 'share' AND version = 1") is None
    assert (await submit(client, page, f"{page}/end", reason="Abused")).status_code == 303
    assert (await submit(client, page, f"{page}/end", reason="Abused")).status_code == 409
    assert [await audit(world, act) for act in ("rule.edit", "rule.withdraw", "rule.end")] == [1, 1, 1]


async def test_what_returns_take_back_is_chosen_and_logged(sign_in: SignIn, world: World) -> None:
    client = await sign_in("operator")
    assert (await submit(client, RULES, f"{RULES}/returns", policy="nothing", points_part="earns")).status_code == 422
    assert await world.one("SELECT points_part_earns FROM program") is False
    chosen = {"policy": "down_to_zero", "points_part": "earns"}
    assert (await submit(client, RULES, f"{RULES}/returns", **chosen)).status_code == 303
    assert await world.one("SELECT return_policy FROM program") == "down_to_zero"
    assert await world.one("SELECT points_part_earns FROM program") is True
    assert "Earns like the rest" in texts_of(await (await sign_in("service")).get(RULES))
    assert await audit(world, "rules.returns") == 1
    await world.post(world.event("m-2", "return", 10_000))
    assert (await world.balances("m-2"))["debt"] == 0


async def test_who_only_reads_sees_rules_and_changes_none(sign_in: SignIn, world: World) -> None:
    client = await sign_in("service")
    for path in (RULES, f"{RULES}/purchase", f"{RULES}/preview?event_type=check_in&trial_streak=7"):
        assert (await client.get(path)).status_code == 200, path
    assert (await client.get(f"{RULES}/new")).status_code == 403
    for action in ("returns", "purchase/end", "purchase/edit", "new"):
        answer = await submit(client, f"{RULES}/preview", f"{RULES}/{action}", policy="down_to_zero", reason="x")
        assert answer.status_code == 403, action
    assert (await client.get(f"{RULES}/none")).status_code == 404
    assert await world.one("SELECT return_policy FROM program") == "into_debt"
