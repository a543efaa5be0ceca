"""Campaigns, gift codes and coupons on a bill by the API."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from psycopg import AsyncConnection

from liyu.core.clock import FixedClock
from liyu.core.database import Sessions
from liyu.core.settings import Settings
from liyu.core.storage import FolderStorage
from liyu.redemption.giftcodes.batches import BatchDraft, change_range, make_batch, take_list
from tests.web.api.conftest import OpenApi
from tests.web.api.world import Api, World, problem_of
from tests.worker import Worker

CAMPAIGN = {"name": "Spring", "sku": "LATTE", "reason": "Thank you", "members": ["M1", "M2", "nobody"]}


async def test_a_campaign_is_given_once_for_one_key(
    api: Api, open_api: OpenApi, world: World, settings: Settings, clock: FixedClock, sessions: Sessions
) -> None:
    async def post(key: str, **changes: Any) -> Any:
        return await api.post("/campaigns", json=CAMPAIGN | changes, headers={"idempotency-key": key})

    for status, code, changes in (
        (422, "invalid_input", {"tier": "gold"}), (422, "invalid_input", {"members": None, "segment": "none"}),
        (422, "invalid_input", {"members": None, "tag": ";"}), (422, "invalid_input", {"members": None, "tier": "none"}),
        (404, "unknown_item", {"sku": "none"}), (409, "nobody_meant", {"members": ["nobody"]}),
    ):  # fmt: skip
        problem_of(await post(f"wrong-{changes}", **changes), status, code)
    assert await world.fetch("SELECT count(*) FROM campaign") == [(0,)]
    made = await post("k1")
    assert made.status_code == 202, made.text
    answer = made.json()
    assert (answer["status"], answer["members"], answer["expected"], answer["unknown"]) == ("issuing", 2, 2, ["nobody"])
    assert (await post("k1")).json() == answer
    problem_of(await post("k2"), 409, "name_taken")
    await Worker(settings, clock, sessions).run()
    done = (await api.get(f"/campaigns/{answer['id']}")).json()
    assert (done["status"], done["given"], done["waiting"]) == ("finished", 2, 0)
    assert await world.fetch("SELECT count(*) FROM voucher") == [(2,)]
    problem_of(await (await open_api("items:read")).get(f"/campaigns/{answer['id']}"), 403, "scope_missing")
    await world.assert_books_balance()


async def test_a_gift_code_is_redeemed_for_a_member(
    api: Api, world: World, settings: Settings, clock: FixedClock, tmp_path: Path
) -> None:
    now, storage, key = clock.now(), FolderStorage(tmp_path), settings.secret_key
    assert settings.database_url is not None
    async with await AsyncConnection.connect(settings.database_url, autocommit=True) as own:
        draft = BatchDraft(name="Cards", codes=1, sku="LATTE", valid_from=now, valid_to=now + timedelta(days=1))
        batch = await make_batch(own, storage, draft, secret_key=key, actor="test", now=now)
        content = await take_list(own, storage, batch, secret_key=key, actor="test", now=now)
        code = content.decode().split()[1].split(",")[1]

        async def redeem(member: str = "M1", text: str = code) -> Any:
            return await api.post("/gift-codes/redeem", json={"member": member, "code": text})

        problem_of(await redeem(), 404, "unknown_gift_code")
        async with own.transaction():
            await change_range(own, batch, "activated", 1, 1, actor="test", now=now, zone=settings.timezone)
    problem_of(await redeem(text=code[:-2]), 422, "mistyped_code")
    problem_of(await redeem("nobody"), 404, "unknown_member")
    got = (await redeem()).json()
    assert (got["sku"], got["quantity"], got["repeated"]) == ("LATTE", 1, False)
    assert (await redeem()).json() == got | {"repeated": True}
    problem_of(await redeem("M2"), 409, "gift_code_used")
    assert await world.fetch("SELECT channel, points FROM redemption") == [("gift_code", 0)]
    await world.assert_books_balance()


async def test_a_till_learns_which_coupons_go_together(
    api: Api, open_api: OpenApi, world: World, database_url: str
) -> None:
    async with await AsyncConnection.connect(database_url, autocommit=True) as own:
        coupon = "coupon_form = 'cash', coupon_purpose = 'ordinary', coupon_benefit = 1000"
        await own.execute(f"UPDATE item SET {coupon} WHERE sku = 'NOODLES'")
    first, second = await api.voucher("k1", sku="NOODLES"), await api.voucher("k2", sku="NOODLES")
    right = await api.voucher("k3")

    async def combine(*codes: str, amount: int = 5_000) -> Any:
        return (
            await api.post("/vouchers/combine", json={"codes": list(codes), "amount_minor": amount, "store": "B1"})
        ).json()

    alone = await combine(first)
    assert (alone["together"], alone["saved_minor"], alone["best_saved_minor"]) == (True, 1_000, 1_000)
    both = await combine(first, second, second)
    assert not both["together"]
    assert [(one["place"], one["reason"]) for one in both["objections"]] == [
        (1, "too_many_of_item"),
        (2, "shown_twice"),
    ]
    assert [one["place"] for one in both["best"]] == [0]
    assert [one["reason"] for one in (await combine(first, right))["objections"]] == ["wrong_store"]
    problem_of(
        await api.post("/vouchers/combine", json={"codes": ["7K3M-P9QX-4TRD"], "amount_minor": 1}),
        404,
        "unknown_voucher",
    )
    partner = await open_api("vouchers:verify", partner="ALPHA")
    refused = await partner.post("/vouchers/combine", json={"codes": [first], "amount_minor": 1})
    problem_of(refused, 409, "wrong_partner")
    assert await world.fetch("SELECT sum(uses) FROM voucher") == [(0,)]
