"""Tiers on the database: posting and evaluating by the same rules, restarts, tiers by hand, plans, who is about to move."""

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import psycopg
import pytest
from psycopg.rows import dict_row

from liyu.core.bulk import encode_rows
from liyu.core.errors import InvalidInputError
from liyu.members.program import DEFAULT_TERMS, RuleRow
from liyu.members.tiers import evaluate as evaluation
from liyu.members.tiers.edit import TierPlan, apply_plan, load_plan, preview_plan
from liyu.members.tiers.errors import NotATierDayError, TiersChangedError
from liyu.members.tiers.evaluate import count_due, decide, evaluate_tiers
from liyu.members.tiers.queries import list_fallers, list_risers, list_tier_history, load_progress
from liyu.members.tiers.rights import TierRight
from liyu.members.tiers.save import load_ladder, load_standings
from liyu.members.tiers.service import GrowthGift, Placement, begin_tier_validity, give_growth, set_tiers
from tests.world import NOW, ZONE, World, open_world

GRACE = msgspec.structs.replace(DEFAULT_TERMS, tier_grace_days=15)
START = datetime(2026, 1, 5, 4, 0, tzinfo=UTC)
DOUBLE_FOR_ALL = [
    RuleRow("purchase", "purchase", "消费", "Purchases", 1, growth=1, per_minor=100, tier_multiplied=True)
]


async def member_id(world: World, external_id: str) -> int:
    found: int = await world.one("SELECT id FROM member WHERE external_id = %s", external_id)
    return found


async def standing(world: World, external_id: str) -> tuple[Any, ...]:
    """Tier, last day, growth value towards rising and towards keeping."""
    found = await world.connection.execute(
        "SELECT t.code, m.tier_until, m.growth, m.period_growth FROM member m JOIN tier t ON t.id = m.tier_id "
        "WHERE m.external_id = %s",
        (external_id,),
    )
    return await found.fetchone() or ()


async def reasons(world: World, external_id: str) -> list[str]:
    history = await list_tier_history(world.connection, await member_id(world, external_id), 50)
    return [one.reason for one in reversed(history)]


async def buy(world: World, external_id: str, yuan: int, at: datetime) -> int:
    """Buy at a time, and return the points."""
    world.clock.instant = at
    (posted,) = await world.post(world.purchase(external_id, yuan * 100, at=at))
    assert posted.status == "ok"
    return posted.points


async def gold_member(world: World, external_id: str, more: int = 0) -> str:
    """Gold since START, through the end of January 2028, with growth value in the period."""
    await world.member(external_id)
    await buy(world, external_id, 3_000, START)
    if more:
        await buy(world, external_id, more, START + timedelta(days=90))
    return external_id


async def test_the_end_of_a_validity_keeps_or_lowers_and_says_why_with_the_figures(database_url: str) -> None:
    async with open_world(database_url, now=START, terms=GRACE) as world:
        await gold_member(world, "falls", 1_500)
        for name in ("keeps", "grace"):
            await world.member(name)
            await buy(world, name, 1_000, START)
        await buy(world, "keeps", 1_000, START + timedelta(days=300))
        assert await standing(world, "keeps") == ("silver", date(2028, 1, 31), 2_000, 1_000)
        early = await evaluate_tiers(world.connection, date(2028, 1, 31), now=NOW)
        assert msgspec.structs.astuple(early) == (0, 0, 0, 0)
        first = await evaluate_tiers(world.connection, date(2028, 2, 1), now=NOW)
        assert msgspec.structs.astuple(first) == (1, 0, 0, 0)  # the others are in their grace days
        assert await standing(world, "keeps") == ("silver", date(2030, 1, 31), 0, 0)
        await buy(world, "grace", 1_100, datetime(2028, 2, 15, 15, 59, tzinfo=UTC))
        last = await evaluate_tiers(world.connection, date(2028, 2, 16), now=NOW)
        assert (last.downgraded, last.retained) == (1, 1)
        assert await standing(world, "grace") == ("silver", date(2030, 1, 31), 0, 0)
        assert await standing(world, "falls") == ("silver", date(2030, 2, 28), 0, 0)
        (entry,) = await list_tier_history(world.connection, await member_id(world, "falls"), 1)
        assert (entry.reason, entry.period_growth, entry.needed) == ("downgraded", 1_500, 3_000)
        assert (entry.since, entry.until) == (date(2028, 2, 16), date(2030, 2, 28))
        again = await evaluate_tiers(world.connection, date(2028, 2, 16), now=NOW)
        assert msgspec.structs.astuple(again) == (0, 0, 0, 0)


