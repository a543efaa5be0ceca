"""Cut the demo's purchase history out of the two order files of the Online Retail data sets.

The result holds whole customers only: every purchase and every return that one of them made from 2009-12 to 2011-12.
The choice depends on the data alone, so the same input always gives the same file.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

EARLIER_FILE = "invoices_2009-12_2010-12.csv.gz"
LATER_FILE = "purchases_2010-12_2011-12.csv.gz"
OVERLAP_ENDS = "2010-12-10"
"""Both files hold 2010-12-01 .. 2010-12-09. Those days come from the earlier file, which has invoice numbers."""
LAST_YEAR_STARTS = "2010-12-10"
COLUMNS = ("customer", "type", "amount_minor", "occurred_at", "reference")


class Event(NamedTuple):
    """One purchase or return; `amount_minor` is positive for both."""

    customer: str
    type: str
    amount_minor: int
    occurred_at: str
    reference: str

    @property
    def signed_minor(self) -> int:
        return self.amount_minor if self.type == "purchase" else -self.amount_minor


TYPE_NAMES = {"0": "purchase", "1": "return"}

History = list[Event]
Wanted = Callable[[History], bool]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("source", type=Path, help="folder with the two order files (.csv.gz)")
    parser.add_argument("output", type=Path, help="CSV file to write")
    parser.add_argument("--customers", type=int, default=260, help="how many customers to keep (default: 260)")
    options = parser.parse_args(arguments)
    missing = [name for name in (EARLIER_FILE, LATER_FILE) if not (options.source / name).is_file()]
    if missing:
        parser.error(f"not found in {options.source}: {', '.join(missing)}")

    histories = read_histories(options.source)
    chosen = choose_customers(histories, options.customers)
    events = sorted(
        (event for customer in chosen for event in histories[customer]),
        key=lambda event: (event.occurred_at, event.customer, event.reference),
    )
    write_events(options.output, events)
    print(f"{len(events)} events of {len(chosen)} customers", file=sys.stderr)
    return 0


def read_histories(source: Path) -> dict[str, History]:
    """All events by customer, in order of time, each day of the overlap once. Guests have no customer and stay out."""
    histories: dict[str, History] = defaultdict(list)
    for event in (*read_earlier(source / EARLIER_FILE), *read_later(source / LATER_FILE)):
        histories[event.customer].append(event)
    for history in histories.values():
        history.sort(key=lambda event: (event.occurred_at, event.reference))
    return histories


def read_earlier(path: Path) -> Iterator[Event]:
    """Invoices; a cancellation has its own number, which starts with C."""
    for row in read_rows(path):
        if row["customer_id"] and row["invoice_time"] < OVERLAP_ENDS:
            yield Event(
                row["customer_id"],
                TYPE_NAMES[row["cancelled"]],
                minor_units(row["amount_gbp"]),
                row["invoice_time"].replace(" ", "T"),
                row["invoice"],
            )


def read_later(path: Path) -> Iterator[Event]:
    """Events without invoice numbers: customer and minute name an event, as the source has one of a type a minute."""
    for row in read_rows(path):
        if row["purchase_time"] >= OVERLAP_ENDS:
            minute = row["purchase_time"][:16].translate(str.maketrans("", "", "-: "))
            suffix = "-R" if row["is_return"] == "1" else ""
            yield Event(
                row["customer_id"],
                TYPE_NAMES[row["is_return"]],
                minor_units(row["amount_gbp"]),
                row["purchase_time"].replace(" ", "T"),
                f"{row['customer_id']}-{minute}{suffix}",
            )


def read_rows(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream)


def minor_units(amount: str) -> int:
    return abs(int(Decimal(amount).quantize(Decimal("0.01")) * 100))


def choose_customers(histories: dict[str, History], wanted: int) -> list[str]:
    """A fixed mixture: the biggest spenders, the busiest of those who end below zero, other characters, and the rest
    ordinary repeat customers. Whoever has an order of 0.00 stays out, as an event's amount must be above zero."""
    candidates = [
        customer
        for customer in sorted(histories, key=shuffle_key)
        if all(event.amount_minor > 0 for event in histories[customer]) and len(histories[customer]) <= 200
    ]
    by_total = sorted(candidates, key=lambda customer: net_total(histories[customer]))
    overdrawn = [customer for customer in candidates if net_total(histories[customer]) < 0]
    overdrawn.sort(key=lambda customer: -len(histories[customer]))
    chosen = dict.fromkeys(by_total[-8:] + overdrawn[:12])
    for share, fits in characters():
        matching = [customer for customer in candidates if customer not in chosen and fits(histories[customer])]
        chosen.update(dict.fromkeys(matching[:share]))
    repeat = (customer for customer in candidates if customer not in chosen and len(histories[customer]) > 2)
    for customer in repeat:
        if len(chosen) >= wanted:
            break
        chosen[customer] = None
    return list(chosen)[:wanted]


def characters() -> Iterable[tuple[int, Wanted]]:
    """How many of which other kind of customer a demo needs to show every side of a loyalty program."""
    return (
        (12, lambda history: net_total(history) > 0 and lowest_balance(history) < 0),
        (40, lambda history: len(history) == 1 and history[0].type == "purchase"),
        (36, lambda history: len(history) >= 8 and 300_000 <= last_year_total(history) < 490_000),
        (4, lambda history: len(history) >= 6 and 485_000 <= last_year_total(history) < 500_000),
        (4, lambda history: len(history) >= 6 and 285_000 <= last_year_total(history) < 300_000),
        (8, lambda history: len(history) >= 8 and last_year_total(history) * 4 < net_total(history)),
    )


def shuffle_key(customer: str) -> str:
    """An order that has nothing to do with the customer number, the same on every machine."""
    return hashlib.sha256(customer.encode()).hexdigest()


def net_total(history: History) -> int:
    return sum(event.signed_minor for event in history)


def last_year_total(history: History) -> int:
    return net_total([event for event in history if event.occurred_at >= LAST_YEAR_STARTS])


def lowest_balance(history: History) -> int:
    balance = lowest = 0
    for event in history:
        balance += event.signed_minor
        lowest = min(lowest, balance)
    return lowest


def write_events(path: Path, events: Iterable[Event]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(events)


if __name__ == "__main__":
    sys.exit(main())
