"""The injected clock. Instants are UTC; the dates that people see are in the program's time zone (docs/rules.md 17)."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Protocol
from zoneinfo import ZoneInfo


class Clock(Protocol):
    """Anything that can tell the present instant."""

    def now(self) -> datetime:
        """The present instant, timezone-aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present instant in UTC."""
        return datetime.now(UTC)


@dataclass(slots=True)
class FixedClock:
    """A clock that stands still until it is set; for tests and replays."""

    instant: datetime

    def now(self) -> datetime:
        """The instant it was set to."""
        return self.instant


def local_date(instant: datetime, zone: ZoneInfo) -> date:
    """The calendar date of an instant for people who live in `zone`."""
    return instant.astimezone(zone).date()


def start_of_day(day: date, zone: ZoneInfo) -> datetime:
    """The UTC instant at which `day` begins in `zone`."""
    return datetime.combine(day, time.min, zone).astimezone(UTC)
