"""The specification of statements, by properties."""

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liyu.partners.settlement.errors import BooksDifferError
from liyu.partners.settlement.periods import bounds_of, month_before, month_of
from liyu.partners.settlement.statement import Bounds, Entry, Period, belongs, canonical_form, make_statement
from liyu.partners.settlement.terms import Terms, unit_of
from tests.partners.settling import ZONE

START = datetime(2026, 10, 1, tzinfo=UTC)
TERMS = [
    Terms(1, 7, "CON", 1, "concierge", "CNY", 1750, 0, 0),
    Terms(2, 7, "CON", 2, "concierge", "CNY", 1900, 0, 0),
    Terms(3, 7, "BULK", 1, "bulk_purchase", "CNY", 1600, 0, 0),
    Terms(4, 7, "DIS", 1, "member_discount", "CNY", 0, 60, 0),
    Terms(5, 7, "FREE", 1, "free_quota", "CNY", 250, 0, 3),
]
PRICES = {one.id: unit_of(one.mode, one.unit_price_minor, one.commission_minor) for one in TERMS}


@st.composite
def histories(draw: st.DrawFn) -> list[Entry]:
    entries = []
    for number in range(1, draw(st.integers(0, 40)) + 1):
        line = draw(st.integers(1, 5))
        quantity = draw(st.sampled_from([1, 1, 1, -1]))
        free = line == 5 and draw(st.booleans())
        at = START + timedelta(hours=draw(st.integers(0, 24 * 90)))
        entries.append(Entry(number, line, quantity, free, 0 if free else quantity * PRICES[line], at))
    return entries


def period(bounds: Bounds) -> Period:
    return Period("P1", "2026-10", "CNY", bounds)


@given(histories(), st.integers(0, 100), st.randoms())
def test_lines_sum_to_the_total_and_to_the_entries_in_any_order(
    entries: list[Entry], days: int, random: object
) -> None:
    bounds = Bounds(START + timedelta(days=days))
    statement = make_statement(TERMS, entries, period(bounds))
    inside = [entry for entry in entries if belongs(entry, bounds)]
    assert sum(line.amount_minor for line in statement.lines) == statement.net_minor
    assert statement.net_minor == sum(entry.amount_minor for entry in inside)
    assert statement.net_minor == statement.payable_minor - statement.receivable_minor
    assert min(statement.payable_minor, statement.receivable_minor) >= 0
    assert statement.entries == len(inside)
    assert [line.position for line in statement.lines] == list(range(1, len(statement.lines) + 1))
    for line in statement.lines:
        assert line.amount_minor == (line.quantity - line.free_quantity) * line.unit_minor
    shuffled = list(entries)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert make_statement(reversed(TERMS), shuffled, period(bounds)) == statement


@given(histories(), st.lists(st.tuples(st.integers(1, 30), st.integers(0, 15)), max_size=6))
def test_no_entry_is_on_two_statements_and_each_is_on_one_in_the_end(
    entries: list[Entry], steps: list[tuple[int, int]]
) -> None:
    """Statements follow each other while entries come in late and early: days to the next end, entries until then."""
    seen: list[int] = []
    recorded, end = 0, START
    bounds = Bounds(end)
    total = 0
    for days, more in [*steps, (100, len(entries))]:
        recorded, end = recorded + more, end + timedelta(days=days)
        bounds = msgspec.structs.replace(bounds, ends_at=end)
        known = entries[:recorded]
        statement = make_statement(TERMS, known, period(bounds))
        seen += [entry.id for entry in known if belongs(entry, bounds)]
        total += statement.net_minor
        bounds = Bounds(end, previous_ends_at=end, previous_watermark=statement.watermark)
    assert sorted(seen) == [entry.id for entry in entries]
    assert total == sum(entry.amount_minor for entry in entries)


@given(histories())
def test_anyone_can_recompute_the_digest(entries: list[Entry]) -> None:
    statement = make_statement(TERMS, entries, period(Bounds(START + timedelta(days=31))))
    text = json.dumps(canonical_form(statement), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert sha256(text.encode()).hexdigest() == statement.digest


def test_the_digest_tells_any_change() -> None:
    entries = [Entry(1, 1, 1, False, 1750, START)]
    made = make_statement(TERMS, entries, period(Bounds(START + timedelta(days=31))))
    more = make_statement(
        TERMS, [*entries, Entry(2, 3, 1, False, 0, START)], period(Bounds(START + timedelta(days=31)))
    )
    assert made.digest != more.digest


def test_entries_that_the_terms_do_not_explain_are_refused() -> None:
    with pytest.raises(BooksDifferError):
        make_statement(TERMS, [Entry(1, 1, 1, False, 1751, START)], period(Bounds(START + timedelta(days=31))))


def test_modes_of_cooperation() -> None:
    assert PRICES == {1: 1750, 2: 1900, 3: 0, 4: -60, 5: 250}
    with pytest.raises(KeyError):
        unit_of("rebate", 1, 1)


def test_months_begin_and_end_in_the_programs_zone() -> None:
    begins, ends = bounds_of("2026-10", ZONE)
    assert begins == datetime(2026, 9, 30, 16, tzinfo=UTC)
    assert ends == datetime(2026, 10, 31, 16, tzinfo=UTC)
    assert bounds_of("2026-12", ZONE)[1] == bounds_of("2027-01", ZONE)[0]
    assert month_of(datetime(2026, 10, 31, 16, tzinfo=UTC), ZONE) == "2026-11"
    assert month_before(datetime(2027, 1, 1, tzinfo=UTC), ZONE) == "2026-12"