async def test_an_evaluation_that_was_killed_goes_on_where_it_stopped(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "PORTION", 2)
    async with open_world(database_url, now=START) as world:
        for number in range(5):
            await gold_member(world, f"m-{number}")

        def kill(_: int) -> None:
            raise KeyboardInterrupt

        day = date(2028, 2, 1)
        with pytest.raises(KeyboardInterrupt):
            await evaluate_tiers(world.connection, day, now=NOW, report=kill)
        assert await count_due(world.connection, day) == 3
        seen: list[int] = []
        await evaluate_tiers(world.connection, day, now=NOW, report=seen.append)
        assert seen == [2, 1]
        assert await count_due(world.connection, day) == 0
        assert await world.one("SELECT count(*) FROM tier_change WHERE reason = 'downgraded'") == 5
        assert (
            await world.one("SELECT count(*) FROM tier_change GROUP BY member_id, period HAVING count(*) > 1") is None
        )


async def test_posting_decides_what_was_due_before_it_counts_growth(database_url: str) -> None:
    async with open_world(database_url, now=START, rules=DOUBLE_FOR_ALL) as world:
        await world.connection.execute("UPDATE tier SET multiplier_basis_points = 20000 WHERE code = 'gold'")
        await gold_member(world, "m")
        late = datetime(2028, 2, 3, tzinfo=UTC)
        assert await buy(world, "m", 100, START + timedelta(days=9)) == 200  # Gold doubles
        assert await buy(world, "m", 2_700, late) == 2_700  # Silver does not
        # Without the worker: fallen first, then 2,700 in the new period, and not Gold by the growth of long ago.
        assert await standing(world, "m") == ("silver", date(2030, 1, 31), 2_700, 2_700)
        assert await reasons(world, "m") == ["joined", "threshold_reached", "downgraded"]
        assert await world.one("SELECT sum(amount) FROM growth_entry WHERE period = 3") == 2_700


async def test_a_return_takes_growth_but_nobody_down_at_once(database_url: str) -> None:
    async with open_world(database_url, now=START) as world:
        await gold_member(world, "m", 400)
        world.clock.instant = START + timedelta(days=101)
        await world.post(world.event("m", "return", 320_000))
        assert await standing(world, "m") == ("gold", date(2028, 1, 31), 200, 0)
        await world.post(world.event("m", "return", 900_000))
        assert await standing(world, "m") == ("gold", date(2028, 1, 31), 0, 0)
        await evaluate_tiers(world.connection, date(2028, 2, 1), now=NOW)
        assert (await standing(world, "m"))[0] == "silver"


async def test_the_evaluation_looks_at_exactly_those_for_whom_the_rules_decide(database_url: str) -> None:
    draw = random.Random(4)
    async with open_world(database_url, terms=GRACE) as world:
        await world.members(*(f"m-{number}" for number in range(400)))
        tiers = [
            row[0] for row in await (await world.connection.execute("SELECT id FROM tier ORDER BY rank")).fetchall()
        ]
        day = date(2026, 11, 22)
        rows = [
            {
                "id": f"m-{number}", "tier": draw.choice(tiers), "until": str(day + timedelta(days=draw.randint(-30, 5))),
                "growth": growth, "period": draw.randint(0, growth), "hand": draw.choice([None, None, tiers[1]]),
            }
            for number, growth in enumerate(draw.choice([0, 999, 1_000, 2_999, 3_000, 6_000]) for _ in range(400))
        ]  # fmt: skip
        await world.connection.execute(
            "UPDATE member SET tier_id = r.tier, tier_until = CASE WHEN r.tier = %s AND r.hand IS NULL THEN NULL ELSE r.until END, "
            "growth = r.growth, period_growth = r.period, tier_fallback_id = r.hand FROM json_to_recordset(%s::json) "
            "AS r(id text, tier bigint, until date, growth bigint, period bigint, hand bigint) WHERE external_id = r.id",
            (tiers[0], encode_rows(rows)),
        )
        ids = [row[0] for row in await (await world.connection.execute("SELECT id FROM member")).fetchall()]
        ladder, standings = await load_ladder(world.connection), await load_standings(world.connection, ids)
        due = {one for one, where in standings.items() if decide(ladder, where, day)[1]}
        found = await world.connection.execute(evaluation._PORTION, {"day": day, "after": 0, "portion": 1_000})
        selected = {row[0] for row in await found.fetchall()}
        assert due <= selected
        assert {one for one in selected - due if standings[one].fallback_id is None} == set()
        assert 50 < len(due) < 350
        await world.connection.execute(
            "INSERT INTO growth_entry (member_id, period, source, amount, at) SELECT id, 1, 'test', period_growth, now() "
            "FROM member WHERE period_growth > 0 UNION ALL SELECT id, 0, 'test', growth - period_growth, now() FROM member "
            "WHERE growth > period_growth"
        )
        await world.connection.execute("UPDATE member SET growth_counted_from = 0")


