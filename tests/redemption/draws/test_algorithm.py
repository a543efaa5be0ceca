"""The ten lines: the same winners whatever the order of the list, nobody twice, tickets weigh; the document prints them."""

import re
from hashlib import sha256
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from liyu.redemption.draws.algorithm import commitment_to, draw_order, hash_list, list_file, ten_lines
from liyu.redemption.draws.plan import plan_places
from liyu.redemption.draws.records import Prize
from scripts.steps import ROOT

DOCUMENT = ROOT / "docs" / "algorithms" / "draws.md"
SEEDS = st.binary(min_size=32, max_size=32).map(bytes.hex)
CODES = st.text("0123456789ABCDEFGHJKMNPQRSTVWXYZ-", min_size=1, max_size=14)
ENTRIES = st.lists(
    st.tuples(CODES, st.sampled_from("PQRSTUV"), st.integers(1, 4)), max_size=20, unique_by=lambda entry: entry[0]
)


@given(SEEDS, ENTRIES, st.randoms(use_true_random=False))
def test_the_order_depends_on_the_seed_and_the_list_alone(seed: str, entries: list[Any], random: Any) -> None:
    shuffled = random.sample(entries, len(entries))
    order = draw_order(seed, entries)
    assert draw_order(seed, shuffled) == order
    assert hash_list(shuffled) == hash_list(entries) == sha256(list_file(entries).encode()).hexdigest()


@given(SEEDS, ENTRIES)
def test_every_person_has_one_place(seed: str, entries: list[Any]) -> None:
    persons = {code: person for code, person, _ in entries}
    drawn = [persons[code] for code in draw_order(seed, entries)]
    assert len(drawn) == len(set(drawn))
    assert set(drawn) == set(persons.values())


@given(SEEDS, ENTRIES)
@settings(max_examples=50)
def test_another_list_or_seed_is_another_draw(seed: str, entries: list[Any]) -> None:
    added = [*entries, ("new-entry", "W", 1)]
    assert hash_list(added) != hash_list(entries)
    assert commitment_to(seed) != commitment_to(seed[:-1] + ("0" if seed[-1] != "0" else "1"))


def test_tickets_weigh() -> None:
    """A first place with 3 tickets of 6 comes in half of the draws; the bounds are five standard deviations wide."""
    entries = [("A", "a", 3), ("B", "b", 1), ("C", "c", 1), ("D", "a", 1)]
    firsts = [draw_order(f"seed {number}", entries)[0] for number in range(3_000)]
    assert abs(firsts.count("A") - 1_500) < 5 * 27.4
    for code in "BCD":
        assert abs(firsts.count(code) - 500) < 5 * 20.4


@given(SEEDS, ENTRIES, st.lists(st.integers(1, 4), min_size=1, max_size=3), st.data())
def test_units_go_down_the_order_and_pass_over_who_has_left(
    seed: str, entries: list[Any], units: list[int], data: st.DataObject
) -> None:
    order = draw_order(seed, entries)
    prizes = [Prize(n, n, n, f"p{n}", "goods", "home", "", "", 0, count, 0) for n, count in enumerate(units, 1)]
    active = data.draw(st.sets(st.sampled_from(order))) if order else set()
    places = plan_places(order, prizes, active, to_claim=False)
    assert [place.code for place in places] == order
    won = [place for place in places if place.state == "won"]
    assert [place.prize_id for place in won] == [n for n, count in enumerate(units, 1) for _ in range(count)][
        : len(won)
    ]
    assert len(won) == min(sum(units), len(active))
    assert {place.code for place in places if place.state == "passed_over"} == set(order) - active
    assert all(later.state != "won" for later in places[places.index(won[-1]) + 1 :]) if won else True


@given(SEEDS, ENTRIES)
@settings(max_examples=50)
def test_the_lines_of_the_document_give_the_same(seed: str, entries: list[Any]) -> None:
    printed = _printed()
    assert printed.strip() == ten_lines().strip()
    names: dict[str, Any] = {}
    exec(printed, names)
    assert names["draw_order"](seed, entries) == draw_order(seed, entries)


def test_the_example_of_the_document_holds() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    example = dict(re.findall(r"^(seed|commitment|list hash|order): (.+)$", text, re.MULTILINE))
    listed = re.search(r"```csv\n(.+?)```", text, re.DOTALL)
    assert listed is not None
    entries = [
        (code, person, int(tickets)) for code, person, tickets in (line.split(",") for line in listed[1].split())
    ]
    assert commitment_to(example["seed"]) == example["commitment"]
    assert hash_list(entries) == example["list hash"]
    assert ", ".join(draw_order(example["seed"], entries)) == example["order"]


def _printed() -> str:
    found = re.search(r"```python\n(from hashlib.+?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]
