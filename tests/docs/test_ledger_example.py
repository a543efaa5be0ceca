"""The worked example of `docs/algorithms/ledger.md`, played, and its queries, run."""

import re
from datetime import date, datetime

from liyu.members.points.lapse import lapse_points
from liyu.redemption.cancel import cancel_redemption
from scripts.steps import ROOT
from tests.world import ZONE, World, open_world

PAGE = (ROOT / "docs" / "algorithms" / "ledger.md").read_text(encoding="utf-8")
LAST_DAYS = (date(2026, 12, 31), date(2027, 12, 31), date(2028, 12, 31))
MEMBER = "M-1"


def _noon(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T12:00:00").replace(tzinfo=ZONE)


def _rows() -> dict[str, list[int]]:
    """The table's figures by day: the three lots, the balance, the debt."""
    lines = [line.strip("|").split("|") for line in PAGE.splitlines() if re.match(r"\| \d{4}-\d\d-\d\d \|", line)]
    return {
        cells[0].strip(): [int(cell.replace(",", "") or 0) for cell in map(str.strip, cells[3:])] for cells in lines
    }


async def _figures(world: World) -> list[int]:
    lots, balances = await world.lots(MEMBER), await world.balances(MEMBER)
    return [*(lots.get(day, 0) for day in LAST_DAYS), balances["points"], -balances["debt"]]


async def _buy(world: World, day: str, kind: str, reference: str, yuan: int) -> None:
    world.clock.instant = _noon(day)
    (posted,) = await world.post(world.event(MEMBER, kind, yuan * 100, reference=reference))
    assert posted.status == "ok"


async def _redeem(world: World, day: str, sku: str) -> str:
    world.clock.instant = _noon(day)
    return (await world.redeem(MEMBER, sku)).number


async def test_the_worked_example_holds(database_url: str) -> None:
    table = _rows()
    async with open_world(database_url, now=_noon("2025-12-19")) as world:
        await world.member(MEMBER)
        await world.item("dear", points=600)
        await world.item("cheap", points=200)

        async def hold(day: str) -> None:
            assert await _figures(world) == table.pop(day), day

        await _buy(world, "2025-12-20", "purchase", "A", 500)
        await hold("2025-12-20")
        await _buy(world, "2026-03-05", "purchase", "B", 300)
        await hold("2026-03-05")
        number = await _redeem(world, "2026-06-01", "dear")
        await hold("2026-06-01")
        async with world.connection.transaction():
            await cancel_redemption(
                world.connection, number, member_id=None, reason="-", actor="test", now=_noon("2026-06-02"), zone=ZONE
            )
        await hold("2026-06-02")
        await _redeem(world, "2026-07-01", "cheap")
        await hold("2026-07-01")
        await lapse_points(world.connection, date(2027, 1, 1), actor="test", now=_noon("2027-01-01"))
        await hold("2027-01-01")
        await _buy(world, "2027-02-01", "return", "B", 200)
        await hold("2027-02-01")
        await _buy(world, "2027-02-02", "return", "A", 500)
        await hold("2027-02-02")
        await _buy(world, "2027-03-01", "purchase", "C", 700)
        await hold("2027-03-01")
        assert table == {}
        await _check_queries(world)


async def _check_queries(world: World) -> None:
    first, second, third = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
    row = await (await world.connection.execute(first)).fetchone()
    assert row == (300, 300, 300)
    accounts = dict(await (await world.connection.execute(second)).fetchall())
    assert sum(accounts.values()) == 0
    assert {kind: points for kind, points in accounts.items() if kind.startswith("points_")} == {
        "points_issued": -1500,
        "points_redeemed": 200,
        "points_lapsed": 300,
        "points_clawed_back": 700,
    }
    drawn = await (await world.connection.execute(third)).fetchall()
    assert [amount for _, _, amount in drawn] == [-500, -100, -200]