async def test_a_tier_set_by_hand_keeps_its_reason_and_ends_on_its_day(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m")
        mine = await member_id(world, "m")
        async with world.connection.transaction():
            await set_tiers(
                world.connection, [Placement(mine, "platinum", date(2027, 3, 31))], reason="来自合并品牌的老会员",
                actor="staff:1", now=NOW, zone=ZONE,
            )  # fmt: skip
        assert await standing(world, "m") == ("platinum", date(2027, 3, 31), 0, 0)
        progress = await load_progress(world.connection, mine)
        assert (progress.by_hand, progress.missing_to_keep, progress.decided_by) == (True, None, date(2027, 3, 31))
        (entry, _) = await list_tier_history(world.connection, mine, 5)
        assert (entry.reason, entry.note, entry.actor, entry.direction) == (
            "set_by_hand",
            "来自合并品牌的老会员",
            "staff:1",
            1,
        )
        evaluated = await evaluate_tiers(world.connection, date(2027, 4, 1), now=NOW)
        assert (evaluated.ended, evaluated.downgraded) == (1, 0)
        assert await standing(world, "m") == ("standard", None, 0, 0)


@pytest.mark.parametrize(
    ("tier", "until", "reason", "fault"),
    [
        ("diamond", date(2027, 1, 1), "why", InvalidInputError),
        ("gold", date(2026, 11, 21), "why", NotATierDayError),
        ("gold", date(2027, 1, 1), " ", InvalidInputError),
    ],
)
async def test_a_faulty_tier_by_hand_is_refused_and_changes_nothing(
    database_url: str, tier: str, until: date, reason: str, fault: type[Exception]
) -> None:
    async with open_world(database_url) as world:
        await world.member("m")
        placement = Placement(await member_id(world, "m"), tier, until)
        with pytest.raises(fault):
            async with world.connection.transaction():
                await set_tiers(world.connection, [placement], reason=reason, actor="staff:1", now=NOW, zone=ZONE)
        assert await standing(world, "m") == ("standard", None, 0, 0)
        assert await reasons(world, "m") == ["joined"]


async def test_growth_from_elsewhere_lifts_at_once_and_counts_once(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m")
        gift = GrowthGift(await member_id(world, "m"), 1_200, "import:7")
        async with world.connection.transaction():
            await give_growth(world.connection, [gift], now=NOW, zone=ZONE)
        assert await standing(world, "m") == ("silver", date(2028, 11, 30), 1_200, 0)
        with pytest.raises(psycopg.errors.RestrictViolation):
            await world.connection.execute("UPDATE growth_entry SET amount = 1")


async def test_the_validity_of_the_pre_registered_begins_with_their_activation(database_url: str) -> None:
    async with open_world(database_url, now=START) as world:
        await world.member("m")
        await world.connection.execute("UPDATE member SET state = 'pre_registered'")
        await world.post(world.purchase("m", 120_000, at=START))
        assert await standing(world, "m") == ("silver", None, 1_200, 0)
        async with world.connection.transaction():
            await begin_tier_validity(world.connection, await member_id(world, "m"), now=NOW, zone=ZONE)
        assert await standing(world, "m") == ("silver", date(2028, 11, 30), 1_200, 0)


async def changed_plan(world: World, **thresholds: int) -> tuple[TierPlan, str]:
    plan = await load_plan(world.connection)
    tiers = [msgspec.structs.replace(tier, threshold=thresholds.get(tier.code, tier.threshold)) for tier in plan.tiers]
    return msgspec.structs.replace(plan, tiers=tiers), plan.digest()


async def test_a_plan_is_previewed_applied_and_lifts_members_but_throws_nobody_down(database_url: str) -> None:
    # frappe/erpnext#14847: thresholds that are unset or out of order, and members who were there before
    async with open_world(database_url, now=START) as world:
        await gold_member(world, "gold", 900)
        await world.member("near")
        await world.post(world.purchase("near", 85_000, at=START))
        plan, shown = await changed_plan(world, silver=800, gold=4_000, platinum=9_000)
        outlook = {one.code: one for one in await preview_plan(world.connection, plan)}
        assert (outlook["standard"].members, outlook["standard"].rise) == (1, 1)
        assert (outlook["gold"].members, outlook["gold"].fall_before, outlook["gold"].fall_after) == (1, 1, 1)
        async with world.connection.transaction():
            await apply_plan(world.connection, plan, shown=shown)
        assert (await standing(world, "near"))[0] == "standard"
        evaluated = await evaluate_tiers(world.connection, date(2026, 3, 1), now=NOW)
        assert (evaluated.risen, evaluated.downgraded) == (1, 0)
        assert (await standing(world, "near"))[0] == "silver"
        assert (await standing(world, "gold"))[0] == "gold"
        new = msgspec.structs.replace(
            plan.tiers[1],
            code="ruby",
            name_zh="红宝石",
            name_en="Ruby",
            threshold=2_000,
            rights=[TierRight("gift", "礼")],
        )
        wider = msgspec.structs.replace(
            plan, tiers=[*plan.tiers[:2], new, *plan.tiers[2:]], fall="matching", grace_days=7
        )
        async with world.connection.transaction():
            await apply_plan(world.connection, wider, shown=plan.digest())
        assert await load_plan(world.connection) == wider


async def test_a_faulty_or_outdated_plan_names_every_fault_and_changes_nothing(database_url: str) -> None:
    async with open_world(database_url) as world:
        plan, shown = await changed_plan(world, standard=5, gold=1_000)
        faulty = msgspec.structs.replace(plan, fall="never", grace_days=-1)
        with pytest.raises(InvalidInputError) as refused:
            await apply_plan(world.connection, faulty, shown=shown)
        fields = {reason.details["field"] for reason in refused.value.reasons}
        assert fields == {"fall", "grace_days", "standard-threshold", "gold-threshold"}
        good, _ = await changed_plan(world, gold=3_500)
        with pytest.raises(TiersChangedError):
            await apply_plan(world.connection, good, shown="another")
        shorter = msgspec.structs.replace(good, tiers=good.tiers[:-1])
        with pytest.raises(InvalidInputError):
            async with world.connection.transaction():
                await apply_plan(world.connection, shorter, shown=shown)
        assert (await load_plan(world.connection)).digest() == shown


async def test_those_about_to_rise_and_to_fall_are_listed_with_what_is_missing_and_by_when(database_url: str) -> None:
    async with open_world(database_url, now=START, terms=GRACE) as world:
        await gold_member(world, "falls", 1_200)
        await world.member("rises")
        await world.member("far")
        await world.post(world.purchase("rises", 95_000, at=START), world.purchase("far", 10_000, at=START))
        riser, _ = await list_risers(world.connection)
        assert (riser.external_id, riser.to_en, riser.has, riser.missing, riser.by) == (
            "rises",
            "Silver",
            950,
            50,
            None,
        )
        # Another threshold is carried over by the next evaluation.
        await world.connection.execute("UPDATE tier SET threshold = 5000 WHERE code = 'silver'")
        await evaluate_tiers(world.connection, date(2026, 6, 1), now=START)
        assert [one.external_id for one in await list_risers(world.connection)] == ["falls"]
        await world.connection.execute("UPDATE tier SET threshold = 1000 WHERE code = 'silver'")
        await evaluate_tiers(world.connection, date(2026, 6, 1), now=START)
        assert [one.external_id for one in await list_risers(world.connection)] == ["rises", "falls"]
        assert await list_fallers(world.connection, date(2027, 6, 1)) == []
        (faller,) = await list_fallers(world.connection, date(2027, 12, 1))
        assert (faller.external_id, faller.to_en, faller.missing, faller.by) == (
            "falls",
            "Silver",
            1_800,
            date(2028, 2, 15),
        )
        mine = await load_progress(world.connection, await member_id(world, "falls"))
        assert (mine.missing_to_rise, mine.missing_to_keep, mine.decided_by) == (800, 1_800, date(2028, 2, 15))


async def test_why_somebody_is_in_their_tier_can_always_be_told(database_url: str) -> None:
    # frappe/erpnext#24672, #45450: users cannot see why they are in a tier
    async with open_world(database_url, now=START) as world:
        await gold_member(world, "m", 10)
        await evaluate_tiers(world.connection, date(2032, 1, 1), now=NOW)
        async with world.connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(
                "SELECT m.tier_id, m.tier_until, c.to_tier_id, c.until, c.from_tier_id, lag(c.to_tier_id) OVER (ORDER BY c.id) AS "
                "held FROM tier_change c JOIN member m ON m.id = c.member_id ORDER BY c.id"
            )
            rows = await cursor.fetchall()
        assert (rows[-1]["to_tier_id"], rows[-1]["until"]) == (rows[-1]["tier_id"], rows[-1]["tier_until"])
        assert all(row["from_tier_id"] == row["held"] for row in rows)
        assert await reasons(world, "m") == ["joined", "threshold_reached", "downgraded", "downgraded"]
