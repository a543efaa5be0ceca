"""Coupons for a bill, explained; gift codes typed in, with one answer for all that there are not."""

from datetime import timedelta
from pathlib import Path

from liyu.catalog.coupons import CouponRuleTerms, save_coupon_rule
from liyu.core.clock import FixedClock
from liyu.core.settings import Settings
from liyu.core.storage import FolderStorage
from liyu.redemption.giftcodes.batches import BatchDraft, change_range, make_batch, take_list
from liyu.redemption.giftcodes.codes import draw_code
from tests.web.conftest import Client
from tests.web.console.acts import texts_of
from tests.web.mall.conftest import Shop
from tests.web.personas import token_in


async def test_the_wallet_says_which_coupons_go_together_and_why_not(
    shop: Shop, member: Client, clock: FixedClock
) -> None:
    world = shop.world
    assert "No coupon to use right now" in texts_of(await member.get("/wallet/combine"))
    for sku, name, form, benefit in (
        ("A", "Ten off", "cash", 1_000),
        ("B", "Twenty off", "cash", 2_000),
        ("C", "A tenth", "discount", 1_000),
    ):
        await world.item(sku, points=1)
        await world.connection.execute(
            "UPDATE item SET name_zh = %s, name_en = %s, coupon_form = %s, coupon_purpose = 'ordinary', coupon_benefit = %s, "
            "coupon_threshold_minor = 3000 WHERE sku = %s",
            (name, name, form, benefit, sku),
        )  # fmt: skip
    for sku in ("B", "C"):
        terms = CouponRuleTerms(combines="listed", combines_with=["cash", "discount"], turn=1 if sku == "C" else 2)
        async with world.connection.transaction():
            await save_coupon_rule(world.connection, sku, terms, actor="test", now=clock.now())
    ids = {sku: (await world.redeem("M1", sku)).voucher_ids[0] for sku in "ABC"}
    assert (await member.get("/wallet/combine")).status_code == 200
    page = texts_of(await member.get("/wallet/combine?amount=100"))
    assert "Best: ¥ 30.00 off" in page
    assert "Cannot be combined with “A tenth”." in page
    page = texts_of(await member.get(f"/wallet/combine?amount=100&use={ids['A']}&use={ids['B']}"))
    assert "What you ticked does not go together" in page
    page = texts_of(await member.get(f"/wallet/combine?amount=100&use={ids['B']}&use={ids['C']}"))
    assert "What you ticked goes together: ¥ 30.00 off" in page
    page = texts_of(await member.get("/wallet/combine?amount=20"))
    assert "No coupon fits this bill" in page
    assert "Needs a bill of ¥ 30.00." in page
    # Two that do not differ are named once.
    await world.redeem("M1", "A")
    assert "Ten off × 2 : Cannot be combined with" in texts_of(await member.get("/wallet/combine?amount=100"))
    # What is not valid yet is no choice.
    await world.connection.execute(
        "INSERT INTO till_rule (item_id, usable_from, paper_confirmed) SELECT id, %s, false FROM item WHERE sku = 'B'",
        (clock.now() + timedelta(days=1),),
    )
    page = texts_of(await member.get("/wallet/combine?amount=100"))
    assert ("Best: ¥ 10.00 off" in page, "Twenty off" in page) == (True, False)
    for wrong in ("x", "-1", "0", "99999999999"):
        assert (await member.get(f"/wallet/combine?amount={wrong}")).status_code == 422, wrong
    assert await world.one("SELECT sum(uses) FROM voucher") == 0


async def test_a_gift_code_is_redeemed_and_guessing_ends(
    shop: Shop, member: Client, other: Client, settings: Settings, clock: FixedClock, tmp_path: Path
) -> None:
    connection, now = shop.world.connection, clock.now()
    draft = BatchDraft(name="Cards", codes=3, points=70, valid_from=now, valid_to=now + timedelta(days=1))
    batch = await make_batch(
        connection, FolderStorage(tmp_path), draft, secret_key=settings.secret_key, actor="test", now=now
    )
    content = await take_list(
        connection, FolderStorage(tmp_path), batch, secret_key=settings.secret_key, actor="test", now=now
    )
    codes = [line.split(",")[1] for line in content.decode().split()[1:]]
    async with connection.transaction():
        await change_range(connection, batch, "activated", 1, 2, actor="test", now=now, zone=settings.timezone)

    tokens = {client: token_in(await client.get("/gift-code")) for client in (member, other)}

    async def redeem(client: Client, code: str) -> tuple[int, str]:
        answer = await client.post("/gift-code", data={"csrf_token": tokens[client], "code": code})
        return answer.status_code, texts_of(answer)

    assert (await redeem(member, codes[0]))[0] == 200
    status, page = await redeem(member, codes[0])
    assert status == 200
    assert "You have this from the code already" in page
    assert (await shop.world.balances("M1"))["points"] == 1_070
    assert (await redeem(other, codes[0]))[0] == 409
    assert (await redeem(other, ""))[0] == 422
    # Typing errors are told and not counted; of the rest all sound the same, and too many are too many.
    for _ in range(12):
        assert (await redeem(other, codes[1][:-1] + ("A" if codes[1][-1] != "A" else "B")))[0] == 422
    answers = {await redeem(other, code) for code in (codes[2], *(draw_code() for _ in range(9)))}
    assert {status for status, _ in answers} == {404}
    assert (await redeem(other, codes[1]))[0] == 429
    assert (await redeem(member, codes[1]))[0] == 200
    history = texts_of(await member.get("/points"))
    assert "Gift code redeemed" in history
