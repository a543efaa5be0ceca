"""The demo's campaigns: one that is done, birthdays that are kept, coupons that go together, gift codes on cards."""

import csv
import io
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import structs
from psycopg import AsyncConnection

from liyu.catalog.coupons import CouponRuleTerms, save_coupon_rule
from liyu.core.clock import local_date, start_of_day
from liyu.core.settings import Settings
from liyu.core.storage import open_storage
from liyu.demo.activity import DEMO_MEMBER
from liyu.demo.history import ACTOR
from liyu.members.tags.conditions import Condition, Conditions
from liyu.redemption.campaigns.calendar import note_due
from liyu.redemption.campaigns.issue import carry_out
from liyu.redemption.campaigns.people import ReadList, list_of
from liyu.redemption.campaigns.records import Chosen, load_campaign
from liyu.redemption.campaigns.service import Draft, approve_campaign, draft_campaign, start_campaign
from liyu.redemption.giftcodes.batches import BatchDraft, change_range, make_batch, take_list
from liyu.redemption.giftcodes.redeem import redeem_gift_code
from liyu.vouchers.till_rules import find_item_rule, save_item_rule

RULES = {
    "CPN-BIRTHDAY-20": CouponRuleTerms("everything", turn=6),
    "CPN-SHOP-30": CouponRuleTerms("listed", ["care", "discount"], most_per_bill=2, turn=3),
    "CPN-HEMA-50": CouponRuleTerms("listed", ["marketing"], most_per_bill=2, turn=5),
    "CPN-HEMA-FRESH": CouponRuleTerms("listed", ["ordinary"], turn=2, threshold_of="bill"),
    "CPN-LUCKIN-6": CouponRuleTerms("everything", most_per_bill=2, exclusive_group="瑞幸立减"),
}
ASKED_FOR = "LUCKIN-MONTHLY"
"""Worth copying, so its paper is taken with its holder's word only; the demo's member has one to try that with."""
GIVEN_BEFORE = timedelta(minutes=2)
"""A moment ago: lists of orders and notices go by their numbers, which are given as things happen."""
BIRTHDAYS_SINCE = timedelta(days=28)
SECOND_PERSON = "staff:1"
CARDS, CODES_REDEEMED = 200, 4


async def give_campaigns(connection: AsyncConnection[Any], settings: Settings, now: datetime) -> None:
    """Say what goes together, give to the upper tiers, keep the birthdays of four weeks, and put codes on cards."""
    zone = settings.timezone
    async with connection.transaction():
        for sku, terms in RULES.items():
            await save_coupon_rule(connection, sku, terms, actor=ACTOR, now=now)
    await _thank_upper_tiers(connection, now - GIVEN_BEFORE, zone)
    await _keep_birthdays(connection, now, zone)
    await _make_up_for_one(connection, now - GIVEN_BEFORE, zone)
    await _let_one_try(connection, now - GIVEN_BEFORE, zone)
    await _make_cards(connection, settings, now)


async def _thank_upper_tiers(connection: AsyncConnection[Any], at: datetime, zone: ZoneInfo) -> None:
    tiers = "silver; gold; platinum"
    draft = Draft(
        name="双十一会员回馈", sku="CPN-SHOP-30", reason="感谢一年相伴，回馈券已放入卡包。",
        chosen=Chosen("tier", tiers, Conditions([Condition("tier", tiers)])),
    )  # fmt: skip
    campaign = await _start(connection, draft, at, zone)
    await carry_out(connection, campaign, actor=ACTOR, now=partial(_same, at), zone=zone)


async def _make_up_for_one(connection: AsyncConnection[Any], at: datetime, zone: ZoneInfo) -> None:
    """A list of one, with a row that names nobody."""
    draft = Draft(
        name="补发生日礼", sku="CPN-BIRTHDAY-20", reason="客服补发，祝你愉快。", chosen=Chosen("list", "补发名单.xlsx")
    )
    campaign = await _start(connection, draft, at, zone, listed=list_of([DEMO_MEMBER, "99999"]))
    await carry_out(connection, campaign, actor=ACTOR, now=partial(_same, at), zone=zone)


