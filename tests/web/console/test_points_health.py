"""The page of points health: figures as of the last count, and the estimate that anyone can change in the address."""

from fractions import Fraction

import httpx

from liyu.web.console.points_health import format_percent
from tests.web.console.acts import submit, texts_of
from tests.web.console.conftest import SignIn
from tests.world import World

PAGE = "/console/points"


async def test_the_first_count_fills_the_page_and_says_when(sign_in: SignIn, world: World) -> None:
    client = await sign_in("finance")
    assert "Nothing has been counted yet" in texts_of(await client.get(PAGE))
    assert (await submit(client, PAGE, f"{PAGE}/count")).status_code == 303
    words = texts_of(await client.get(PAGE))
    for expected in ("Counted 22 Nov 2026, 10:00", "¥ 500.00", "5,000 points", "December 2027", "limit 80%"):
        assert expected in words
    assert await world.one("SELECT count(*) FROM audit_event WHERE action = 'points.count'") == 1
    service = await sign_in("service")
    assert (await service.get(PAGE)).status_code == 403


def test_a_rate_that_is_not_nothing_is_not_written_as_nothing() -> None:
    rates = [None, Fraction(0), Fraction(5, 10_000), Fraction(1, 2), Fraction(199, 10)]
    assert [format_percent(rate) for rate in rates] == ["—", "0.0%", "<0.1%", "0.5%", "19.9%"]


def _has_customers_figures(answer: httpx.Response) -> bool:
    words = texts_of(answer)
    return all(figure in words for figure in ("255.5", "211.2", "425", "891.7", "¥ 89.17", "¥ 17.834"))


async def test_the_estimate_reproduces_the_customers_figures_and_takes_others(sign_in: SignIn) -> None:
    client = await sign_in("operator")
    answer = await client.get(PAGE)
    assert _has_customers_figures(answer)
    assert "¥ 1,783,400" in texts_of(answer)  # for the 100,000 members that stand there before the first count
    query = "check_in_cap=100&check_in_rate=50&share_cap=0&share_rate=0&campaign_cap=0.5&campaign_rate=12.5"
    other = texts_of(await client.get(f"{PAGE}?{query}&points_per_unit=3&redeemed=100&members=3"))
    assert "50.0625" in other
    assert "¥ 16.6875" in other
    assert "¥ 50.0625" in other


async def test_figures_that_make_no_sense_are_all_named(sign_in: SignIn) -> None:
    client = await sign_in("operator")
    answer = await client.get(f"{PAGE}?check_in_cap=x&share_rate=101&points_per_unit=0&members=-1&redeemed=1.234")
    assert answer.status_code == 422
    words = texts_of(answer)
    for label in (
        "Daily check-in, points a year:", "Sharing, share earned:", "Points for 1 unit of money:", "Members:", "Share redeemed:",
    ):  # fmt: skip
        assert label in words
    assert "17.834" not in words
