"""Partners change their own items by rule or after a review; members see what was approved."""

from typing import Any

import pytest
from psycopg import AsyncConnection

from liyu.catalog.errors import FileFaultyError, ItemNotFoundError
from liyu.catalog.proposals import (
    ListingTerms,
    NotChangeableError,
    NothingProposedError,
    ProposalDecidedError,
    approve,
    differences_of,
    list_proposals,
    passes,
    propose,
    save_listing_terms,
    send_back,
    withdraw,
)
from liyu.catalog.publish import publish_items
from liyu.catalog.records import ItemRecord
from liyu.catalog.service import set_state
from liyu.catalog.versions import Difference
from liyu.core.errors import NotFoundError
from tests.catalog.conftest import NOW, ZONE, fetch

PARTNER = "LUCKIN"


async def _item(connection: AsyncConnection[Any], state: str = "live") -> tuple[int, int]:
    record = ItemRecord(sku="CUP", kind="partner_right", name_zh="杯", points=100, stock=10, partner=PARTNER)
    await publish_items(connection, [record], actor="staff:1", now=NOW, zone=ZONE, new_state=state)
    ((item_id, partner_id),) = await fetch(connection, "SELECT id, partner_id FROM item WHERE sku = 'CUP'")
    return item_id, partner_id


async def _propose(connection: AsyncConnection[Any], partner_id: int, **facts: Any) -> str:
    return await propose(
        connection, partner_id, ItemRecord(sku="CUP", **facts), note="", actor="staff:9", now=NOW, zone=ZONE
    )


async def _now(connection: AsyncConnection[Any]) -> list[Any]:
    return await fetch(connection, "SELECT name_zh, points, total FROM item i JOIN item_stock s ON s.item_id = i.id")


async def test_words_wait_for_a_review_and_hold_once_approved(connection: AsyncConnection[Any]) -> None:
    _, partner_id = await _item(connection)
    assert await _propose(connection, partner_id, name_zh="大杯", points=100) == "submitted"
    assert await _propose(connection, partner_id, name_zh="中杯", cities=["上海"]) == "submitted"
    assert await _now(connection) == [("杯", 100, 10)]
    newest, earlier = await list_proposals(connection, partner_id=partner_id)
    assert (newest.state, earlier.state) == ("submitted", "withdrawn")
    changes = await differences_of(connection, newest, now=NOW, zone=ZONE)
    assert {one.field: one.after for one in changes} == {"name_zh": "中杯", "cities": ["上海"]}
    await approve(connection, newest.id, actor="staff:1", now=NOW, zone=ZONE)
    assert await _now(connection) == [("中杯", 100, 10)]
    for refused in (newest, earlier):
        with pytest.raises(ProposalDecidedError):
            await approve(connection, refused.id, actor="staff:2", now=NOW, zone=ZONE)
    assert await list_proposals(connection, waiting=True) == []


async def test_what_is_sent_back_or_withdrawn_changes_nothing(connection: AsyncConnection[Any]) -> None:
    _, partner_id = await _item(connection)
    await _propose(connection, partner_id, points=90)
    (first,) = await list_proposals(connection)
    await send_back(connection, first.id, reason="too cheap", actor="staff:1", now=NOW)
    await _propose(connection, partner_id, points=95)
    second = (await list_proposals(connection))[0]
    with pytest.raises(NotFoundError):
        await withdraw(connection, partner_id + 1, second.id, actor="staff:9", now=NOW)
    await withdraw(connection, partner_id, second.id, actor="staff:9", now=NOW)
    assert await _now(connection) == [("杯", 100, 10)]
    assert [(one.state, one.reason) for one in await list_proposals(connection)] == [
        ("withdrawn", ""), ("returned", "too cheap"),
    ]  # fmt: skip


async def test_prices_and_stock_within_the_rule_hold_at_once(connection: AsyncConnection[Any]) -> None:
    _, partner_id = await _item(connection)
    await save_listing_terms(connection, ListingTerms(price_percent=10), now=NOW)
    assert await _propose(connection, partner_id, points=90, stock=20) == "approved"
    assert await _now(connection) == [("杯", 90, 20)]
    assert await _propose(connection, partner_id, points=70) == "submitted"
    assert await _propose(connection, partner_id, stock=15) == "submitted"
    assert await _now(connection) == [("杯", 90, 20)]


async def test_drafts_are_saved_and_what_is_in_review_or_foreign_is_refused(connection: AsyncConnection[Any]) -> None:
    item_id, partner_id = await _item(connection, "draft")
    assert await _propose(connection, partner_id, points=80) == "saved"
    for faulty, refusal in (({"points": 80}, NothingProposedError), ({"tier": "wood"}, FileFaultyError)):
        with pytest.raises(refusal):
            await _propose(connection, partner_id, **faulty)
    with pytest.raises(ItemNotFoundError):
        await _propose(connection, partner_id + 1, points=1)
    await set_state(connection, item_id, "submitted", actor="staff:9", reason="", now=NOW)
    with pytest.raises(NotChangeableError):
        await _propose(connection, partner_id, points=70)
    assert await _now(connection) == [("杯", 80, 10)]
    assert await list_proposals(connection) == []


@pytest.mark.parametrize(
    ("field", "before", "after", "passing"),
    [
        ("points", 100, 110, True), ("points", 100, 111, False), ("points", 0, 1, False), ("total", 5, 6, True),
        ("total", 5, None, True), ("total", None, 5, False), ("total", 5, 4, False), ("name_zh", "a", "b", False),
    ],
)  # fmt: skip
def test_the_rule_knows_more_from_less(field: str, before: Any, after: Any, passing: bool) -> None:
    assert passes([Difference(field, before, after)], ListingTerms(price_percent=10)) == passing