async def _let_one_try(connection: AsyncConnection[Any], at: datetime, zone: ZoneInfo) -> None:
    async with connection.transaction():
        rule = await find_item_rule(connection, ASKED_FOR)
        await save_item_rule(connection, structs.replace(rule, uses_a_day=1, paper_confirmed=True))
    draft = Draft(
        name="早安咖啡体验", sku=ASKED_FOR, reason="邀你体验早安咖啡卡。", chosen=Chosen("list", "体验名单.xlsx")
    )
    campaign = await _start(connection, draft, at, zone, listed=list_of([DEMO_MEMBER]))
    await carry_out(connection, campaign, actor=ACTOR, now=partial(_same, at), zone=zone)


async def _keep_birthdays(connection: AsyncConnection[Any], now: datetime, zone: ZoneInfo) -> None:
    begin = now - BIRTHDAYS_SINCE
    draft = Draft(
        name="会员生日礼", sku="CPN-BIRTHDAY-20", reason="生日快乐！", kind="birthday", chosen=Chosen("everybody"),
        starts_on=local_date(begin, zone),
    )  # fmt: skip
    campaign_id = await _start(connection, draft, begin, zone)
    campaign = await load_campaign(connection, campaign_id)
    for days in range(BIRTHDAYS_SINCE.days + 1):
        at = begin + timedelta(days=days)
        if await note_due(connection, campaign, now=at, today=local_date(at, zone), zone=zone):
            await carry_out(connection, campaign_id, actor=ACTOR, now=partial(_same, at), zone=zone)


def _same(at: datetime) -> datetime:
    return at


async def _start(
    connection: AsyncConnection[Any], draft: Draft, at: datetime, zone: ZoneInfo, *, listed: ReadList | None = None
) -> int:
    async with connection.transaction():
        campaign, _ = await draft_campaign(connection, draft, actor=ACTOR, now=at, zone=zone, listed=listed)
        if await start_campaign(connection, campaign, actor=ACTOR, now=at, zone=zone) == "asked":
            await approve_campaign(connection, campaign, actor=SECOND_PERSON, now=at)
    return campaign


async def _make_cards(connection: AsyncConnection[Any], settings: Settings, now: datetime) -> None:
    """Cards of which half are handed out, and a letter that waits for its list to be fetched."""
    storage, key, zone = open_storage(settings), settings.secret_key, settings.timezone
    today = local_date(now, zone)
    at = now - GIVEN_BEFORE
    begins, ends = start_of_day(today - timedelta(days=14), zone), start_of_day(today + timedelta(days=120), zone)
    cards = BatchDraft(name="新春礼品卡", codes=CARDS, points=200, per_member_limit=2, valid_from=begins, valid_to=ends)
    batch = await make_batch(connection, storage, cards, secret_key=key, actor=ACTOR, now=at)
    content = (await take_list(connection, storage, batch, secret_key=key, actor=ACTOR, now=at)).decode()
    codes = [row["code"] for row in csv.DictReader(io.StringIO(content))]
    async with connection.transaction():
        await change_range(
            connection, batch, "activated", 1, CARDS // 2, reason="已交门店", actor=SECOND_PERSON, now=at, zone=zone
        )
        await change_range(
            connection, batch, "cancelled", CARDS - 9, CARDS, reason="印刷破损", actor=ACTOR, now=at, zone=zone
        )
    found = await connection.execute(
        "SELECT external_id FROM member WHERE state = 'active' ORDER BY external_id <> %s, id LIMIT %s",
        (DEMO_MEMBER, CODES_REDEEMED),
    )
    for code, (member,) in zip(codes, await found.fetchall(), strict=False):
        await redeem_gift_code(connection, code, member, secret_key=key, actor=ACTOR, now=at, zone=zone)
    letter = BatchDraft(name="入会信礼券", codes=50, sku="CPN-SHOP-30", valid_from=begins, valid_to=ends)
    await make_batch(connection, storage, letter, secret_key=key, actor=ACTOR, now=now)
