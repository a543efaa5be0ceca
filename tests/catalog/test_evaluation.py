import asyncio
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import AsyncConnection

from liyu.catalog.errors import CandidateNotOpenError, StateNotReachableError
from liyu.catalog.evaluation.candidates import (
    CandidateFacts,
    add_candidate,
    list_candidates,
    list_changes,
    load_candidate,
    move_candidate,
    move_votes,
    take_vote_back,
    vote,
)
from liyu.catalog.evaluation.mix import Target, TierName, load_mix, make_mix, set_targets
from liyu.catalog.evaluation.scores import Subject, add_sheet, combine, list_sheets, load_scores
from liyu.catalog.publish import publish_items
from liyu.catalog.records import ItemRecord
from liyu.core.errors import InvalidInputError, NotFoundError
from tests.catalog.conftest import NOW, ZONE, add_member, fetch

Connection = AsyncConnection[Any]
FACTS = CandidateFacts("机场贵宾厅", "Airport lounge", "", "", "travel", "")
score = st.integers(1, 10)


async def step(connection: Connection, candidate: int, wanted: str, sku: str = "") -> None:
    await move_candidate(connection, candidate, wanted, sku=sku, reason="r", actor="t", now=NOW)


async def votes(connection: Connection, candidate: int) -> int:
    return (await load_candidate(connection, candidate)).votes


@given(st.lists(st.tuples(score, score, score, score), min_size=1, max_size=5))
def test_the_total_lies_between_the_weakest_and_the_mean(sheets: list[tuple[int, ...]]) -> None:
    scores = combine(sheets)
    assert scores is not None
    tenth = Decimal("0.051")
    assert Decimal(float(min(scores.means))) - tenth <= scores.total
    assert scores.total <= Decimal(float(sum(scores.means) / 4)) + tenth


def test_one_weak_dimension_costs_more_than_strong_ones_give() -> None:
    even, uneven = combine([(6, 6, 6, 6)]), combine([(10, 10, 10, 1)])
    assert even is not None
    assert uneven is not None
    assert (even.total, uneven.total, uneven.weakest) == (Decimal("6.0"), Decimal("5.6"), 3)
    assert even.product > uneven.product  # although 31 is more than 24
    assert combine([]) is None


async def test_the_latest_sheet_of_each_person_counts_and_all_stay(connection: Connection) -> None:
    await publish_items(
        connection, [ItemRecord(sku="A", kind="goods", name_zh="A", points=1)], actor="t", now=NOW, zone=ZONE
    )
    [(item,)] = await fetch(connection, "SELECT id FROM item")
    subject = Subject(item_id=item)
    for actor, number in (("staff:1", 2), ("staff:2", 8), ("staff:1", 6)):
        sheet = dict.fromkeys(("attractiveness", "feasibility", "partner_quality", "cost"), number)
        await add_sheet(connection, subject, sheet, reason="r", actor=actor, now=NOW)
    scores = (await load_scores(connection, "item_id", [item]))[item]
    assert (scores.total, scores.sheets) == (Decimal("7.0"), 2)
    assert [(one.actor, one.scores[0]) for one in await list_sheets(connection, subject)] == [
        ("staff:1", 6), ("staff:2", 8), ("staff:1", 2)
    ]  # fmt: skip


async def test_a_member_has_one_vote_for_each_candidate_under_any_race(
    connection: Connection, database_url: str
) -> None:
    candidate = await add_candidate(connection, FACTS, actor="t", now=NOW)
    members = [await add_member(connection, f"m{number}") for number in range(3)]

    async def cast(member: int) -> None:
        async with await AsyncConnection.connect(database_url, autocommit=True) as own:
            await vote(own, member, candidate, now=NOW)

    await asyncio.gather(*(cast(member) for member in members for _ in range(4)))
    assert await votes(connection, candidate) == 3
    for _ in range(2):
        await take_vote_back(connection, members[0], candidate)
    assert await votes(connection, candidate) == 2
    mine = [(one.is_mine, one.votes) for one in await list_candidates(connection, member_id=members[0])]
    assert mine == [(False, 2)]
    # Who is merged with somebody that voted too has one vote.
    await move_votes(connection, source=members[1], target=members[2])
    assert await votes(connection, candidate) == 1


