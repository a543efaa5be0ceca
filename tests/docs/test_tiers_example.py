"""The example of docs/algorithms/tiers.md is what the rules do."""

import re
from datetime import date
from pathlib import Path

from liyu.members.tiers.rules import Ladder, Standing, TierStep, grow, settle

PAGE = Path(__file__).parents[2] / "docs" / "algorithms" / "tiers.md"
NAMES = {1: "Member", 2: "Silver", 3: "Gold"}
LADDER = Ladder(
    [TierStep(1, 1, 0, 10_000, 12), TierStep(2, 2, 1_000, 10_000, 12), TierStep(3, 3, 3_000, 10_000, 12)],
    "one_step",
    15,
)


def test_the_example_is_what_the_rules_do() -> None:
    rows = re.findall(
        r"^\| (\d{4}-\d\d-\d\d) \| (.+?) \| (\w+) \| ([\d-]+) \| ([\d,]+) \| ([\d,]+) \|$",
        PAGE.read_text(),
        re.MULTILINE,
    )
    assert len(rows) == 6
    standing = Standing(1)
    for day, what, *expected in rows:
        standing, _ = settle(LADDER, standing, date.fromisoformat(day))
        amount = re.search(r"(buys for|returns) ([\d,]+)", what)
        if amount:
            sign = 1 if amount[1] == "buys for" else -1
            standing, _, _ = grow(LADDER, standing, sign * int(amount[2].replace(",", "")), date.fromisoformat(day))
        found = [NAMES[standing.tier_id], str(standing.until), f"{standing.growth:,}", f"{standing.period_growth:,}"]
        assert found == expected, day
