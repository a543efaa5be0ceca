"""The tasks: the check-in counts once a day however often it is sent, and the week shows what the days in a row bring."""

import asyncio
from datetime import timedelta

import pytest

from liyu.members.points.history import WayToEarn
from liyu.web.mall import earn
from tests.web.conftest import Client
from tests.web.mall.conftest import Shop
from tests.web.personas import token_in
from tests.world import NOW

TODAY = NOW.date()
STREAK = WayToEarn(
    code="streak", event_type="check_in", name_zh="连签", name_en="Streak", points=5, growth=0, per_minor=None,
    tier_multiplied=False, condition="streak", every_days=7, birthday_basis_points=10_000, birthday_span=None, daily_cap=None,
    yearly_cap=None, lifetime_cap=None, pending_days=0, used_today=0, used_this_year=0, used_ever=0,
)  # fmt: skip


async def test_a_check_in_sent_many_times_at_once_counts_once(shop: Shop, member: Client) -> None:
    token = token_in(await member.get("/earn"))
    answers = await asyncio.gather(*(member.post("/earn/check-in", data={"csrf_token": token}) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {303}
    assert await shop.world.one("SELECT count(*) FROM earning_event WHERE type = 'check_in'") == 1
    assert (await shop.world.balances("M1"))["points"] == 1_001
    page = (await member.get("/earn")).text
    assert "Done for today" in page
    assert "/earn/check-in" not in page


async def test_a_check_in_that_the_host_told_is_done_in_the_mall_too_and_caps_show_what_is_left(
    shop: Shop, member: Client
) -> None:
    now = shop.world.clock.now()
    await shop.world.post(shop.world.event("M1", "check_in", at=now), shop.world.event("M1", "campaign", at=now))
    page = (await member.get("/earn")).text
    assert "Done for today" in page
    assert "30 / 500" in page


@pytest.mark.parametrize(
    ("days_before", "is_done", "missing"), [(0, False, 7), (5, False, 2), (6, False, 1), (6, True, 7), (7, True, 6)]
)
def test_the_next_bonus_says_how_many_check_ins_are_missing(days_before: int, is_done: bool, missing: int) -> None:
    done = {TODAY - timedelta(days=back) for back in range(1, days_before + 1)} | ({TODAY} if is_done else set())
    assert earn._next_bonus(done, TODAY, [STREAK]) == {"days": missing, "points": 5}
    week = earn._week(done, TODAY, 1, [STREAK])
    assert [one["day"].weekday() for one in week] == list(range(7))
    assert all(one["points"] == (6 if one["bonus"] else 1) for one in week if one["day"] >= TODAY)