async def test_no_vote_slips_in_behind_the_close(connection: Connection, database_url: str) -> None:
    candidate, member = await add_candidate(connection, FACTS, actor="t", now=NOW), await add_member(connection, "m")
    async with await AsyncConnection.connect(database_url) as closing:
        await step(closing, candidate, "planned")
        late = asyncio.create_task(vote(connection, member, candidate, now=NOW))
        await asyncio.sleep(0.3)
        assert not late.done()  # it waits for the close, and then finds it closed
        await closing.commit()
    with pytest.raises(CandidateNotOpenError):
        await late
    assert await votes(connection, candidate) == 0


async def test_no_vote_is_taken_back_behind_the_close(connection: Connection, database_url: str) -> None:
    candidate, member = await add_candidate(connection, FACTS, actor="t", now=NOW), await add_member(connection, "m")
    await vote(connection, member, candidate, now=NOW)
    async with await AsyncConnection.connect(database_url) as closing:
        await step(closing, candidate, "planned")
        late = asyncio.create_task(take_vote_back(connection, member, candidate))
        await asyncio.sleep(0.3)
        assert not late.done()
        await closing.commit()
    with pytest.raises(CandidateNotOpenError):
        await late
    assert await votes(connection, candidate) == 1
    with pytest.raises(NotFoundError):
        await vote(connection, member, candidate + 1, now=NOW)


async def test_candidates_move_along_their_states_with_a_reason(connection: Connection) -> None:
    candidate = await add_candidate(connection, FACTS, actor="t", now=NOW)
    with pytest.raises(InvalidInputError):
        await step(connection, candidate, "listed", sku="NONE")
    await publish_items(
        connection, [ItemRecord(sku="A", kind="goods", name_zh="A", points=1)], actor="t", now=NOW, zone=ZONE
    )
    for wanted in ("planned", "listed"):
        await step(connection, candidate, wanted, sku="A")
    with pytest.raises(StateNotReachableError):
        await step(connection, candidate, "open")
    assert (await load_candidate(connection, candidate)).sku == "A"
    assert [one.to_state for one in await list_changes(connection, candidate)] == ["listed", "planned", "open"]
    dropped = await add_candidate(connection, FACTS, actor="t", now=NOW)
    await step(connection, dropped, "dropped")
    with pytest.raises(NotFoundError):
        await load_candidate(connection, dropped, member_id=await add_member(connection, "m"))


def test_the_mix_counts_by_scene_and_tier_and_names_what_is_thin() -> None:
    tiers = [TierName("base", "普通", "Base"), TierName("gold", "金", "Gold")]
    counts = [
        ("travel", "base", True, 2),
        ("travel", "gold", True, 1),
        ("travel", "gold", False, 4),
        ("car", "gold", True, 1),
    ]
    mix = make_mix(
        tiers,
        counts,
        {"hotel": 2},
        {("scene", "travel"): 3, ("scene", "hotel"): 5, ("scene", "car"): 2, ("tier", "gold"): 9},
    )
    lines = {one.code: one for one in mix.scenes}
    assert (lines["travel"].live, lines["travel"].coming, lines["travel"].missing) == (3, 4, 0)
    assert (lines["hotel"].candidates, lines["hotel"].missing) == (2, 5)
    assert [one.code for one in mix.thin] == ["hotel", "car"]
    assert [(one.code, one.live, one.missing) for one in mix.by_tier] == [("base", 2, 0), ("gold", 2, 7)]
    assert mix.cells["travel", "gold"] == 1


async def test_targets_are_kept_and_the_mix_comes_from_the_catalog(connection: Connection) -> None:
    items = [
        ItemRecord(sku=sku, kind="goods", name_zh=sku, points=1, scene="travel", tier=tier)
        for sku, tier in (("A", None), ("B", "gold"))
    ]
    await publish_items(connection, items, actor="t", now=NOW, zone=ZONE)
    for wanted in (7, 5):
        await set_targets(connection, [Target("scene", "travel", wanted, NOW)])
    mix = await load_mix(connection)
    travel = next(one for one in mix.scenes if one.code == "travel")
    assert (travel.live, travel.wanted, travel.missing) == (2, 5, 3)
    assert sum(one.live for one in mix.by_tier) == 2
