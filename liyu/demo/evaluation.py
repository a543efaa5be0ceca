"""What the operators of the demo think of its rights, what members would like next, and a small recall of codes."""

import random
from datetime import datetime, timedelta
from typing import Any

from psycopg import AsyncConnection

from liyu.catalog.evaluation.candidates import CandidateFacts, add_candidate, move_candidate, vote
from liyu.catalog.evaluation.mix import Target, set_targets
from liyu.catalog.evaluation.scores import DIMENSIONS, Subject, add_sheet
from liyu.catalog.pools.imports import HASHING, GivenCode, hash_code
from liyu.catalog.pools.recall import Recall, recall_codes
from liyu.catalog.pools.watch import set_watch
from liyu.core.sealing import derive_key
from liyu.core.settings import Settings
from liyu.demo.files import read_json
from liyu.demo.history import ACTOR

CANDIDATES = [
    ("机场贵宾厅休息", "Airport lounge visit", "全国 60 个机场可用", "At 60 airports", "travel", "", (9, 6, 7, 4), 0.55),
    ("年度洗牙", "Yearly dental cleaning", "20 家门诊任选", "At any of 20 clinics", "health", "", (8, 7, 6, 6), 0.4),
    ("充电 50 度", "50 kWh of charging", "合作充电站通用", "At every station of the partner", "car", "", (8, 8, 7, 7), 0.35),
    ("亲子酒店一晚", "A night at a family hotel", "含双早", "With breakfast for two", "hotel", "", (9, 4, 8, 2), 0.6),
    ("城市书房月卡", "A month of reading rooms", "不限次数", "As often as you like", "entertainment", "", (5, 9, 7, 9), 0.15),
]  # fmt: skip
"""Names, summaries, scene, partner, the scores of one person, and the share of members who vote for it."""

SCENE_TARGETS = {
    "travel": 8, "dining": 10, "hotel": 6, "car": 6, "health": 8, "coffee": 6, "shopping": 8, "entertainment": 8, "home": 4,
    "charity": 3,
}  # fmt: skip
TIER_TARGETS = {"standard": 40, "silver": 8, "gold": 6, "platinum": 4}
EVALUATED, VOTERS = 14, 60
RECALLED = "CODE-CLOUD"
LOW = ("CODE-SLEEP", "LUCKIN-APP-GIFT")


async def evaluate_rights(connection: AsyncConnection[Any], now: datetime) -> None:
    """Score sheets of two people for the items redeemed most, candidates with votes, and targets for the mix."""
    dice = random.Random(7)  # noqa: S311 - the demo is the same every time
    staff = await _column(connection, "SELECT id FROM staff WHERE role IN ('admin', 'operator') ORDER BY id LIMIT 2")
    people = [f"staff:{one}" for one in staff] or [ACTOR]
    items = await _column(
        connection,
        "SELECT item_id FROM item_stock JOIN item ON id = item_id WHERE state = 'live' ORDER BY taken DESC, id LIMIT %s",
        EVALUATED,
    )
    for place, item in enumerate(items):
        for person, actor in enumerate(people):
            scores = {one: dice.randint(4, 10) if dice.random() > 0.15 else dice.randint(1, 3) for one in DIMENSIONS}
            at = now - timedelta(days=30 - place, hours=person)
            await add_sheet(connection, Subject(item_id=item), scores, reason="quarterly_review", actor=actor, now=at)
    await _propose(connection, people[0], now, dice)
    targets = [Target("scene", code, wanted, now) for code, wanted in SCENE_TARGETS.items()]
    await set_targets(
        connection, [*targets, *(Target("tier", code, wanted, now) for code, wanted in TIER_TARGETS.items())]
    )


async def recall_some_codes(connection: AsyncConnection[Any], settings: Settings, now: datetime) -> None:
    """Two codes that members have and one that nobody has did not work; whoever had one has another now.

    Two pools are low, one of them a partner's.
    """
    key, codes = derive_key(settings.secret_key, HASHING), read_json("codes")[RECALLED]
    query = (
        "SELECT secret_hash FROM pool_code JOIN item i ON i.id = item_id WHERE sku = %s AND redemption_id IS NOT NULL "
        "ORDER BY pool_code.id LIMIT 2"
    )
    held = {bytes(digest) for digest in await _column(connection, query, RECALLED)}
    bad = [code for code in codes if hash_code(code, key) in held]
    bad.append(next(code for code in codes if code not in bad))
    given = [GivenCode(row, code) for row, code in enumerate(bad, 1)]
    await recall_codes(
        connection, RECALLED, Recall("supplier_error", codes=given), secret_key=settings.secret_key, actor=ACTOR,
        now=now - timedelta(days=1),
    )  # fmt: skip
    for low in await _column(connection, "SELECT id FROM item WHERE sku = ANY(%s) ORDER BY id", list(LOW)):
        await set_watch(connection, low, low_at=50, lead_days=14)


async def _propose(connection: AsyncConnection[Any], actor: str, now: datetime, dice: random.Random) -> None:
    members = await _column(connection, "SELECT id FROM member WHERE state = 'active' ORDER BY id LIMIT %s", VOTERS)
    for place, (*facts, scores, share) in enumerate(CANDIDATES):
        at = now - timedelta(days=20 - place)
        candidate = await add_candidate(connection, CandidateFacts(*facts), actor=actor, now=at)
        sheet = dict(zip(DIMENSIONS, scores, strict=True))
        await add_sheet(connection, Subject(candidate_id=candidate), sheet, reason="first_look", actor=actor, now=at)
        for member in members:
            if dice.random() < share:
                await vote(connection, member, candidate, now=at + timedelta(hours=dice.randint(1, 200)))
    await move_candidate(
        connection, candidate, "planned", sku="", reason="partner_found", actor=actor, now=now - timedelta(days=2)
    )


async def _column(connection: AsyncConnection[Any], query: str, *values: object) -> list[Any]:
    return [row[0] for row in await (await connection.execute(query, values)).fetchall()]
