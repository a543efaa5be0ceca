"""Reading the demo's data files; their README tells where the data comes from and under which licence."""

import csv
import json
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from liyu.members.points.events import Event

FOLDER = Path(__file__).parent / "data"
LAST_DAY_OF_DATA = date(2011, 12, 9)


@cache
def read_json(name: str) -> Any:
    """A data file by its name."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def read_events(today: date, zone: ZoneInfo, currency: str) -> list[Event]:
    """The real purchases and returns, moved by whole days so that their last day is yesterday; in order of time."""
    shift = today - timedelta(days=1) - LAST_DAY_OF_DATA
    with (FOLDER / "purchases.csv").open(encoding="utf-8", newline="") as text:
        rows = list(csv.DictReader(text))
    events = [
        Event(
            member=row["customer"],
            type=row["type"],
            reference=row["reference"],
            occurred_at=(datetime.fromisoformat(row["occurred_at"]) + shift).replace(tzinfo=zone),
            amount_minor=int(row["amount_minor"]),
            currency=currency,
        )
        for row in rows
    ]
    return sorted(events, key=lambda event: (event.occurred_at, event.reference))


def from_now(text: str | None, now: datetime) -> datetime | None:
    """An instant given as hours or days from now: `-2h`, `+3d`; None stays None. Drops open and close at full hours."""
    if text is None:
        return None
    amount, unit = int(text[:-1]), text[-1]
    instant = now + (timedelta(hours=amount) if unit == "h" else timedelta(days=amount))
    return instant.replace(minute=0, second=0, microsecond=0)
